#include <algorithm>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/flow.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kFullQueueNoConsumer{
    "IPC107", "full-queue-no-consumer",
    "A bounded queue or backlog is full and its consumers are dead or stuck", run};

namespace {

using diagnosis::Finding;
using snapshot::Operation;
using snapshot::Resource;
using snapshot::WaitKind;

/// A producer in front of a full queue of messages, and the processes that should take from it.
struct FullQueue {
  TaskRef producer;
  std::string queue;  ///< "socket:[7]", "the Queue `jobs`"
  std::vector<Pid> stuck_consumers;
  std::vector<DeadProcess> dead_consumers;
  bool consumer_is_gone = false;  ///< nobody takes from it any more
  std::optional<TaskRef> joiner =
      std::nullopt;  ///< waits for the producer's end, and may be who was to take
};

bool is_message_socket(const Snapshot& snapshot, const ObjectId& id) {
  const snapshot::Object* object = snapshot::find_object(snapshot, id);
  return object != nullptr && object->socket && object->socket->type == "dgram";
}

/// A datagram socket, the backlog of a listener, a POSIX message queue.
std::optional<FullQueue> full_kernel_queue(const Context& context, const Ends& ends,
                                           const graph::StuckSet& set,
                                           const std::vector<TaskRef>& tasks, TaskRef task) {
  const Snapshot& snapshot = context.snapshot;
  const Wait* wait = wait_of(snapshot, task);
  if (wait == nullptr || wait->objects.empty()) return std::nullopt;
  const ObjectId object = wait->objects.front().object;
  const bool datagrams = wait->kind == WaitKind::Write && is_message_socket(snapshot, object);
  if (!datagrams && wait->kind != WaitKind::Connect && wait->kind != WaitKind::MqSend)
    return std::nullopt;
  FullQueue full{task, filled(snapshot, object), {}, {}};
  for (const Pid pid : pids_of(ends.receivers(object)))
    if (pid != task.pid && contains(tasks, pid)) full.stuck_consumers.push_back(pid);
  // The address of a datagram may be known to the graph only.
  if (full.stuck_consumers.empty())
    for (const graph::Waker& waker : context.graph.wakers(task, 64))
      if (waker.task.pid != task.pid &&
          std::ranges::find(full.stuck_consumers, waker.task.pid) == full.stuck_consumers.end())
        full.stuck_consumers.push_back(waker.task.pid);
  // It connects to its own listener, of which the backlog is full.
  const std::vector<Pid> takers = pids_of(ends.receivers(object));
  if (full.stuck_consumers.empty() && wait->kind == WaitKind::Connect &&
      std::ranges::find(takers, task.pid) != takers.end())
    full.stuck_consumers.push_back(task.pid);
  if (full.stuck_consumers.empty() && wait->kind == WaitKind::MqSend) {
    full.consumer_is_gone = true;
    full.dead_consumers = dead_children(context, members_of(context, set));
  }
  if (full.stuck_consumers.empty() && !full.consumer_is_gone) return std::nullopt;
  return full;
}

/// At a queue of an interpreter's library.
bool is_at_queue(const Thread& thread, Operation operation) {
  return thread.is_interpreted && thread.activity.operation == operation &&
         thread.activity.object.kind == Resource::Queue &&
         thread.activity.part != snapshot::Part::Feeder;
}

bool is_put(const Thread& thread) {
  return is_at_queue(thread, Operation::Put);
}

bool is_between_processes(const Thread& thread) {
  return thread.activity.object.reach == snapshot::Reach::Tree;
}

bool somebody_gets(const Context& context, const std::vector<TaskRef>& tasks) {
  return std::ranges::any_of(tasks, [&](const TaskRef& t) {
    const Thread* thread = snapshot::find_thread(context.snapshot, t);
    return thread != nullptr &&
           (is_at_queue(*thread, Operation::Take) || is_at_queue(*thread, Operation::Put)) &&
           t.pid != tasks.front().pid;
  });
}

/// Stages in front of one that did not end in peace: each puts into a queue of its own, and the
/// last of them is no parent of another.
bool is_before_a_failed_stage(const Context& context, const std::vector<TaskRef>& tasks,
                              TaskRef task, const std::vector<DeadProcess>& dead) {
  return std::ranges::any_of(dead, failed) && std::ranges::none_of(tasks, [&](const TaskRef& t) {
           const Thread* thread = snapshot::find_thread(context.snapshot, t);
           return thread != nullptr && is_between_processes(*thread) &&
                  (is_at_queue(*thread, Operation::Take) ||
                   (is_put(*thread) && is_ancestor(context.snapshot, task.pid, t.pid)));
         });
}

/// A bounded queue between processes, with a dead child and nobody left who takes.
std::optional<FullQueue> full_queue_of_dead(const Context& context, const graph::StuckSet& set,
                                            const std::vector<TaskRef>& tasks, TaskRef task) {
  const Thread* thread = snapshot::find_thread(context.snapshot, task);
  if (thread == nullptr || !is_put(*thread) || !is_between_processes(*thread)) return std::nullopt;
  const std::vector<DeadProcess> dead = dead_children(context, members_of(context, set));
  const bool before_failed = is_before_a_failed_stage(context, tasks, task, dead);
  if (somebody_gets(context, tasks) && !before_failed) return std::nullopt;
  const std::string& variable = thread->activity.object.name;
  FullQueue full{
      task, variable.empty() ? "a bounded Queue" : "the bounded Queue `" + variable + "`", {}, {}};
  full.dead_consumers = before_failed ? most_suspect(dead) : dead;
  if (full.dead_consumers.empty()) return std::nullopt;
  return full;
}

/// It waits for the end of others, or for a result of theirs.
bool joins(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  const Wait* wait = wait_of(snapshot, task);
  return (wait != nullptr && wait->kind == WaitKind::Child) ||
         (thread != nullptr && (thread->activity.operation == Operation::AwaitEnd ||
                                thread->activity.operation == Operation::AwaitResult));
}

/// A thread of the same process at another queue of that kind.
bool takes_from_another(const Thread& thread, bool same_process,
                        const snapshot::RuntimeObject& queue) {
  return same_process && takes_from_threads(thread) && queue.reach == snapshot::Reach::Memory &&
         thread.activity.object.address.value != 0 &&
         thread.activity.object.address != queue.address;
}

/// By its address, or by its pipe where it was handed on otherwise than by fork.
bool is_same_queue(const snapshot::RuntimeObject& a, const snapshot::RuntimeObject& b) {
  if (a.address == b.address) return true;
  const ObjectId *one = a.objects.find(snapshot::End::Reader),
                 *other = b.objects.find(snapshot::End::Reader);
  return one != nullptr && other != nullptr && *one == *other;
}

/// A bounded queue of which nobody in the set takes: whoever did has ended, there never was one, or
/// it waits for the producer's end first.
std::optional<FullQueue> queue_without_taker(const Context& context,
                                             const std::vector<TaskRef>& tasks, TaskRef task) {
  const Thread* thread = snapshot::find_thread(context.snapshot, task);
  if (thread == nullptr || !is_put(*thread)) return std::nullopt;
  const snapshot::RuntimeObject& queue = thread->activity.object;
  const bool only_putters = std::ranges::all_of(tasks, [&](const TaskRef& t) {
    const Thread* other = snapshot::find_thread(context.snapshot, t);
    if (other == nullptr) return false;
    return is_idle_helper(*other) || joins(context.snapshot, t) ||
           (is_put(*other) && is_same_queue(other->activity.object, queue)) ||
           takes_from_another(*other, t.pid == task.pid, queue);
  });
  if (!only_putters) return std::nullopt;
  const std::string type = thread->activity.call.substr(0, thread->activity.call.rfind('.'));
  FullQueue full{task, "a bounded " + type, {}, {}};
  if (!queue.name.empty()) full.queue = "the bounded " + type + " `" + queue.name + "`";
  full.consumer_is_gone = true;
  // A thread of its own that took has ended: who waits in another process never could.
  const Process* process = snapshot::find_process(context.snapshot, task.pid);
  const bool had_taker = queue.reach == snapshot::Reach::Memory && !ended_threads(*process).empty();
  const auto joiner = std::ranges::find_if(tasks, [&](TaskRef t) {
    return joins(context.snapshot, t) && (t.pid == task.pid || !had_taker);
  });
  if (joiner != tasks.end()) full.joiner = *joiner;
  return full;
}

Situation situation_of(const FullQueue& full) {
  if (full.joiner) return Situation{"the consumer waits for the producer's end"};
  if (full.consumer_is_gone) return Situation{"nobody takes"};
  return full.dead_consumers.empty() ? Situation{} : Situation{"the consumer is dead"};
}

Finding describe(const Context& context, int set, const std::vector<TaskRef>& tasks,
                 const FullQueue& full) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kFullQueueNoConsumer, set);
  const std::string producer = snapshot::label(snapshot, full.producer);
  const bool dead = !full.dead_consumers.empty() || full.consumer_is_gone;
  finding.title = producer + " waits for room in " + full.queue +
                  (full.consumer_is_gone ? ", from which nobody takes"
                   : dead                ? ", whose consumer is dead"
                                         : ", whose consumer is stuck");
  finding.explanation = producer + " is blocked" + place(snapshot, full.producer) +
                        " until somebody takes from " + full.queue + ".";
  for (const DeadProcess& consumer : full.dead_consumers) {
    finding.explanation +=
        "\n" + probes::describe(context.snapshot, consumer) + " is over and will not.";
    if (consumer.pid.value != 0)
      finding.culprits.push_back(
          dead_culprit(consumer, "ended without taking what is in the queue"));
  }
  for (const Pid pid : full.stuck_consumers) {
    const TaskRef task = task_of(tasks, pid);
    finding.explanation += "\n" + name(snapshot, pid) + " should, but " + doing(snapshot, task) +
                           place(snapshot, task) + ".";
    finding.culprits.push_back(diagnosis::culprit(
        snapshot, task, -1, "should take from the queue, but " + doing(snapshot, task)));
  }
  if (full.joiner) {
    const std::string who = snapshot::label(snapshot, *full.joiner);
    finding.explanation +=
        "\nNobody takes from it: the consumer has ended or was never started, or it is " + who +
        ", which " + doing(snapshot, *full.joiner) + place(snapshot, *full.joiner) + ".";
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, *full.joiner, -1,
                           "does not take from the queue: it " + doing(snapshot, *full.joiner)));
  } else if (full.consumer_is_gone) {
    finding.explanation += "\nNobody takes from it: the consumer has ended or was never started.";
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, full.producer, -1, "fills the queue from which nobody takes"));
  }
  const Thread* joiner = full.joiner ? snapshot::find_thread(snapshot, *full.joiner) : nullptr;
  finding.fix = what_to_do(snapshot, kFullQueueNoConsumer, full.producer, {situation_of(full)},
                           {{"the wait", joiner == nullptr ? "" : place(*joiner)}});
  // Who waits for room himself is one of a cycle of full buffers.
  const bool all_send = std::ranges::all_of(full.stuck_consumers, [&](Pid pid) {
    const Wait* wait = wait_of(snapshot, task_of(tasks, pid));
    return wait != nullptr && sends(*wait) && wait->kind != WaitKind::Connect;
  });
  diagnosis::add_wakes(finding, {full.producer});
  finding.strength = full.joiner ? Strength::Possible
                     : dead      ? Strength::Clear
                     : all_send  ? Strength::Guess
                                 : Strength::Possible;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        const std::vector<TaskRef> tasks = members(deadlock);
        for (const TaskRef& task : tasks) {
          auto full = full_kernel_queue(context, ends, deadlock, tasks, task);
          if (!full) full = full_queue_of_dead(context, deadlock, tasks, task);
          if (!full) full = queue_without_taker(context, tasks, task);
          if (full) return describe(context, set, tasks, *full);
        }
        return std::nullopt;
      });
}

}  // namespace
}  // namespace ipcdoctor::probes
