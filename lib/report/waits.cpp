#include "report/waits.h"

#include <sys/wait.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "diagnosis/ends.h"
#include "graph/debts.h"
#include "graph/lives.h"
#include "report/words.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Process;
using snapshot::Scope;
using snapshot::TaskRef;
using snapshot::Thread;
using snapshot::WaitKind;

constexpr std::size_t kMaxNamed = 4;
constexpr std::size_t kMaxReasons = 2;
constexpr std::size_t kMaxAsked = 16;  // reasons of which those are the best

std::string label(const Report& report, TaskRef task) {
  return escape_untrusted(snapshot::label(report.snapshot, task));
}

/// "postgres[77] says: UPDATE waiting": a backend's title tells what its client waits for.
std::string backend_words(const Report& report, const Thread& thread) {
  if (!thread.wait || thread.wait->objects.empty()) return "";
  const snapshot::Object* object =
      snapshot::find_object(report.snapshot, thread.wait->objects.front().object);
  if (object == nullptr || !object->socket) return "";
  const snapshot::ObjectId peer = object->socket->peer;
  if (peer.kind == snapshot::ObjectKind::Unknown) return "";
  for (const Process& process : report.snapshot.processes) {
    if (!process.exe.ends_with("/postgres") || !process.fds || process.args.empty()) continue;
    if (std::ranges::find(*process.fds, peer, &snapshot::Fd::object) == process.fds->end())
      continue;
    const std::string pid =
        std::to_string(snapshot::local_number(report.snapshot, process.pid.value));
    return "; postgres[" + pid + "] says `" + escape_untrusted(process.args.front()) +
           "`: SELECT pg_blocking_pids(" + pid + ") tells who blocks it";
  }
  return "";
}

/// What nobody can take away first; a mere assumption is no reason beside others.
std::vector<graph::Leaf> best_reasons(const Report& report, TaskRef task) {
  std::vector<graph::Leaf> leaves = report.graph.reasons(task, kMaxAsked);
  const auto strength = [](const graph::Leaf& leaf) { return graph::switched_off_at(leaf.life); };
  std::erase_if(leaves, [](const graph::Leaf& leaf) { return leaf.text.empty(); });
  std::ranges::stable_sort(leaves, {}, strength);
  if (!leaves.empty() && strength(leaves.front()) != graph::Level::Assuming)
    std::erase_if(leaves,
                  [&](const auto& leaf) { return strength(leaf) == graph::Level::Assuming; });
  if (leaves.size() > kMaxReasons) leaves.resize(kMaxReasons);
  return leaves;
}

/// A finding above has it as its condition, or its task as one of those who could help.
bool is_told(const Report& report, TaskRef waiter, const graph::Leaf& leaf) {
  const auto is_condition = [&](const graph::Leaf& unless) {
    const bool of_its_task =
        unless.task == leaf.task && leaf.task != waiter && leaf.task.pid.value != 0;
    if (unless.text != leaf.text && !of_its_task) return false;
    return std::ranges::any_of(report.diagnosis.findings, [&](const diagnosis::Finding& finding) {
      return std::ranges::find(finding.unless, unless.text) != finding.unless.end();
    });
  };
  return std::ranges::any_of(report.graph.stuck_sets(), [&](const graph::StuckSet& set) {
    return std::ranges::any_of(set.unless, is_condition);
  });
}

std::string reasons(const Report& report, TaskRef task) {
  if (report.graph.is_at_rest(task)) return " (at rest: nobody waits for it)";
  std::string why;
  for (const graph::Leaf& leaf : best_reasons(report, task)) {
    if (is_told(report, task, leaf)) continue;
    const bool own = leaf.task == task || leaf.task.pid.value == 0;
    const std::string text = escape_untrusted(leaf.text);
    const std::string who = label(report, leaf.task);
    std::string reason = (own || text.starts_with(who) ? "" : who + ": ") + text;
    if (graph::switched_off_at(leaf.life) == graph::Level::Conditional) reason += " may help";
    if (why.find(reason) == std::string::npos) why += (why.empty() ? "" : "; ") + std::move(reason);
  }
  return why.empty() ? "" : " (" + why + ")";
}

bool has_two_sides(snapshot::ObjectKind kind) {
  return graph::is_channel(kind) || kind == snapshot::ObjectKind::Terminal;
}

