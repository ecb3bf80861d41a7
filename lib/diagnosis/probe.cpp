#include "diagnosis/probe.h"

#include <algorithm>
#include <map>

namespace ipcdoctor::diagnosis {

std::string proc_path(const snapshot::Snapshot& snapshot, Pid pid, const std::string& file) {
  return snapshot::host_prefix(snapshot, pid.value) + "/proc/" +
         std::to_string(snapshot::local_number(snapshot, pid.value)) + "/" + file;
}

namespace {

using snapshot::Snapshot;

constexpr std::size_t kMaxEvidence = 24;   // facts of a finding; beyond that nobody reads
constexpr std::size_t kMaxWakersEach = 4;  // of one task's wait

std::string task_path(const Snapshot& snapshot, TaskRef task, const std::string& file) {
  if (task.tid == Tid{task.pid.value}) return proc_path(snapshot, task.pid, file);
  const int tid = snapshot::local_number(snapshot, task.tid.value);
  return proc_path(snapshot, task.pid, "task/" + std::to_string(tid) + "/" + file);
}

void add_call(Finding& finding, const Snapshot& snapshot, TaskRef task) {
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || !thread->wait) return;
  const snapshot::Wait& wait = *thread->wait;
  std::string fact =
      snapshot::label(snapshot, task) + " is in " + (wait.call.empty() ? "a call" : wait.call);
  if (!wait.detail.empty()) fact += " (" + wait.detail + ")";
  fact += ": waits for " + describe_wait(snapshot, task);
  finding.evidence.push_back({std::move(fact), task_path(snapshot, task, "syscall")});
  if (!wait.futex.lock.evidence.empty())
    finding.evidence.push_back({wait.futex.lock.evidence, task_path(snapshot, task, "mem")});
}

void add_wakers(Finding& finding, const Context& context, TaskRef task) {
  for (const graph::Waker& waker : context.graph.wakers(task, kMaxWakersEach)) {
    if (waker.evidence.empty()) continue;
    const TaskRef who =
        waker.task.tid.value == 0 ? TaskRef{waker.task.pid, Tid{waker.task.pid.value}} : waker.task;
    Evidence evidence{snapshot::label(context.snapshot, waker.task) + ": " + waker.evidence,
                      waker.fd >= 0
                          ? task_path(context.snapshot, who, "fd/" + std::to_string(waker.fd))
                          : task_path(context.snapshot, who, "stat")};
    const bool known = std::ranges::any_of(finding.evidence, [&](const Evidence& e) {
      return e.fact == evidence.fact && e.source == evidence.source;
    });
    if (!known) finding.evidence.push_back(std::move(evidence));
  }
}

void add_stability(Finding& finding, const Snapshot& snapshot, std::span<const TaskRef> tasks) {
  const auto is_stable = [&](TaskRef task) {
    const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
    return thread != nullptr && thread->stable;
  };
  if (tasks.empty() || !std::ranges::all_of(tasks, is_stable)) return;
  finding.evidence.push_back(
      {"none of them ran while all this was read: the switch counts did not change",
       task_path(snapshot, tasks.front(), "status")});
}

void add_evidence(Finding& finding, const Context& context, std::span<const TaskRef> tasks) {
  for (const TaskRef& task : tasks) {
    if (finding.evidence.size() >= kMaxEvidence) break;
    add_call(finding, context.snapshot, task);
    add_wakers(finding, context, task);
  }
  add_stability(finding, context.snapshot, tasks);
}

void add_once(std::vector<std::string>& texts, const std::string& text) {
  if (std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
}

/// The graph has a name for a wake-up only where there are several kinds.
std::string name_of_wake_up(const Snapshot& snapshot, const graph::Edge& edge) {
  if (!edge.to.by.empty()) return edge.to.by;
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, edge.from);
  if (thread == nullptr || !thread->wait) return "wake-up";
  switch (thread->wait->kind) {
    case snapshot::WaitKind::Stopped:
      return "SIGCONT";
    case snapshot::WaitKind::Signal:
      return "signal";
    case snapshot::WaitKind::FileLock:
      return "file-lock";
    default:
      return "wake-up";
  }
}

ChainLink link_of(const Snapshot& snapshot, const graph::Edge& edge) {
  return {edge.from, edge.to.task, name_of_wake_up(snapshot, edge), edge.to.evidence};
}

}  // namespace

const snapshot::Wait* wait_of(const Snapshot& snapshot, TaskRef task) {
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
  return thread != nullptr && thread->wait ? &*thread->wait : nullptr;
}

