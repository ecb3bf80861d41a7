#include "graph/explain.h"

#include <algorithm>
#include <deque>
#include <set>
#include <string_view>
#include <tuple>

#include "graph/stuck_sets.h"

namespace ipcdoctor::graph {
namespace {

/// Ways that say little: tried only when there is no other.
bool is_weak(std::string_view by) {
  return by == "own-end" || by == "same-memory" || by == "shared-page" || by == "new-child" ||
         by == "unread-table" || by == "sysv" || by == "epoll" || by.empty();
}

constexpr std::size_t kCycleStarts = 64;
constexpr std::size_t kMaxSteps = 100000;

}  // namespace

std::vector<Explainer::Step> Explainer::next_tasks(Node from, Level level) const {
  std::vector<Step> found;
  // A group of tasks is gone through once for each name that leads to it.
  std::set<std::pair<Node, Node>> seen;
  std::deque<Step> todo{{from, {}}};
  while (!todo.empty() && found.size() < kMaxSteps) {
    const Step step = todo.front();
    todo.pop_front();
    for (const Network::Edge& edge : gates_.network.inputs(step.node)) {
      if (gates_.leaf(edge.node) != nullptr) continue;
      Step next{edge.node, step.way};
      if (edge.label >= 0) next.way.fd = edge.label;
      if (gates_.is_task(edge.node)) {
        found.push_back(next);
        continue;
      }
      if (level != Level::Live && is_closed(gates_, levels_, edge.node, level)) continue;
      const Gate& gate = *gates_.gate(edge.node);
      if (*gate.by != '\0') next.way = {gate.by, gate.object, -1, edge.node};
      if (!seen.insert({edge.node, next.way.gate}).second) continue;
      todo.push_back(next);
    }
  }
  return found;
}

std::string Explainer::evidence(Node from, const Step& step) const {
  const std::string_view by = step.way.by;
  const std::string fd = "fd " + std::to_string(step.way.fd);
  if (by == "lock-owner" || by == "gil" || by == "thread-exit" || by == "same-memory" ||
      by == "shared-page") {
    const snapshot::Thread* thread = snapshot::find_thread(snapshot_, gates_.task(from));
    if (thread != nullptr && thread->wait) return thread->wait->futex.lock.evidence;
  }
  if (by == "child-exit") return "it has not exited";
  if (step.way.fd < 0) return "";
  if (by == "pipe-write-end") return fd + " is open for writing";
  if (by == "pipe-read-end") return fd + " is open for reading";
  if (by == "socket-peer") return fd + " is the other end";
  if (by == "own-end") return fd + " is the same end";
  if (by == "listener") return fd + " is the listening socket";
  return fd + " is open";
}

Waker Explainer::waker(Node from, const Step& step) const {
  Waker waker;
  waker.task = gates_.task(step.node);
  waker.by = step.way.by;
  waker.object = step.way.object;
  waker.fd = step.way.fd;
  waker.evidence = evidence(from, step);
  waker.live = levels_[step.node] != Level::Proved;
  return waker;
}

std::vector<Waker> Explainer::wakers(TaskRef task, std::size_t limit) const {
  const auto it = gates_.node_of_task.find(task);
  if (it == gates_.node_of_task.end()) return {};
  std::vector<Waker> wakers;
  for (const Step& step : next_tasks(it->second, levels_[it->second])) {
    if (step.node != it->second) wakers.push_back(waker(it->second, step));
  }
  const auto key = [](const Waker& w) {
    return std::tuple(w.task, std::string_view(w.by), w.object, static_cast<unsigned>(w.fd));
  };
  std::ranges::sort(wakers, {}, key);
  const auto same = [](const Waker& a, const Waker& b) {
    return std::tie(a.task, a.by, a.object) == std::tie(b.task, b.by, b.object);
  };
  wakers.erase(std::unique(wakers.begin(), wakers.end(), same), wakers.end());
  if (wakers.size() > limit) wakers.resize(limit);
  return wakers;
}

std::vector<Leaf> Explainer::reasons(TaskRef task, std::size_t limit) const {
  const auto it = gates_.node_of_task.find(task);
  if (it == gates_.node_of_task.end()) return {};
  // Of one that lives whatever is switched off, the reasons that are never switched off.
  const Level own = levels_[it->second];
  const auto lives = [&](Node n) {
    return graph::lives(own) ? levels_[n] <= own : levels_[n] != Level::Proved;
  };
  std::vector<Leaf> reasons;
  if (!lives(it->second)) return reasons;
  Flags seen(levels_.size(), 0);  // it is asked for many tasks, each of which may see all nodes
  seen[it->second] = 1;
  std::deque<Node> todo{it->second};
  while (!todo.empty() && reasons.size() < limit) {
    const Node node = todo.front();
    todo.pop_front();
    if (const Leaf* leaf = gates_.leaf(node)) reasons.push_back(*leaf);
    for (const Network::Edge& edge : gates_.network.inputs(node)) {
      if (!lives(edge.node) || seen[edge.node] != 0) continue;
      seen[edge.node] = 1;
      todo.push_back(edge.node);
    }
  }
  return reasons;
}

std::vector<Node> Explainer::cycle_through(Node start, const Flags& core, Level level) const {
  // Who waits for `start` directly: backwards through gates only. A gate may lead back to start and
  // also onwards, so this cannot be found by one search that visits every gate once.
  std::set<Node> closing, gates;
  std::vector<Node> back{start};
  while (!back.empty()) {
    const Node node = back.back();
    back.pop_back();
    for (const Network::Edge& edge : gates_.network.outputs(node)) {
      if (core[edge.node] == 0 || is_closed(gates_, levels_, edge.node, level)) continue;
      if (gates_.is_task(edge.node)) {
        if (edge.node != start) closing.insert(edge.node);
      } else if (gates.insert(edge.node).second) {
        back.push_back(edge.node);
      }
    }
  }
  std::map<Node, Node> parent{{start, start}};
  std::deque<Node> todo{start};
  while (!todo.empty()) {
    const Node node = todo.front();
    todo.pop_front();
    if (closing.contains(node)) {
      std::vector<Node> cycle;
      for (Node n = node;; n = parent.at(n)) {
        if (gates_.is_task(n)) cycle.push_back(n);
        if (n == start) break;
      }
      std::ranges::reverse(cycle);
      return cycle;
    }
    if (is_closed(gates_, levels_, node, level)) continue;
    for (const Network::Edge& edge : gates_.network.inputs(node)) {
      if (core[edge.node] != 0 && parent.emplace(edge.node, node).second) todo.push_back(edge.node);
    }
  }
  return {};
}

std::vector<Node> Explainer::shortest_cycle(const std::vector<Node>& core, Level level) const {
  // The gates between the members of a core are those dead at its level: a superset does no harm,
  // since a cycle closes at its start and all tasks but the core's are left out.
  Flags inside(levels_.size(), 0);
  for (Node n = 0; n < levels_.size(); ++n) inside[n] = !gates_.is_task(n) && levels_[n] >= level;
  for (const Node n : core) inside[n] = 1;
  std::vector<Node> best;
  for (std::size_t i = 0; i < std::min(core.size(), kCycleStarts) && best.size() != 2; ++i) {
    std::vector<Node> cycle = cycle_through(core[i], inside, level);
    if (!cycle.empty() && (best.empty() || cycle.size() < best.size())) best = std::move(cycle);
  }
  return best;
}

bool Explainer::add_edge(std::vector<Edge>& edges, Node from, Node to, Level level,
                         std::size_t limit) const {
  if (edges.size() >= limit) return false;
  const std::vector<Step> steps = next_tasks(from, level);
  const auto is_to = [&](const Step& step) { return step.node == to; };
  auto best =
      std::ranges::find_if(steps, [&](const Step& s) { return is_to(s) && !is_weak(s.way.by); });
  if (best == steps.end()) best = std::ranges::find_if(steps, is_to);
  if (best != steps.end()) edges.push_back({gates_.task(from), waker(from, *best)});
  return true;
}

/// A task that nobody else can wake may still be its own hindrance: a pipe end it keeps open, a
/// lock it has.
void Explainer::add_self_edge(std::vector<Edge>& edges, Node task, Level level) const {
  for (const Step& step : next_tasks(task, level)) {
    if (step.node != task || is_weak(step.way.by)) continue;
    edges.push_back({gates_.task(task), waker(task, step)});
    return;
  }
}

std::vector<Edge> Explainer::chain(const StuckSet& set, std::size_t limit) const {
  std::vector<Node> core, members;
  Level weakest = set.level;
  for (const TaskRef& task : set.core) core.push_back(gates_.node_of_task.at(task));
  members = core;
  for (const TaskRef& task : set.behind) {
    members.push_back(gates_.node_of_task.at(task));
    weakest = std::min(weakest, levels_[members.back()]);
  }
  std::vector<Edge> edges;
  const std::vector<Node> cycle = shortest_cycle(core, set.level);
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (!add_edge(edges, cycle[i], cycle[(i + 1) % cycle.size()], set.level, limit)) return edges;
  }
  if (cycle.empty() && core.size() == 1 && limit > 0) add_self_edge(edges, core.front(), set.level);

  // From there backwards: each other task with the task nearer to the cycle that it waits for.
  Flags is_member(levels_.size(), 0);
  for (const Node n : members) is_member[n] = 1;
  std::map<Node, Node> nearest;  // node -> the task through which it was reached
  std::deque<Node> todo;
  for (const Node n : cycle.empty() ? core : cycle) {
    nearest.emplace(n, n);
    todo.push_back(n);
  }
  while (!todo.empty()) {
    const Node node = todo.front();
    todo.pop_front();
    const Node origin = gates_.is_task(node) ? node : nearest.at(node);
    for (const Network::Edge& edge : gates_.network.outputs(node)) {
      const Node n = edge.node;
      if (gates_.is_task(n) ? is_member[n] == 0 : levels_[n] < weakest) continue;
      if (is_closed(gates_, levels_, n, weakest) || !nearest.emplace(n, origin).second) continue;
      todo.push_back(n);
      if (gates_.is_task(n) && !add_edge(edges, n, origin, weakest, limit)) return edges;
    }
  }
  return edges;
}

}  // namespace ipcdoctor::graph