/// A finding above tells of whom it waits.
bool is_in_a_finding(const Report& report, TaskRef task) {
  return std::ranges::any_of(report.diagnosis.findings, [&](const diagnosis::Finding& finding) {
    return std::ranges::find(finding.stuck, task, &diagnosis::StuckTask::task) !=
           finding.stuck.end();
  });
}

/// " from app[42]": who has the other side of what it reads from, or writes to, and is not told
/// among the reasons.
std::string other_side(const Report& report, const diagnosis::Ends& ends, TaskRef task,
                       const Thread& thread, const std::string& why) {
  std::set<Pid> senders, receivers;
  for (const snapshot::Awaited& awaited : thread.wait->objects) {
    if (!has_two_sides(awaited.object.kind)) continue;
    if (awaited.in)
      for (const diagnosis::Holder& holder : ends.senders(awaited.object))
        senders.insert(holder.pid);
    if (awaited.out)
      for (const diagnosis::Holder& holder : ends.receivers(awaited.object))
        receivers.insert(holder.pid);
  }
  const auto named = [&](const std::string& how, const std::set<Pid>& pids) {
    if (pids.size() == 1 && *pids.begin() == task.pid) return how + "itself";
    std::vector<std::string> labels;
    for (const Pid pid : pids) {
      const std::string who = label(report, {pid, Tid{}});
      if (pid != task.pid && why.find(who) == std::string::npos) labels.push_back(who);
    }
    return labels.empty() ? "" : how + enumerate(labels, kMaxReasons);
  };
  return named(" from ", senders) + named(" for ", receivers);
}

/// What one thread does, without its name; nothing for the runtime's own.
std::optional<std::string> words(const Report& report, const diagnosis::Ends& ends,
                                 const Process& process, const Thread& thread) {
  if (!thread.housekeeping.empty()) return std::nullopt;
  const TaskRef task{process.pid, thread.tid};
  std::string text;
  if (!snapshot::where(thread).empty()) text += "  " + place_words(thread);
  text += "  " + state_words(thread);
  if (thread.polls || (thread.wait && thread.wait->asked)) text += ", again and again";
  const bool waits =
      thread.wait && thread.wait->kind != WaitKind::Running && thread.wait->kind != WaitKind::Sleep;
  const std::string why = reasons(report, task);
  if (waits) text += ": " + escape_untrusted(diagnosis::describe_wait(report.snapshot, task));
  if (waits && !report.graph.is_at_rest(task) && !is_in_a_finding(report, task))
    text += other_side(report, ends, task, thread, why);
  return text + why + backend_words(report, thread);
}

std::string end_of(const Process& process) {
  if (process.wait_status < 0) return "has ended";
  if (WIFSIGNALED(process.wait_status))
    return "was killed by signal " + std::to_string(WTERMSIG(process.wait_status));
  return "has ended with exit code " + std::to_string(WEXITSTATUS(process.wait_status));
}

}  // namespace

std::vector<std::string> wait_lines(const Report& report) {
  struct Alike {
    std::vector<TaskRef> tasks;
    bool of_target = false;
  };
  const diagnosis::Ends ends(report.snapshot);
  std::vector<std::string> order;
  std::map<std::string, Alike> groups;
  for (const Process& process : report.snapshot.processes) {
    if (!snapshot::is_of_own_tree(report.snapshot, process)) continue;
    for (const Thread& thread : process.threads) {
      auto text = words(report, ends, process, thread);
      if (!text) continue;
      const auto [it, is_new] = groups.try_emplace(*text);
      if (is_new) order.push_back(*text);
      it->second.tasks.push_back({process.pid, thread.tid});
      it->second.of_target = it->second.of_target || (process.scope == Scope::Target &&
                                                      thread.tid.value == process.pid.value);
    }
  }
  std::ranges::stable_partition(order,
                                [&](const std::string& text) { return groups[text].of_target; });
  std::vector<std::string> lines;
  for (const std::string& text : order) {
    lines.push_back(labels_of(report.snapshot, groups[text].tasks, kMaxNamed) + text);
  }
  for (const Process& process : report.snapshot.processes)
    if (process.dead && !process.exited && snapshot::is_of_own_tree(report.snapshot, process))
      lines.push_back(label(report, {process.pid, Tid{}}) + "  " + end_of(process) +
                      "; its parent has not waited for it");
  return lines;
}

}  // namespace ipcdoctor::report
