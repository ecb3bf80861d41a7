#include "graph/stuck_sets.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "graph/lives.h"

namespace ipcdoctor::graph {
namespace {

constexpr Level kLevels[] = {Level::Proved, Level::Assuming, Level::Suspected, Level::Stuck,
                             Level::Conditional};

constexpr std::size_t kNoSet = ~std::size_t{0};

/// Finds the sets level by level. A task keeps the set of the strongest level at which it is dead.
constexpr std::string_view kNobody[] = {"no process that could not be looked into ",
                                        "no descriptor on its way through a socket "};
constexpr std::size_t kMaxNamed = 6;  // objects in one assumption

/// The end of the verb behind one of kNobody, or npos.
std::size_t end_of_verb(const std::string& text) {
  for (const std::string_view nobody : kNobody)
    if (const std::size_t at = text.find(nobody); at != std::string::npos)
      return text.find(' ', at + nobody.size());
  return std::string::npos;
}

/// One line for all objects that a hidden process may hold, one for all that it may map, one for
/// all that may be in flight: a person judges them together.
void merge_hidden_holders(std::vector<std::string>& assumptions) {
  std::vector<std::string> merged;
  std::map<std::string, std::pair<std::size_t, std::size_t>>
      lines;  // text up to the verb: line, names in it
  for (const std::string& text : assumptions) {
    const std::size_t verb = end_of_verb(text);
    if (verb == std::string::npos) {
      merged.push_back(text);
      continue;
    }
    const auto [line, is_new] = lines.try_emplace(text.substr(0, verb), merged.size(), 0);
    auto& [index, named] = line->second;
    if (is_new) {
      merged.push_back(text);
    } else if (named < kMaxNamed) {
      merged[index] += " or" + text.substr(verb);
    }
    ++named;
  }
  for (const auto& [key, line] : lines) {
    if (line.second > kMaxNamed)
      merged[line.first] += " or " + std::to_string(line.second - kMaxNamed) + " more";
  }
  assumptions = std::move(merged);
}

class Finder {
 public:
  Finder(const Gates& gates, const std::vector<Level>& levels)
      : gates_(gates), levels_(levels), set_of_(levels.size(), kNoSet) {}

  std::vector<StuckSet> run() && {
    for (const Level level : kLevels) add_level(level);
    for (StuckSet& set : sets_) explain(set);
    std::ranges::stable_sort(sets_, [](const StuckSet& a, const StuckSet& b) {
      return a.level != b.level ? a.level > b.level : a.core.front() < b.core.front();
    });
    return std::move(sets_);
  }

 private:
  std::size_t size() const { return levels_.size(); }
  bool is_settled(Node n, Level level) const { return gates_.is_task(n) && levels_[n] > level; }

  void add_level(Level level) {
    bool any = false;
    Flags member(size(), 0), closed(size(), 0);
    for (Node n = 0; n < size(); ++n) {
      any |= gates_.is_task(n) && levels_[n] == level;
      member[n] = levels_[n] >= level;
      closed[n] = is_settled(n, level) || is_closed(gates_, levels_, n, level);
      // What only an outside thing can end is no consequence of a deadlock elsewhere.
      if (level <= Level::Stuck && is_settled(n, level)) member[n] = 0;
    }
    if (!any) return;
    const std::size_t first = sets_.size();
    std::vector<Node> found = add_cores(level, member, closed);
    for (std::size_t i = first; i < sets_.size(); ++i) std::ranges::sort(sets_[i].core);
    add_behind(level, member, closed, std::move(found));
  }

  /// @return the nodes of the new cores and the tasks settled before
  std::vector<Node> add_cores(Level level, const Flags& member, const Flags& closed) {
    const Components components = strong_components(gates_.network, member, closed);
    std::vector<std::vector<Node>> nodes(components.count);
    for (Node n = 0; n < size(); ++n) {
      if (member[n] != 0) nodes[components.of[n]].push_back(n);
    }
    std::vector<bool> has_task(components.count), reaches_task(components.count);
    std::vector<Node> found;
    for (std::uint32_t c = 0; c < components.count; ++c) {
      for (const Node n : nodes[c]) {
        if (gates_.is_task(n)) has_task[c] = true;
        if (closed[n] != 0) continue;
        for (const Network::Edge& edge : gates_.network.inputs(n)) {
          const std::uint32_t other = components.of[edge.node];
          if (other == Components::kNone || other == c) continue;
          if (has_task[other] || reaches_task[other]) reaches_task[c] = true;
        }
      }
      const bool is_new = std::ranges::any_of(
          nodes[c], [&](Node n) { return gates_.is_task(n) && levels_[n] == level; });
      if (is_new && !reaches_task[c]) add_core(level, nodes[c]);
      for (const Node n : nodes[c]) {
        if (set_of_[n] != kNoSet && (gates_.is_task(n) || is_new)) found.push_back(n);
      }
    }
    return found;
  }

  void add_core(Level level, const std::vector<Node>& nodes) {
    StuckSet set;
    set.level = level;
    for (const Node n : nodes) {
      set_of_[n] = sets_.size();
      if (gates_.is_task(n)) set.core.push_back(gates_.task(n));
    }
    sets_.push_back(std::move(set));
  }

