#include <algorithm>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kSignalNeverSent{
    "IPC404", "signal-never-sent",
    "A signal came too early, is blocked, or nobody is left to send it", run};

namespace {

using diagnosis::Finding;

using snapshot::WaitKind;

bool waits_for_signal(const Thread& thread) {
  if (!thread.wait || !thread.wait->untimed) return false;
  return thread.wait->kind == WaitKind::Signal ||
         (thread.wait->kind == WaitKind::Poll && thread.wait->objects.empty());
}

/// pause and sigsuspend end by a handler; sigwait takes blocked signals.
bool needs_handler(const Wait& wait) {
  return wait.call == "pause" || wait.call == "rt_sigsuspend";
}

/// All its threads wait for nothing but signals.
bool only_signals_wake(const Process& process) {
  return !process.threads.empty() && std::ranges::all_of(process.threads, waits_for_signal);
}

bool has_zombie(const Snapshot& snapshot, Pid parent) {
  return std::ranges::any_of(snapshot.processes,
                             [&](const Process& p) { return p.ppid == parent && p.dead; });
}

struct Missed {
  std::vector<TaskRef> tasks;  ///< the guilty
  std::string title;
  std::string why;
  Situation situation;
};

/// The child has ended, its SIGCHLD was handled, and only then the wait began.
std::optional<Missed> came_too_early(const Snapshot& snapshot, const Process& process,
                                     const Thread& thread) {
  const bool caught = thread.signals && (thread.signals->caught & kSigChld) != 0 &&
                      (thread.signals->blocked & kSigChld) == 0;
  if (!caught || !needs_handler(*thread.wait) || !has_zombie(snapshot, process.pid))
    return std::nullopt;
  return Missed{
      {{process.pid, thread.tid}},
      " waits for a signal that has already come: SIGCHLD",
      "A child of it is a zombie and SIGCHLD is handled, so the handler ran before the wait began.",
      Situation{"it came too early"}};
}

std::optional<Missed> is_blocked(const Process& process, const Thread& thread) {
  if (!thread.signals || !needs_handler(*thread.wait)) return std::nullopt;
  const snapshot::SignalSets& sets = *thread.signals;
  const std::uint64_t held_back = (sets.pending | sets.shared_pending) & sets.blocked & sets.caught;
  if (held_back == 0) return std::nullopt;
  int number = 1;
  while ((held_back >> static_cast<unsigned>(number - 1) & 1U) == 0) ++number;
  return Missed{{{process.pid, thread.tid}},
                " waits for a signal that is pending but blocked",
                "Signal " + std::to_string(number) +
                    " has arrived and has a handler, but this thread blocks it.",
                Situation{"it is blocked"}};
}

/// Parent and child both wait for a signal; the parent does not wait for SIGCHLD.
std::optional<Missed> both_wait(const Snapshot& snapshot, const Process& process,
                                const Thread& thread) {
  const auto expects_children = [](const Thread& t) {
    return !t.signals || ((t.signals->caught | t.signals->blocked) & kSigChld) != 0;
  };
  for (const Process& other : snapshot.processes) {
    const bool family = other.ppid == process.pid || process.ppid == other.pid;
    if (!family || !is_of_tree(other) || !only_signals_wake(other) || !only_signals_wake(process))
      continue;
    const Thread& parent_thread = other.ppid == process.pid ? thread : other.threads.front();
    if (expects_children(parent_thread)) continue;
    return Missed{{{process.pid, thread.tid}, {other.pid, other.threads.front().tid}},
                  " and " + name(snapshot, other.pid) + " both wait for a signal",
                  "Each could send the signal that the other waits for, and neither does before "
                  "its own wait ends.",
                  Situation{"both sides wait"}};
  }
  return std::nullopt;
}

/// A signalfd gives what is pending; what no thread blocks is delivered or dropped, and never
/// pending.
std::optional<Missed> reads_what_it_does_not_block(const Snapshot& snapshot, const Process& process,
                                                   const Thread& thread) {
  const Wait& wait = *thread.wait;
  if (wait.objects.size() != 1 ||
      wait.objects.front().object.kind != snapshot::ObjectKind::SignalFd)
    return std::nullopt;
  const snapshot::Object* fd = snapshot::find_object(snapshot, wait.objects.front().object);
  if (fd == nullptr || fd->signals == 0 || !snapshot::blocks_none_of(process, fd->signals))
    return std::nullopt;
  return Missed{
      {{process.pid, thread.tid}},
      " reads from a signalfd whose signals it does not block",
      "A signalfd returns pending signals. No thread blocks those of this one, so each is handled, "
      "or dropped, when it comes, and is never pending.",
      Situation{"a signalfd"}};
}

std::optional<Missed> judge(const Snapshot& snapshot, TaskRef task) {
  const Process* process = snapshot::find_process(snapshot, task.pid);
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (process == nullptr || thread == nullptr || !is_of_tree(*process)) return std::nullopt;
  if (thread->wait && thread->wait->untimed)
    if (auto missed = reads_what_it_does_not_block(snapshot, *process, *thread)) return missed;
  if (!waits_for_signal(*thread)) return std::nullopt;
  if (auto missed = came_too_early(snapshot, *process, *thread)) return missed;
  if (auto missed = is_blocked(*process, *thread)) return missed;
  return both_wait(snapshot, *process, *thread);
}

Finding describe(const Context& context, int set, TaskRef task, const Missed& missed) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kSignalNeverSent, set);
  finding.title = snapshot::label(snapshot, task) + missed.title;
  finding.explanation = missed.why;
  const std::string blame = missed.tasks.size() == 1 ? missed.title.substr(1)
                                                     : "waits for a signal before it sends its own";
  for (const TaskRef& guilty : missed.tasks) {
    const std::string at = place(snapshot, guilty);
    if (!at.empty())
      finding.explanation += "\n" + snapshot::label(snapshot, guilty) + " waits" + at + ".";
    finding.culprits.push_back(diagnosis::culprit(snapshot, guilty, -1, blame));
  }
  finding.fix = what_to_do(snapshot, kSignalNeverSent, task, {missed.situation});
  finding.strength = Strength::Likely;
  diagnosis::add_wakes(finding, {task});
  return finding;
}

diagnosis::Answer run(const Context& context) {
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const TaskRef& task : members(sets[i])) {
      const auto missed = judge(context.snapshot, task);
      if (!missed) continue;
      findings.push_back(describe(context, static_cast<int>(i), task, *missed));
      break;
    }
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
