#include "report/tree.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "report/crowd.h"
#include "report/layout.h"
#include "report/shown.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Process;
using snapshot::TaskRef;
using snapshot::Thread;
using snapshot::WaitKind;

std::string doing(const snapshot::Snapshot& snapshot, TaskRef task, const Thread& thread) {
  const bool waits = thread.wait && thread.wait->kind != WaitKind::Running;
  if (!waits) return state_words(thread);
  return "waits for " + escape_untrusted(diagnosis::describe_wait(snapshot, task));
}

class Tree {
 public:
  Tree(const Report& report, Likeness likeness)
      : report_(report), likeness_(likeness), processes_(shown(report).processes) {
    for (const diagnosis::Finding& finding : report.diagnosis.findings) {
      for (const diagnosis::StuckTask& stuck : finding.stuck) stuck_.insert(stuck.task);
      for (const diagnosis::Culprit& culprit : finding.culprits) culprits_.insert(culprit.task);
    }
  }

  std::vector<TreeLine> run() {
    find_order();
    describe();
    struct Todo {
      std::size_t depth;
      std::vector<std::size_t> processes;
    };
    std::vector<Todo> todo;
    const auto add = [&](std::size_t depth, const std::vector<std::size_t>& members) {
      std::vector<std::vector<std::size_t>> groups = alike(members);
      for (std::size_t i = groups.size(); i-- > 0;) todo.push_back({depth, std::move(groups[i])});
    };
    add(0, roots_);
    std::vector<TreeLine> lines;
    while (!todo.empty()) {
      const Todo next = std::move(todo.back());
      todo.pop_back();
      lines.push_back(line(next.depth, next.processes));
      std::vector<std::size_t> children;
      for (const std::size_t p : next.processes)
        children.insert(children.end(), children_[p].begin(), children_[p].end());
      add(next.depth + 1, children);
    }
    return lines;
  }

 private:
  /// Each once, also where a file says that processes are each other's parents.
  void find_order() {
    std::unordered_map<int, std::size_t> place;
    for (std::size_t p = 0; p < processes_.size(); ++p) place.emplace(processes_[p]->pid.value, p);
    std::vector<std::vector<std::size_t>> below(processes_.size());
    std::vector<std::size_t> tops;
    for (std::size_t p = 0; p < processes_.size(); ++p) {
      const auto parent = place.find(processes_[p]->ppid.value);
      if (parent == place.end())
        tops.push_back(p);
      else
        below[parent->second].push_back(p);
    }
    children_.resize(processes_.size());
    std::vector<std::uint8_t> seen(processes_.size(), 0);
    const auto descend = [&](std::size_t root) {
      if (seen[root] != 0) return;
      roots_.push_back(root);
      seen[root] = 1;
      std::size_t next = order_.size();
      for (order_.push_back(root); next < order_.size(); ++next)
        for (const std::size_t child : below[order_[next]]) {
          if (seen[child] != 0) continue;
          seen[child] = 1;
          children_[order_[next]].push_back(child);
          order_.push_back(child);
        }
    };
    for (const std::size_t top : tops) descend(top);
    for (std::size_t p = 0; p < processes_.size(); ++p) descend(p);
  }

  /// Children before their parents.
  void describe() {
    threads_.resize(processes_.size());
    kind_of_.resize(processes_.size());
    std::map<std::string, std::size_t> kinds;
    for (std::size_t i = order_.size(); i-- > 0;) {
      const std::size_t p = order_[i];
      const Process& process = *processes_[p];
      std::string key = process.comm + (process.dead || process.exited ? "\ndead" : "");
      threads_[p] = threads_of(process);
      for (const TreeLine::Threads& t : threads_[p])
        key += "\n" + std::to_string(t.tasks.size()) + t.where + "\n" + without_numbers(t.does) +
               std::string(word_for(t.level)) + (t.is_stuck ? "s" : "") + (t.is_culprit ? "c" : "");
      std::set<std::size_t> below;
      for (const std::size_t child : children_[p]) below.insert(kind_of_[child]);
      for (const std::size_t kind : below) key += "\n#" + std::to_string(kind);
      kind_of_[p] = kinds.try_emplace(key, kinds.size()).first->second;
    }
  }

  std::vector<TreeLine::Threads> threads_of(const Process& process) const {
    std::vector<TreeLine::Threads> groups;
    std::map<std::string, std::size_t> places;
    const bool blamed = culprits_.contains({process.pid, Tid{}});
    for (const Thread& thread : process.threads) {
      if (thread.carries) continue;  // what it carries is here
      const TaskRef task{process.pid, thread.tid};
      const bool leads = thread.tid.value == process.pid.value;
      TreeLine::Threads one{{task},
                            place_words(thread),
                            doing(report_.snapshot, task, thread),
                            report_.graph.level(task),
                            stuck_.contains(task),
                            culprits_.contains(task) || (leads && blamed)};
      const std::string key = (leads ? "leader\n" : "") + one.where + "\n" +
                              without_numbers(one.does) + std::string(word_for(one.level)) +
                              (one.is_stuck ? "s" : "") + (one.is_culprit ? "c" : "");
      const auto [it, is_new] = places.try_emplace(key, groups.size());
      if (is_new || likeness_ == Likeness::Each)
        groups.push_back(std::move(one));
      else
        groups[it->second].tasks.push_back(task);
    }
    return groups;
  }

