#include "diagnosis/repairs.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace ipcdoctor::diagnosis {
namespace {

using graph::Event;
using snapshot::Wait;
using snapshot::WaitKind;

constexpr std::size_t kMaxNamed = 3;  // tasks, or phrases, of one repair

/// What one has and gives back; by the library's object where it is one.
bool is_lock(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  if (wait == nullptr) return false;
  if (wait->kind == WaitKind::FileLock) return true;
  if (wait->kind != WaitKind::Futex) return false;
  const std::string& type = snapshot::find_thread(snapshot, task)->activity.object.type;
  if (!type.empty()) return type.ends_with("Lock");
  const snapshot::LockKind kind = wait->futex.lock.kind;
  return kind == snapshot::LockKind::UnownedLock || snapshot::has_owner(kind);
}

/// What an event is, without for whom; equal phrases are told together.
std::string phrase(const Snapshot& snapshot, const Event& event) {
  if (event.kind == Event::Kind::Closes) return "fd " + std::to_string(event.fd) + " closed in ";
  const Wait* wait = wait_of(snapshot, event.task);
  if (wait != nullptr && wait->kind == WaitKind::Stopped)
    return wait->frozen ? "a thawed cgroup for " : "SIGCONT for ";
  if (wait != nullptr && wait->kind == WaitKind::OpenFifo)
    return "the other side of " + opened_path(snapshot, *wait) + " opened for ";
  const std::string what = describe_wait(snapshot, event.task);
  const bool names_lock = what.substr(0, what.find(' ')).ends_with("Lock");
  return what + (names_lock || is_lock(snapshot, event.task) ? " released to " : " for ");
}

void push_once(std::vector<Event>& events, const Event& event) {
  const auto is_same = [&](const Event& e) {
    return e.kind == event.kind && e.task == event.task && e.fd == event.fd;
  };
  if (!std::ranges::any_of(events, is_same)) events.push_back(event);
}

}  // namespace

Event wakes(TaskRef task) {
  return {Event::Kind::Wakes, task, -1};
}

Event closes(const Holder& holder) {
  return {Event::Kind::Closes, {holder.pid, Tid{0}}, holder.fd};
}

void add_repair(Finding& finding, std::vector<Event> events) {
  std::vector<Event> once;
  for (const Event& event : events) push_once(once, event);
  if (!once.empty()) finding.repairs.push_back({std::move(once), "", {}, 0, false});
}

void add_wakes(Finding& finding, const std::vector<TaskRef>& tasks) {
  std::vector<Event> events;
  for (const TaskRef& task : tasks) events.push_back(wakes(task));
  add_repair(finding, std::move(events));
}

void check_repairs(const Context& context, Finding& finding) {
  std::vector<TaskRef> tasks;
  std::size_t in_core = 0;
  if (finding.set >= 0) {
    const auto& set = context.graph.stuck_sets()[static_cast<std::size_t>(finding.set)];
    tasks = set.core;
    in_core = tasks.size();
    tasks.insert(tasks.end(), set.behind.begin(), set.behind.end());
  } else {
    for (const StuckTask& stuck : finding.stuck) tasks.push_back(stuck.task);
  }
  for (Repair& repair : finding.repairs) {
    repair.frees = context.graph.freed_by(repair.events, tasks);
    repair.of = tasks.size();
    // In the order of the tasks: the core comes first.
    repair.frees_core = in_core > 0 && repair.frees.size() >= in_core &&
                        repair.frees[in_core - 1] == tasks[in_core - 1];
    repair.what = describe(context.snapshot, repair.events);
  }
  std::erase_if(finding.repairs, [](const Repair& repair) { return repair.frees.empty(); });
  std::ranges::stable_sort(finding.repairs, {}, [](const Repair& r) { return !r.frees_all(); });
}

bool frees_the_core(const Finding& finding) {
  return std::ranges::any_of(finding.repairs, &Repair::frees_core);
}

std::string describe(const Snapshot& snapshot, const std::vector<Event>& events) {
  std::vector<std::string> phrases;
  std::map<std::string, std::vector<std::string>> whom;
  std::set<std::pair<std::string, std::string>> named;  // of a crowd a search would take for ever
  for (const Event& event : events) {
    const std::string what = phrase(snapshot, event);
    std::vector<std::string>& tasks = whom[what];
    if (tasks.empty()) phrases.push_back(what);
    std::string task = snapshot::label(snapshot, event.task);
    if (named.emplace(what, task).second) tasks.push_back(std::move(task));
  }
  std::vector<std::string> parts;
  for (const std::string& what : phrases) parts.push_back(what + enumerate(whom[what], kMaxNamed));
  const bool are_lists = std::ranges::any_of(
      parts, [](const std::string& part) { return part.find(" and ") != std::string::npos; });
  if (parts.size() == 2 && are_lists) return parts[0] + ", and " + parts[1];
  return enumerate(parts, kMaxNamed);
}

std::string action_of(const Snapshot& snapshot, const Event& event) {
  if (event.kind == Event::Kind::Closes) return "close";
  const Wait* wait = wait_of(snapshot, event.task);
  if (wait == nullptr) return "wake";
  switch (wait->kind) {
    case WaitKind::Read:
    case WaitKind::Accept:
    case WaitKind::MqReceive:
    case WaitKind::SysvReceive:
      return "message";
    case WaitKind::Write:
    case WaitKind::MqSend:
    case WaitKind::SysvSend:
      return "room";
    case WaitKind::Signal:
      return "signal";
    case WaitKind::Stopped:
    case WaitKind::Traced:
      return "continue";
    case WaitKind::OpenFifo:
      return "open";
    case WaitKind::Child:
    case WaitKind::Vfork:
    case WaitKind::Exiting:
      return "exit";
    default:
      return is_lock(snapshot, event.task) ? "release" : "wake";
  }
}

}  // namespace ipcdoctor::diagnosis