  /// Everybody else waits for a core: breadth first, so that each comes to the nearest.
  void add_behind(Level level, const Flags& member, const Flags& closed, std::vector<Node> todo) {
    std::ranges::stable_sort(todo, {}, [&](Node n) { return set_of_[n]; });
    std::vector<std::size_t> reached(size(), kNoSet);
    for (const Node n : todo) reached[n] = set_of_[n];
    for (std::size_t i = 0; i < todo.size(); ++i) {
      const Node helper = todo[i];
      for (const Network::Edge& edge : gates_.network.outputs(helper)) {
        const Node n = edge.node;
        if (member[n] == 0 || closed[n] != 0 || reached[n] != kNoSet) continue;
        reached[n] = reached[helper];
        todo.push_back(n);
        if (!gates_.is_task(n) || levels_[n] != level || set_of_[n] != kNoSet) continue;
        set_of_[n] = reached[n];
        sets_[reached[n]].behind.push_back(gates_.task(n));
      }
    }
  }

  /// Collects the switched-off leaves without which the set, or one behind it, would live.
  void explain(StuckSet& set) const {
    std::set<std::string> known;
    std::vector<Node> tasks;
    for (const TaskRef& task : set.core) tasks.push_back(gates_.node_of_task.at(task));
    for (const TaskRef& task : set.behind) tasks.push_back(gates_.node_of_task.at(task));
    for (const Level level :
         {Level::Assuming, Level::Suspected, Level::Stuck, Level::Conditional}) {
      if (level > set.level) continue;
      std::set<Node> told = switched_off_leaves(tasks, level, false);
      for (const Node n : told) add_leaf(set, *gates_.leaf(n), level < set.level, known);
      // Those who help may themselves be dead only as one more does not count.
      if (level != Level::Conditional || !set.unless.empty()) continue;
      for (const Node n : switched_off_leaves(tasks, level, true))
        if (told.insert(n).second) add_leaf(set, *gates_.leaf(n), false, known);
    }
    merge_hidden_holders(set.assumptions);
  }

  /// Those next to the gates of the tasks of that level. A gate that a guard shuts needs the guard
  /// only if somebody behind it lives; else the leaves behind it are enough.
  /// @param beyond  also those next to the gates of whoever is dead at that level and could help
  std::set<Node> switched_off_leaves(const std::vector<Node>& tasks, Level level,
                                     bool beyond) const {
    std::set<Node> seen, leaves;
    std::vector<Node> todo;
    for (const Node n : tasks) {
      if (levels_[n] == level && seen.insert(n).second) todo.push_back(n);
    }
    while (!todo.empty()) {
      const Node n = todo.back();
      todo.pop_back();
      const Node guard =
          is_closed(gates_, levels_, n, level) ? gates_.gate(n)->guard : Gate::kNoGuard;
      if (guard != Gate::kNoGuard) {
        if (levels_[guard] > level) continue;
        if (another_lives(n, guard, level)) {
          leaves.insert(guard);
          continue;
        }
      }
      for (const Network::Edge& edge : gates_.network.inputs(n)) {
        if (edge.node == guard || levels_[edge.node] < level) continue;
        if (gates_.is_task(edge.node) && !beyond) continue;
        if (gates_.leaf(edge.node) != nullptr) {
          leaves.insert(edge.node);
        } else if (seen.insert(edge.node).second) {
          todo.push_back(edge.node);
        }
      }
    }
    return leaves;
  }

  bool another_lives(Node gate, Node guard, Level level) const {
    return std::ranges::any_of(gates_.network.inputs(gate), [&](const Network::Edge& edge) {
      return edge.node != guard && levels_[edge.node] < level;
    });
  }

  /// @param known  the assumptions so far
  static void add_leaf(StuckSet& set, const Leaf& leaf, bool only_behind,
                       std::set<std::string>& known) {
    if (switched_off_at(leaf.life) == Level::Stuck) {
      set.causes.push_back(leaf);
      return;
    }
    if (switched_off_at(leaf.life) == Level::Conditional) {
      set.unless.push_back(leaf);
      return;
    }
    if (!only_behind) set.assumed.push_back(leaf);
    if (known.contains(leaf.text)) return;
    const std::string text = only_behind ? "for those behind: " + leaf.text : leaf.text;
    if (known.insert(text).second) set.assumptions.push_back(text);
  }

  const Gates& gates_;
  const std::vector<Level>& levels_;
  std::vector<std::size_t> set_of_;
  std::vector<StuckSet> sets_;
};

}  // namespace

std::vector<Level> find_levels(const Gates& gates) {
  const std::size_t size = gates.network.size();
  std::vector<Level> levels(size, Level::Live);
  for (const Level level : kLevels) {
    Flags off(size, 0);
    bool any = level == Level::Proved;
    for (Node n = 0; n < size; ++n) {
      const Leaf* leaf = gates.leaf(n);
      if (leaf == nullptr) continue;
      off[n] = switched_off_at(leaf->life) >= level;
      any |= switched_off_at(leaf->life) == level;
    }
    if (!any) continue;
    const Flags live = reduce(gates.network, off);
    for (Node n = 0; n < size; ++n) {
      if (live[n] == 0 && levels[n] == Level::Live) levels[n] = level;
    }
  }
  return levels;
}

bool is_closed(const Gates& gates, const std::vector<Level>& levels, Node node, Level level) {
  const Gate* gate = gates.gate(node);
  return gate != nullptr && gate->guard != Gate::kNoGuard && levels[gate->guard] >= level;
}

std::vector<StuckSet> find_stuck_sets(const Gates& gates, const std::vector<Level>& levels) {
  return Finder(gates, levels).run();
}

}  // namespace ipcdoctor::graph