  std::vector<std::vector<std::size_t>> alike(const std::vector<std::size_t>& members) const {
    std::vector<std::vector<std::size_t>> groups;
    std::map<std::size_t, std::size_t> places;
    for (const std::size_t p : members) {
      const auto [it, is_new] = places.try_emplace(kind_of_[p], groups.size());
      if (is_new || likeness_ == Likeness::Each)
        groups.push_back({p});
      else
        groups[it->second].push_back(p);
    }
    return groups;
  }

  TreeLine line(std::size_t depth, const std::vector<std::size_t>& members) const {
    const Process& first = *processes_[members.front()];
    TreeLine line;
    line.depth = depth;
    for (const std::size_t p : members) line.pids.push_back(processes_[p]->pid);
    line.label = escape_untrusted(snapshot::label(report_.snapshot, {first.pid, Tid{}})) +
                 and_more(members.size() - 1);
    if (first.dead || first.exited) line.state = "dead";
    line.threads = threads_[members.front()];
    for (std::size_t m = 1; m < members.size(); ++m)
      for (std::size_t t = 0; t < line.threads.size(); ++t) {
        const auto& more = threads_[members[m]][t].tasks;
        line.threads[t].tasks.insert(line.threads[t].tasks.end(), more.begin(), more.end());
      }
    return line;
  }

  const Report& report_;
  const Likeness likeness_;
  std::vector<const Process*> processes_;
  std::set<TaskRef> stuck_, culprits_;
  std::vector<std::size_t> order_, roots_;  // by place in processes_
  std::vector<std::vector<std::size_t>> children_;
  std::vector<std::vector<TreeLine::Threads>> threads_;
  std::vector<std::size_t> kind_of_;
};

}  // namespace

std::vector<TreeLine> tree_lines(const Report& report, Likeness likeness) {
  return Tree(report, likeness).run();
}

namespace {

constexpr std::size_t kMaxIndent = 20;  // levels

std::string thread_words(const TreeLine::Threads& threads, const TreeText& options) {
  std::string text = threads.where.empty() ? "" : "  " + threads.where;
  text += "  " + threads.does;
  const auto still = options.still.find(threads.tasks.front());
  if (still != options.still.end() && still->second.count() > 0)
    text += ", for " + std::to_string(still->second.count()) + " s at least";
  if (threads.is_culprit)
    text += "  <- to blame";
  else if (threads.is_stuck)
    text += "  <- stuck";
  return text;
}

}  // namespace

void write_tree(std::ostream& out, const Report& report, const TreeText& options) {
  for (const TreeLine& line : tree_lines(report, options.likeness)) {
    const std::string indent(2 * std::min(line.depth, kMaxIndent), ' ');
    const std::string hang = indent + "      ";
    const auto put = [&](const std::string& text, const std::string& first) {
      out << wrap(text, std::max(options.width, hang.size() + 40), first, hang);
    };
    const std::string state = line.state.empty() ? "" : "  " + line.state;
    bool is_first = true;
    for (const TreeLine::Threads& threads : line.threads) {
      const std::size_t each = threads.tasks.size() / line.pids.size();
      const std::string count = each > 1 ? std::to_string(each) + " threads" : "";
      const Tid first = threads.tasks.front().tid;
      if (is_first)
        put(line.label + state + (count.empty() ? "" : "  " + count) +
                thread_words(threads, options),
            indent);
      else
        put((count.empty()
                 ? name_in_list(report.snapshot, first)
                 : count + ", " + std::to_string(number_in_list(report.snapshot, first)) + " ...") +
                thread_words(threads, options),
            indent + "  . ");
      is_first = false;
    }
    if (line.threads.empty()) put(line.label + state, indent);
  }
}

std::string ranges_of(std::vector<int> numbers, std::size_t most) {
  std::ranges::sort(numbers);
  const auto end = std::unique(numbers.begin(), numbers.end());
  std::string out;
  for (auto first = numbers.begin(); first != end;) {
    auto last = first;
    while (std::next(last) != end && *std::next(last) == *last + 1) ++last;
    std::string range = (out.empty() ? "" : " ") + std::to_string(*first);
    if (last != first) range += "-" + std::to_string(*last);
    if (out.size() + range.size() > most) return out + " ...";
    out += range;
    first = std::next(last);
  }
  return out;
}

}  // namespace ipcdoctor::report
