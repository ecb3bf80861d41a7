#include <algorithm>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kStoppedProcess{"IPC401", "stopped-process",
                                              "Somebody waits for a process that is stopped", run};

namespace {

using diagnosis::Finding;

bool is_stopped(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr) return false;
  const bool by_wait = thread->wait && (thread->wait->kind == snapshot::WaitKind::Stopped ||
                                        thread->wait->kind == snapshot::WaitKind::Traced);
  return by_wait || thread->state == 'T' || thread->state == 't';
}

enum class Stop {
  Tracer,
  Frozen,
  TerminalRead,      ///< SIGTTIN
  TerminalWrite,     ///< SIGTTOU
  TerminalSettings,  ///< SIGTTOU too
  Other,
};

/// As far as its interrupted call says: a read of the terminal gives SIGTTIN, an ioctl SIGTTOU.
Stop find_stop(const Snapshot& snapshot, TaskRef task) {
  const Process* process = snapshot::find_process(snapshot, task.pid);
  const Wait* wait = wait_of(snapshot, task);
  if (process->tracer.value != 0) return Stop::Tracer;
  if (wait == nullptr) return Stop::Other;
  if (wait->frozen) return Stop::Frozen;
  const bool on_terminal =
      process->fds && std::ranges::any_of(*process->fds, [](const snapshot::Fd& fd) {
        return fd.object.kind == snapshot::ObjectKind::Terminal;
      });
  if (wait->call == "read" && on_terminal) return Stop::TerminalRead;
  if (wait->call == "write" && on_terminal) return Stop::TerminalWrite;
  return wait->call == "ioctl" ? Stop::TerminalSettings : Stop::Other;
}

std::string reason(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  switch (find_stop(snapshot, task)) {
    case Stop::Tracer:
      return "stopped by its tracer " +
             name(snapshot, snapshot::find_process(snapshot, task.pid)->tracer);
    case Stop::Frozen:
      return "frozen with its cgroup";
    case Stop::TerminalRead:
      return "stopped, as by SIGTTIN: it reads from the terminal in the background";
    case Stop::TerminalWrite:
      return "stopped, as by SIGTTOU: it writes to the terminal in the background";
    case Stop::TerminalSettings:
      return "stopped, as by SIGTTOU: it changes the terminal's settings in the background";
    case Stop::Other:
      break;
  }
  if (wait == nullptr) return "stopped";
  return "stopped in the middle of " + (wait->call.empty() ? "its work" : wait->call);
}

/// In the words of whoever started it, where it can be told: the mistake is there.
std::string fix(const Snapshot& snapshot, TaskRef stopped) {
  const Process* process = snapshot::find_process(snapshot, stopped.pid);
  const Process* starter = snapshot::find_process(snapshot, process->ppid);
  const TaskRef speaker =
      starter != nullptr && is_of_tree(*starter) ? TaskRef{starter->pid, Tid{}} : stopped;
  const auto say = [&](Situation situation) {
    return what_to_do(
        snapshot, kStoppedProcess, speaker, {situation},
        {{"PID", std::to_string(snapshot::local_number(snapshot, stopped.pid.value))}});
  };
  const std::string now = say(Situation{"it was stopped"});
  switch (find_stop(snapshot, stopped)) {
    case Stop::Frozen:
      return say(Situation{"its cgroup is frozen"});
    case Stop::TerminalRead:
      return say(Situation{"it reads from the terminal"}) + "\n" + now;
    case Stop::TerminalWrite:
    case Stop::TerminalSettings:
      return say(Situation{"it changes the terminal"}) + "\n" + now;
    case Stop::Tracer:
    case Stop::Other:
      break;
  }
  return now;
}

/// Tasks of other processes that wait for the stopped ones: without them it is a job that somebody
/// stopped.
bool somebody_waits(const std::vector<TaskRef>& tasks, const std::vector<TaskRef>& stopped) {
  return std::ranges::any_of(tasks, [&](const TaskRef& t) { return !contains(stopped, t.pid); });
}

Finding describe(const Context& context, int set, const std::vector<TaskRef>& stopped,
                 const std::vector<TaskRef>& tasks) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kStoppedProcess, set);
  std::vector<Pid> waiters;
  for (const TaskRef& task : tasks)
    if (!contains(stopped, task.pid) && std::ranges::find(waiters, task.pid) == waiters.end())
      waiters.push_back(task.pid);
  finding.title = names(snapshot, waiters) + (waiters.size() == 1 ? " waits for " : " wait for ") +
                  name(snapshot, stopped.front().pid) + ", which is stopped";
  for (const TaskRef& task : stopped) {
    const bool named = std::ranges::any_of(finding.culprits,
                                           [&](const auto& c) { return c.task.pid == task.pid; });
    if (named) continue;
    finding.explanation += snapshot::label(snapshot, task) + " is " + reason(snapshot, task) +
                           place(snapshot, task) + ".\n";
    finding.culprits.push_back(diagnosis::culprit(snapshot, task, -1, reason(snapshot, task)));
  }
  finding.explanation += find_stop(snapshot, stopped.front()) == Stop::Frozen
                             ? "It goes on when somebody thaws the cgroup."
                             : "Only SIGCONT, from outside, lets it go on.";
  finding.fix = fix(snapshot, stopped.front());
  finding.strength = Strength::Likely;
  diagnosis::add_wakes(finding, stopped);
  return finding;
}

diagnosis::Answer run(const Context& context) {
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::vector<TaskRef> tasks = members(sets[i]);
    std::vector<TaskRef> stopped = tasks;
    std::erase_if(stopped, [&](const TaskRef& t) { return !is_stopped(context.snapshot, t); });
    if (!stopped.empty() && somebody_waits(tasks, stopped))
      findings.push_back(describe(context, static_cast<int>(i), stopped, tasks));
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