StuckTask stuck_task(const Snapshot& snapshot, TaskRef task) {
  StuckTask stuck;
  stuck.task = task;
  stuck.waits_for = describe_wait(snapshot, task);
  if (const snapshot::Thread* thread = snapshot::find_thread(snapshot, task)) {
    stuck.where = snapshot::where(*thread);
    if (const snapshot::Frame* frame = snapshot::user_frame(*thread))
      stuck.function = frame->function;
    stuck.serves = thread->activity.operation == snapshot::Operation::Serve && stuck.where.empty();
  }
  return stuck;
}

namespace {

/// Idle workers in processes of their own, of somebody who hangs, are at rest: the hang is without
/// them. Of one process all threads count, as the helpers of who hangs tell how.
void leave_out_idle_workers(const Snapshot& snapshot, std::vector<StuckTask>& stuck) {
  std::map<Pid, bool> idle;
  for (const StuckTask& one : stuck) {
    const snapshot::Thread* thread = snapshot::find_thread(snapshot, one.task);
    const auto [it, is_new] = idle.emplace(one.task.pid, true);
    it->second =
        it->second && one.where.empty() && thread != nullptr && snapshot::is_idle(thread->activity);
  }
  std::erase_if(stuck, [&](const StuckTask& one) {
    const snapshot::Process* process = snapshot::find_process(snapshot, one.task.pid);
    const auto owner = process == nullptr ? idle.end() : idle.find(process->ppid);
    return idle.at(one.task.pid) && owner != idle.end() && !owner->second;
  });
}

}  // namespace

Finding start_finding(const Context& context, const Probe& probe, int set) {
  const graph::StuckSet& stuck_set = context.graph.stuck_sets().at(static_cast<std::size_t>(set));
  Finding finding;
  finding.code = probe.code;
  finding.slug = probe.slug;
  finding.set = set;
  switch (stuck_set.level) {
    case graph::Level::Proved:
      finding.grade = Grade::Proved;
      break;
    case graph::Level::Assuming:
      finding.grade = Grade::Assuming;
      break;
    case graph::Level::Suspected:
      finding.grade = Grade::Suspected;
      break;
    case graph::Level::Stuck:
    case graph::Level::Live:
      finding.verdict = Verdict::Stuck;
      break;
    case graph::Level::Conditional:
      finding.verdict = Verdict::Waiting;
      finding.grade = Grade::Suspected;
      for (const graph::Leaf& leaf : stuck_set.unless) add_once(finding.unless, leaf.text);
      break;
  }
  finding.assumptions = stuck_set.assumptions;
  for (const TaskRef& task : stuck_set.core)
    finding.stuck.push_back(stuck_task(context.snapshot, task));
  for (const TaskRef& task : stuck_set.behind)
    finding.stuck.push_back(stuck_task(context.snapshot, task));
  leave_out_idle_workers(context.snapshot, finding.stuck);
  for (const graph::Edge& edge : context.graph.chain(stuck_set))
    finding.chain.push_back(link_of(context.snapshot, edge));
  add_evidence(finding, context, stuck_set.core);
  return finding;
}

Finding start_finding(const Context& context, const Probe& probe, Verdict verdict,
                      std::span<const TaskRef> stuck) {
  Finding finding;
  finding.code = probe.code;
  finding.slug = probe.slug;
  finding.verdict = verdict;
  for (const TaskRef& task : stuck) {
    finding.stuck.push_back(stuck_task(context.snapshot, task));
    for (const graph::Waker& waker : context.graph.wakers(task, kMaxWakersEach))
      finding.chain.push_back(link_of(context.snapshot, {task, waker}));
  }
  add_evidence(finding, context, stuck);
  return finding;
}

Culprit culprit(const Snapshot& snapshot, TaskRef task, int fd, std::string why) {
  Culprit culprit{task, fd, "", "", std::move(why), false};
  const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
  culprit.dead = process == nullptr || process->dead || process->exited;
  // The process as a whole stands where its first thread stands.
  const TaskRef thread_ref = task.tid.value == 0 ? TaskRef{task.pid, Tid{task.pid.value}} : task;
  if (const snapshot::Thread* thread = snapshot::find_thread(snapshot, thread_ref)) {
    culprit.where = snapshot::where(*thread);
    if (const snapshot::Frame* frame = snapshot::user_frame(*thread))
      culprit.function = frame->function;
  }
  return culprit;
}

}  // namespace ipcdoctor::diagnosis
