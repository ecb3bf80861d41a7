#include <algorithm>
#include <csignal>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/flow.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kJoinBeforeDrain{
    "IPC106", "join-before-drain",
    "Waits for an exit before taking what the other must still deliver", run};

namespace {

using diagnosis::Finding;
using snapshot::Operation;
using snapshot::Resource;

/// joiner waits for an end that cannot come before `writer` goes on, which waits for room that only
/// joiner can make.
struct Pair {
  TaskRef joiner;
  TaskRef writer;
  ObjectId object;
};

bool awaits_end_of(const Snapshot& snapshot, TaskRef joiner, TaskRef writer) {
  for (const Pid pid : awaited_exits(snapshot, joiner))
    if (pid == writer.pid || is_ancestor(snapshot, pid, writer.pid)) return true;
  const std::vector<TaskRef> threads = awaited_threads(snapshot, joiner);
  return std::ranges::find(threads, writer) != threads.end();
}

/// It waits for the exit of some process of the set, if not of the writer's: of several children
/// only one writes at a time, and the others wait for their turn.
bool awaits_end_of_a_member(const Snapshot& snapshot, TaskRef joiner,
                            const std::vector<TaskRef>& tasks) {
  return std::ranges::any_of(awaited_exits(snapshot, joiner),
                             [&](Pid pid) { return contains(tasks, pid); });
}

/// A task that awaits its subprocess: a helper thread of the loop is in waitpid() for it.
bool awaits_command(const Snapshot& snapshot, TaskRef joiner, TaskRef writer) {
  const Thread* thread = snapshot::find_thread(snapshot, joiner);
  return thread != nullptr && thread->activity.in_loop &&
         thread->activity.operation == Operation::AwaitEnd &&
         thread->activity.object.kind == Resource::Process &&
         is_ancestor(snapshot, joiner.pid, writer.pid);
}

/// An event loop that catches SIGCHLD learns of each child's exit. What such a child cannot write
/// is nothing that the loop reads now: it would have been woken. A poll() for other data of the
/// child is no loop: it waits for that.
bool awaits_exits_in_loop(const Snapshot& snapshot, const Ends& ends, TaskRef joiner,
                          TaskRef writer) {
  const Process* child = snapshot::find_process(snapshot, writer.pid);
  const Thread* thread = snapshot::find_thread(snapshot, joiner);
  if (child == nullptr || child->ppid != joiner.pid || !thread->wait || !thread->signals)
    return false;
  const auto reads_it = [&] {
    return std::ranges::any_of(received_objects(snapshot, joiner), [&](const ObjectId& object) {
      const std::vector<Holder> senders = ends.senders(object);
      return std::ranges::find(senders, writer.pid, &Holder::pid) != senders.end();
    });
  };
  const bool loops = thread->wait->kind == snapshot::WaitKind::Epoll ||
                     (thread->wait->kind == snapshot::WaitKind::Poll && !reads_it());
  const bool waits_for_room = std::ranges::any_of(thread->wait->objects, &snapshot::Awaited::out);
  return loops && !waits_for_room &&
         snapshot::has_signal(thread->signals->caught & ~thread->signals->blocked, SIGCHLD);
}

/// How sure it is that the joiner is the one who should read. A process that at its exit waits for
/// its own feeder thread has the read end too, but never reads.
int rank(const Snapshot& snapshot, const Ends& ends, TaskRef joiner, TaskRef writer,
         const std::vector<TaskRef>& tasks) {
  const bool direct = awaits_end_of(snapshot, joiner, writer);
  if (joiner.pid == writer.pid) return direct ? 1 : 0;
  if (awaits_command(snapshot, joiner, writer)) return 4;
  if (direct) return 3;
  if (awaits_end_of_a_member(snapshot, joiner, tasks)) return 2;
  return awaits_exits_in_loop(snapshot, ends, joiner, writer) ? 1 : 0;
}

/// It waits for an answer on a connection that nobody has accepted, from the listener's holder.
bool awaits_acceptance(const Snapshot& snapshot, const Flow& flow) {
  return flow.way == Way::Receive && !flow.objects.empty() &&
         std::ranges::all_of(flow.objects, [&](const ObjectId& id) {
           const snapshot::Object* object = snapshot::find_object(snapshot, id);
           return object != nullptr && object->socket && object->socket->peer_in_backlog;
         });
}

/// A helper of the library waits for the exit of each child from its begin on: nobody else's wait.
bool only_serves(const Snapshot& snapshot, TaskRef joiner) {
  const Thread* thread = snapshot::find_thread(snapshot, joiner);
  return thread != nullptr && thread->activity.operation == Operation::Serve;
}

std::optional<Pair> find_pair(const Context& context, const Ends& ends,
                              const std::vector<TaskRef>& tasks) {
  std::optional<Pair> best;
  int best_rank = 0;
  for (const TaskRef& writer : tasks) {
    const Flow flow = flow_of(context, ends, writer);
    if (flow.way != Way::Send && !awaits_acceptance(context.snapshot, flow)) continue;
    for (const TaskRef& joiner : tasks) {
      if (joiner == writer || !is_partner(flow, joiner.pid)) continue;
      if (only_serves(context.snapshot, joiner)) continue;
      const int its_rank = rank(context.snapshot, ends, joiner, writer, tasks);
      if (its_rank <= best_rank) continue;
      best_rank = its_rank;
      best = Pair{joiner, writer, flow.objects.empty() ? ObjectId{} : flow.objects.front()};
    }
  }
  return best;
}

/// All threads of a process are blocked and deliver what is left in its queues: it is about to
/// exit.
bool only_delivers(const Process& process) {
  return !process.threads.empty() && std::ranges::all_of(process.threads, [](const Thread& t) {
    const bool feeds = t.activity.part == snapshot::Part::Feeder && !snapshot::is_idle(t.activity);
    const bool awaits_feeder = t.activity.operation == Operation::AwaitEnd &&
                               t.activity.object.kind == Resource::Thread &&
                               snapshot::user_frame(t) == nullptr;
    const bool delivers = feeds || awaits_feeder;
    return t.stable && t.wait && t.wait->untimed && delivers;
  });
}

/// Nothing else in the joining process could read.
bool only_joins(const Process& process, Tid joiner) {
  return std::ranges::all_of(process.threads, [&](const Thread& t) {
    return t.tid == joiner ||
           (t.activity.part == snapshot::Part::Feeder && snapshot::is_idle(t.activity));
  });
}

/// Process.join() of a child of the fork server polls a pipe that the server holds, and the server
/// waits for clients, so the graph must take it for alive. But all that it does with that pipe is
/// to report the exit of the child (multiprocessing/forkserver.py).
std::optional<Pair> behind_fork_server(const Context& context, const Ends& ends,
                                       const Process& process, const Thread& thread) {
  const Snapshot& snapshot = context.snapshot;
  const TaskRef joiner{process.pid, thread.tid};
  const bool polls = thread.wait && thread.wait->untimed && thread.stable &&
                     (thread.wait->kind == snapshot::WaitKind::Poll ||
                      thread.wait->kind == snapshot::WaitKind::Read);
  if (!polls || !graph::lives(context.graph.level(joiner))) return std::nullopt;
  for (const Pid pid : awaited_exits(snapshot, joiner)) {
    const Process* child = snapshot::find_process(snapshot, pid);
    if (child == nullptr || !only_delivers(*child)) continue;
    for (const Thread& writer : child->threads) {
      const Flow flow = flow_of(context, ends, {pid, writer.tid});
      if (flow.way != Way::Send || !is_partner(flow, joiner.pid)) continue;
      const bool nobody_reads = std::ranges::all_of(flow.partners, [&](Pid partner) {
        const Process* reader = snapshot::find_process(snapshot, partner);
        return reader != nullptr &&
               (partner == joiner.pid ? only_joins(process, thread.tid) : only_delivers(*reader));
      });
      if (nobody_reads) return Pair{joiner, {pid, writer.tid}, flow.objects.front()};
    }
  }
  return std::nullopt;
}

/// What it is that is full.
std::string channel(const Snapshot& snapshot, const Pair& pair) {
  const Wait* wait = wait_of(snapshot, pair.writer);
  if (wait != nullptr && wait->kind == snapshot::WaitKind::SysvSend)
    return "System V queue " + std::to_string(wait->sysv.id);
  return diagnosis::object_name(snapshot, pair.object);
}

/// "multiprocessing.Queue" of "multiprocessing.Queue.put".
std::string_view object_of_call(std::string_view call) {
  return call.substr(0, std::min(call.rfind('.'), call.size()));
}

Finding describe(const Context& context, Finding finding, const Pair& pair) {
  const Snapshot& snapshot = context.snapshot;
  const std::string joiner = snapshot::label(snapshot, pair.joiner);
  const std::string writer = snapshot::label(snapshot, pair.writer);
  finding.title =
      joiner + " waits for an exit before taking what " + writer + " must still deliver";
  const Wait* wait = wait_of(snapshot, pair.writer);
  const bool full = wait != nullptr && (sends(*wait) || wait->kind == snapshot::WaitKind::Terminal);
  finding.explanation =
      full ? writer + " cannot end before it has written all, and " +
                 (wait->kind == snapshot::WaitKind::SysvSend ? channel(snapshot, pair)
                                                             : filled(snapshot, pair.object)) +
                 " is full"
           : writer + " is connected and waits to be accepted and answered";
  finding.explanation += place(snapshot, pair.writer) + ".\nOnly " + joiner +
                         (full ? " could read it" : " could accept it") + ", but it waits for " +
                         diagnosis::describe_wait(snapshot, pair.joiner) +
                         place(snapshot, pair.joiner) + ".";
  const Thread* thread = snapshot::find_thread(snapshot, pair.writer);
  finding.fix = what_to_do(snapshot, kJoinBeforeDrain, pair.joiner,
                           {Situation{snapshot::find_thread(snapshot, pair.joiner)->activity.call},
                            Situation{object_of_call(thread->activity.call)}},
                           {{"the channel", channel(snapshot, pair)}});
  finding.culprits.push_back(
      diagnosis::culprit(snapshot, pair.joiner, -1,
                         (full ? "should read " + channel(snapshot, pair)
                               : "should accept the connection of " + writer) +
                             ", but waits for " + diagnosis::describe_wait(snapshot, pair.joiner)));
  diagnosis::add_wakes(finding, {pair.writer});
  finding.strength =
      thread->activity.object.kind == Resource::Queue ? Strength::Read : Strength::Likely;
  return finding;
}

Finding about_set(const Context& context, int set, const Pair& pair) {
  return describe(context, diagnosis::start_finding(context, kJoinBeforeDrain, set), pair);
}

Finding about_fork_server(const Context& context, const Ends& ends, const Pair& pair) {
  std::vector<TaskRef> stuck{pair.joiner};
  for (const Pid pid : flow_of(context, ends, pair.writer).partners)
    if (pid != pair.joiner.pid)
      for (const Thread& thread : snapshot::find_process(context.snapshot, pid)->threads)
        stuck.push_back({pid, thread.tid});
  if (!contains(stuck, pair.writer.pid)) stuck.push_back(pair.writer);
  Finding finding =
      diagnosis::start_finding(context, kJoinBeforeDrain, diagnosis::Verdict::Deadlock, stuck);
  finding.grade = diagnosis::Grade::Assuming;
  finding.assumptions = {"the fork server only reports exits on the sentinels of its children"};
  return describe(context, std::move(finding), pair);
}

bool awaits_threads(const Thread& thread) {
  return thread.wait && thread.wait->kind == snapshot::WaitKind::Futex && !thread.is_interpreted &&
         (thread.wait->futex.lock.kind == snapshot::LockKind::ThreadJoin ||
          thread.activity.operation == Operation::AwaitEnd ||
          thread.activity.object.kind == Resource::Thread);
}

/// It receives, from that channel as far as is known.
bool receives_from_channel_of(const Thread& thread, const Thread& sender) {
  const bool receives = thread.wait && thread.activity.operation == Operation::Receive &&
                        thread.activity.object.kind == Resource::Channel &&
                        thread.activity.object.reach == snapshot::Reach::Memory;
  if (!receives) return false;
  const RemoteAddr its = thread.wait->futex.address, wanted = sender.wait->futex.address;
  return its == wanted || its.value == 0 || wanted.value == 0;
}

/// A thread waits for the end of others of its process that still have to hand over what only it
/// could take: no thread is left that takes anything.
std::optional<Finding> in_memory(const Context& context, int set,
                                 const std::vector<TaskRef>& tasks) {
  const Snapshot& snapshot = context.snapshot;
  for (const TaskRef& joiner : tasks) {
    const Thread* waits = snapshot::find_thread(snapshot, joiner);
    if (waits == nullptr || !awaits_threads(*waits)) continue;
    const auto& ends = waits->wait->futex.lock.owners;
    const auto writer = std::ranges::find_if(tasks, [&](const TaskRef& task) {
      const Thread* thread = snapshot::find_thread(snapshot, task);
      return task.pid == joiner.pid && thread != nullptr && puts_into_memory(*thread) &&
             (ends.empty() || std::ranges::find(ends, task) != ends.end());
    });
    if (writer == tasks.end()) continue;
    const Process* process = snapshot::find_process(snapshot, joiner.pid);
    const Thread* puts = snapshot::find_thread(snapshot, *writer);
    const bool taken = std::ranges::any_of(process->threads, [&](const Thread& thread) {
      return takes_from_memory(thread) || receives_from_channel_of(thread, *puts);
    });
    if (taken) continue;
    Finding finding = diagnosis::start_finding(context, kJoinBeforeDrain, set);
    finding.strength = Strength::Likely;
    finding.title = snapshot::label(snapshot, joiner) + " waits for an end before taking what " +
                    snapshot::label(snapshot, *writer) + " must still hand over";
    finding.explanation = snapshot::label(snapshot, *writer) + place(snapshot, *writer) +
                          " waits for somebody to take what it has (" +
                          diagnosis::describe_wait(snapshot, *writer) + ").\n" +
                          "No thread of its process does: " + snapshot::label(snapshot, joiner) +
                          " waits for its end first" + place(snapshot, joiner) + ".";
    finding.fix =
        what_to_do(snapshot, kJoinBeforeDrain, joiner, {Situation{"threads of one process"}});
    finding.culprits.push_back(diagnosis::culprit(
        snapshot, joiner, -1,
        "should take what " + snapshot::label(snapshot, *writer) + " has, but waits for its end"));
    diagnosis::add_wakes(finding, {*writer});
    return finding;
  }
  return std::nullopt;
}

diagnosis::Answer run(const Context& context) {
  const Ends& ends = context.ends();
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (!graph::is_deadlock(sets[i])) continue;
    if (const auto pair = find_pair(context, ends, members(sets[i])))
      findings.push_back(about_set(context, static_cast<int>(i), *pair));
    else if (auto finding = in_memory(context, static_cast<int>(i), members(sets[i])))
      findings.push_back(*std::move(finding));
  }
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process)) continue;
    for (const Thread& thread : process.threads)
      if (const auto pair = behind_fork_server(context, ends, process, thread))
        findings.push_back(about_fork_server(context, ends, *pair));
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
