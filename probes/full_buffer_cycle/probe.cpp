#include <algorithm>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/flow.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kFullBufferCycle{
    "IPC105", "full-buffer-cycle", "Writers wait for room in buffers whose readers wait too", run};

namespace {

using diagnosis::Finding;

/// A task that waits for room, and who could make it.
struct Writer {
  TaskRef task;
  std::string full;            ///< "pipe:[7] (65536 of 65536 bytes)", "the Queue `jobs`"
  std::vector<Pid> receivers;  ///< in the set; empty: not known
};

/// Who puts into a queue of an interpreter's library waits on a semaphore or condition: the full
/// buffer is the queue itself.
bool puts_into_full_queue(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || !thread->wait || thread->wait->kind != snapshot::WaitKind::Futex)
    return false;
  return thread->is_interpreted && thread->activity.operation == snapshot::Operation::Put &&
         thread->activity.object.kind == snapshot::Resource::Queue &&
         thread->activity.part != snapshot::Part::Feeder;
}

std::string queue_of(const Snapshot& snapshot, TaskRef task) {
  const snapshot::RuntimeObject& object = snapshot::find_thread(snapshot, task)->activity.object;
  return object.name.empty() ? "a bounded Queue" : "the bounded Queue `" + object.name + "`";
}

std::vector<Writer> writers_in(const Context& context, const Ends& ends,
                               const std::vector<TaskRef>& core) {
  std::vector<Writer> writers;
  for (const TaskRef& task : core) {
    if (puts_into_full_queue(context.snapshot, task)) {
      writers.push_back({task, queue_of(context.snapshot, task), {}});
      continue;
    }
    const Flow flow = flow_of(context, ends, task);
    if (flow.way != Way::Send) continue;
    Writer writer{task, "its queue", {}};
    if (!flow.objects.empty()) writer.full = filled(context.snapshot, flow.objects.front());
    for (const Pid pid : flow.partners)
      if (contains(core, pid)) writer.receivers.push_back(pid);
    writers.push_back(std::move(writer));
  }
  return writers;
}

/// Both put into one queue: a forked copy of it is at the same address, and any copy has its pipe.
bool put_into_one_queue(const Snapshot& snapshot, const Writer& a, const Writer& b) {
  if (!puts_into_full_queue(snapshot, a.task) || !puts_into_full_queue(snapshot, b.task))
    return false;
  const snapshot::RuntimeObject& one = snapshot::find_thread(snapshot, a.task)->activity.object;
  const snapshot::RuntimeObject& other = snapshot::find_thread(snapshot, b.task)->activity.object;
  const ObjectId *pipe = one.objects.find(snapshot::End::Writer),
                 *its_pipe = other.objects.find(snapshot::End::Writer);
  if (pipe != nullptr && its_pipe != nullptr) return *pipe == *its_pipe;
  return one.type == other.type && one.address.value != 0 && one.address == other.address;
}

/// Queues alone make a cycle only if two processes or threads put, and not into the same one: who
/// puts waits for consumers.
bool is_cycle(const Snapshot& snapshot, const std::vector<Writer>& writers) {
  if (std::ranges::any_of(writers, [](const Writer& w) { return !w.receivers.empty(); }))
    return true;
  return std::any_of(writers.begin() + 1, writers.end(), [&](const Writer& w) {
    return !put_into_one_queue(snapshot, writers.front(), w);
  });
}

std::vector<Pid> parties(const std::vector<Writer>& writers) {
  std::vector<Pid> pids;
  for (const Writer& writer : writers) {
    pids.push_back(writer.task.pid);
    pids.insert(pids.end(), writer.receivers.begin(), writer.receivers.end());
  }
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
  return pids;
}

std::string explanation(const Snapshot& snapshot, const std::vector<Writer>& writers) {
  constexpr std::size_t kMaxTold = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(writers.size(), kMaxTold); ++i) {
    const Writer& writer = writers[i];
    text += snapshot::label(snapshot, writer.task) + " waits for room in " + writer.full +
            place(snapshot, writer.task) + ".\n";
    for (const Pid pid : writer.receivers) {
      if (pid == writer.task.pid) {
        text += "It would have to read that itself.\n";
        continue;
      }
      const TaskRef reader{pid, Tid{pid.value}};
      text += name(snapshot, pid) + " should read it, but " + doing(snapshot, reader) +
              place(snapshot, reader) + ".\n";
    }
  }
  return text + "No buffer can be emptied before another one is.";
}

Situation situation_of(const Snapshot& snapshot, TaskRef task, bool only_itself) {
  if (only_itself && puts_into_full_queue(snapshot, task))
    return Situation{"its threads fill queues"};
  if (only_itself) return Situation{"it fills its own pipe"};
  const Wait* wait = wait_of(snapshot, task);
  const bool only_reads = wait != nullptr && receives(*wait);
  return only_reads ? Situation{"it reads one of several"} : Situation{};
}

Finding describe(const Context& context, int set, const std::vector<Writer>& writers) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kFullBufferCycle, set);
  const std::vector<TaskRef>& core = context.graph.stuck_sets()[static_cast<std::size_t>(set)].core;
  const std::vector<Pid> all = parties(writers);
  const bool only_itself = all.size() == 1;
  const bool in_memory = std::ranges::all_of(
      writers, [&](const Writer& w) { return puts_into_full_queue(snapshot, w.task); });
  finding.title =
      only_itself && in_memory ? "threads of " + name(snapshot, all.front()) +
                                     " wait for room in full queues from which none of them takes"
      : only_itself ? name(snapshot, all.front()) +
                          " waits for room in a full buffer that only it could empty"
                    : names(snapshot, all) + " wait for each other to empty full buffers";
  finding.explanation = explanation(snapshot, writers);
  const std::vector<Pid> guilty = those_who_decide(snapshot, all);
  for (const Pid pid : guilty) {
    TaskRef task = task_of(core, pid);
    for (const Writer& writer : writers)
      if (writer.task.pid == pid) task = writer.task;
    finding.culprits.push_back(diagnosis::culprit(
        snapshot, task, -1,
        "does not read while it waits for " + diagnosis::describe_wait(snapshot, task)));
  }
  const TaskRef first = finding.culprits.front().task;
  finding.fix =
      what_to_do(snapshot, kFullBufferCycle, first, {situation_of(snapshot, first, only_itself)});
  for (const Writer& writer : writers) diagnosis::add_wakes(finding, {writer.task});
  finding.strength = in_memory ? Strength::Likely : Strength::Possible;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        const std::vector<Writer> writers = writers_in(context, ends, deadlock.core);
        if (writers.empty() || !is_cycle(context.snapshot, writers)) return std::nullopt;
        return describe(context, set, writers);
      });
}

}  // namespace
}  // namespace ipcdoctor::probes
