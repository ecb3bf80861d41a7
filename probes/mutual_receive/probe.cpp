#include <algorithm>
#include <map>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/flow.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kMutualReceive{
    "IPC104", "mutual-receive", "All parties wait to receive first, and nobody sends", run};

namespace {

using diagnosis::Finding;

/// Copies of one end over fork: each message goes to one of them, and what they do with their
/// copies of the other end is no answer.
bool take_from_one_end(const Flow& a, const Flow& b) {
  return !a.objects.empty() && a.objects == b.objects;
}

/// Two threads of one process, each at its end of the same connection.
bool have_two_ends(const Snapshot& snapshot, const Flow& a, const Flow& b) {
  return !(a.task == b.task) && std::ranges::any_of(a.objects, [&](const ObjectId& id) {
    const snapshot::Object* object = snapshot::find_object(snapshot, id);
    return object != nullptr && object->socket &&
           std::ranges::find(b.objects, object->socket->peer) != b.objects.end();
  });
}

std::vector<Pid> pids_in(const std::vector<Flow>& flows) {
  std::vector<Pid> pids;
  for (const Flow& flow : flows) pids.push_back(flow.task.pid);
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
  return pids;
}

/// Drops all that do not receive from one of the others until only those who receive from each
/// other are left.
std::vector<Flow> receiving_from_each_other(const Snapshot& snapshot, std::vector<Flow> flows) {
  std::erase_if(flows, [](const Flow& f) { return f.way != Way::Receive; });
  for (bool shrunk = true; shrunk;) {
    std::multimap<Pid, const Flow*> left;
    for (const Flow& flow : flows) left.emplace(flow.task.pid, &flow);
    const auto has_partner = [&](const Flow& f) {
      return std::ranges::any_of(f.partners, [&](const Pid pid) {
        const auto [begin, end] = left.equal_range(pid);
        return std::any_of(begin, end, [&](const auto& other) {
          return pid == f.task.pid ? have_two_ends(snapshot, f, *other.second)
                                   : !take_from_one_end(f, *other.second);
        });
      });
    };
    std::vector<Flow> kept;
    std::ranges::copy_if(flows, std::back_inserter(kept), has_partner);
    shrunk = kept.size() < flows.size();
    flows = std::move(kept);
  }
  return flows;
}

/// What its parent kept back for itself is no end of a conversation: the partner has it by fork
/// alone. Where the parent kept the other direction too, it forgot about both.
void drop_left_over(const Snapshot& snapshot, const Ends& ends, std::vector<Flow>& flows) {
  const std::vector<Flow> before = flows;
  const auto hears_from = [&](Pid pid, Pid from) {
    return std::ranges::any_of(
        before, [&](const Flow& f) { return f.task.pid == pid && is_partner(f, from); });
  };
  for (Flow& flow : flows) {
    std::vector<Holder> senders;
    for (const ObjectId& id : flow.objects)
      std::ranges::move(ends.senders(id), std::back_inserter(senders));
    std::erase_if(flow.partners, [&](const Pid pid) {
      return std::ranges::any_of(senders, [&](const Holder& copy) { return copy.pid == pid; }) &&
             std::ranges::all_of(senders, [&](const Holder& copy) {
               if (copy.pid != pid) return true;
               const auto keeper = keeper_of(snapshot, senders, copy);
               return keeper && !hears_from(pid, *keeper);
             });
    });
  }
}

/// A wait for an exit on a sentinel, and the library's own helpers: no message of the program is
/// expected there.
bool expects_no_message(const Context& context, const Flow& flow) {
  const snapshot::Thread* thread = snapshot::find_thread(context.snapshot, flow.task);
  if (thread == nullptr) return false;
  const snapshot::Activity& activity = thread->activity;
  const bool awaits_process = activity.operation == snapshot::Operation::AwaitEnd &&
                              activity.object.kind == snapshot::Resource::Process;
  return (awaits_process && !activity.in_loop) ||
         (activity.part == snapshot::Part::Helper && snapshot::is_idle(activity));
}

/// Two wait for each other: either could begin. Of more, those that most others wait for.
std::vector<Pid> who_should_send(const std::vector<Flow>& flows) {
  const std::vector<Pid> pids = pids_in(flows);
  if (pids.size() <= 2) return pids;
  std::map<Pid, std::size_t> waited_for;
  for (const Flow& flow : flows)
    for (const Pid pid : flow.partners)
      if (pid != flow.task.pid && std::ranges::binary_search(pids, pid)) ++waited_for[pid];
  std::size_t most = 0;
  for (const auto& [pid, count] : waited_for) most = std::max(most, count);
  std::vector<Pid> hubs;
  for (const auto& [pid, count] : waited_for)
    if (count == most) hubs.push_back(pid);
  return hubs;
}

/// The waits, below what they have in common.
std::string explanation(const Snapshot& snapshot, const std::vector<Flow>& flows,
                        std::string text) {
  constexpr std::size_t kMaxTold = 6;
  for (std::size_t i = 0; i < std::min(flows.size(), kMaxTold); ++i)
    text += "\n" + snapshot::label(snapshot, flows[i].task) + " waits for " +
            diagnosis::describe_wait(snapshot, flows[i].task) + place(snapshot, flows[i].task) +
            ".";
  return text;
}

bool reads_from_pipe(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  return wait != nullptr && !wait->objects.empty() &&
         wait->objects.front().object.kind == snapshot::ObjectKind::Pipe;
}

/// Of a connection that is about to be made: one side has an authkey, the other not.
bool is_in_handshake(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  return thread != nullptr && thread->activity.operation == snapshot::Operation::AwaitResult &&
         thread->activity.object.kind == snapshot::Resource::Listener;
}

Situation situation_of(const Snapshot& snapshot, TaskRef task) {
  if (is_in_handshake(snapshot, task)) return Situation{"an authkey"};
  return reads_from_pipe(snapshot, task) ? Situation{"a pipe"} : Situation{};
}

/// Threads beside the conversation wait for items in memory: it rests because they do.
bool has_consumers(const Snapshot& snapshot, Pid pid) {
  const Process* process = snapshot::find_process(snapshot, pid);
  return process != nullptr && std::ranges::any_of(process->threads, [](const Thread& thread) {
           return takes_from_memory(thread);
         });
}

/// Another thread of it would send, but waits for a lock or for somebody to open a FIFO.
bool is_held_up(const Snapshot& snapshot, const TaskRef& receiver) {
  const Process* process = snapshot::find_process(snapshot, receiver.pid);
  return process != nullptr && std::ranges::any_of(process->threads, [&](const Thread& thread) {
           const Member member{{receiver.pid, thread.tid}, process, &thread, true};
           return thread.tid != receiver.tid &&
                  (waits_for_own_lock(member) || waits_in(member, WaitKind::OpenFifo));
         });
}

/// Both sides of one conversation, or takers from queues where a sentinel may be missing.
Strength strength_of(const Snapshot& snapshot, const std::vector<Flow>& flows) {
  Strength strength = Strength::Clear;
  for (const Flow& flow : flows) {
    const snapshot::Activity& activity = snapshot::find_thread(snapshot, flow.task)->activity;
    if (is_in_handshake(snapshot, flow.task)) return Strength::Read;
    if (activity.part == snapshot::Part::Worker && snapshot::is_idle(activity))
      strength = Strength::Guess;
    if (activity.operation == snapshot::Operation::Take)
      strength = std::min(strength, Strength::Possible);
    if (has_consumers(snapshot, flow.task.pid)) strength = std::min(strength, Strength::Possible);
    if (is_held_up(snapshot, flow.task)) strength = std::min(strength, Strength::Guess);
  }
  return strength;
}

Finding describe(const Context& context, int set, const std::vector<Flow>& flows) {
  Finding finding = diagnosis::start_finding(context, kMutualReceive, set);
  const Snapshot& snapshot = context.snapshot;
  const std::vector<Pid> parties = pids_in(flows);
  const std::vector<Pid> guilty = who_should_send(flows);
  std::vector<TaskRef> tasks;
  for (const Flow& flow : flows) tasks.push_back(flow.task);
  const bool threads = parties.size() == 1;
  finding.title = (threads ? std::to_string(tasks.size()) + " threads of " : "") +
                  names(snapshot, parties) +
                  (parties.size() > 2 ? " all wait for another one to send first"
                   : threads          ? " wait for each other to send first"
                                      : " each wait for the other to send first");
  finding.explanation = explanation(
      snapshot, flows,
      "Each of them waits for another one to send first, and every buffer between them is empty.");
  const std::map<Pid, TaskRef> first = first_of_each(tasks);
  for (const TaskRef& task : tasks) {
    const bool is_first = first.at(task.pid) == task;
    if (!threads && !(is_first && std::ranges::binary_search(guilty, task.pid))) continue;
    finding.culprits.push_back(diagnosis::culprit(
        snapshot, task, -1,
        "should send, but waits for " + diagnosis::describe_wait(snapshot, task)));
  }
  TaskRef advised = task_of(tasks, guilty.front());
  for (const TaskRef& task : tasks)
    if (is_in_handshake(snapshot, task)) advised = task;
  finding.fix = what_to_do(snapshot, kMutualReceive, advised, {situation_of(snapshot, advised)});
  finding.strength = strength_of(snapshot, flows);
  for (const Flow& flow : flows)
    if (!(flow.task == advised) && is_partner(flow, advised.pid))
      diagnosis::add_wakes(finding, {flow.task});
  return finding;
}

/// It waits for an answer on a connection that it would have to accept itself.
bool asks_itself(const Snapshot& snapshot, const Ends& ends, const Flow& flow) {
  return std::ranges::any_of(flow.objects, [&](const ObjectId& id) {
    const snapshot::Object* object = snapshot::find_object(snapshot, id);
    if (object == nullptr || !object->socket || !object->socket->peer_in_backlog) return false;
    const std::vector<Pid> servers = pids_of(ends.senders(id));
    return servers.size() == 1 && servers.front() == flow.task.pid;
  });
}

Finding describe_own_request(const Context& context, int set, const Flow& flow) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kMutualReceive, set);
  const std::string who = snapshot::label(snapshot, flow.task);
  const std::string what = diagnosis::describe_wait(snapshot, flow.task);
  finding.title = who + " waits for an answer from its own server";
  finding.explanation =
      who + place(snapshot, flow.task) + " waits for " + what +
      ". That connection has not been accepted, and the listening socket is its own.";
  finding.culprits.push_back(
      diagnosis::culprit(snapshot, flow.task, -1, "should accept, but waits for " + what));
  finding.fix = what_to_do(snapshot, kMutualReceive, flow.task, {Situation{"a request to itself"}});
  finding.strength = Strength::Clear;
  diagnosis::add_wakes(finding, {flow.task});
  return finding;
}

bool asks_a_server(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  return thread != nullptr && thread->activity.object.kind == snapshot::Resource::Proxy;
}

/// Processes that wait for the answers to requests of their own at one end of a stream, of which
/// some have a copy by fork().
std::vector<Flow> sharing_an_end(const Context& context, const Ends& ends,
                                 const graph::StuckSet& deadlock) {
  std::vector<TaskRef> asking;
  for (const auto* tasks : {&deadlock.core, &deadlock.behind})
    std::ranges::copy_if(*tasks, std::back_inserter(asking), [&](const TaskRef& task) {
      return asks_a_server(context.snapshot, task);
    });
  std::vector<Flow> flows = flows_of(context, ends, asking);
  std::erase_if(flows, [](const Flow& f) { return f.way != Way::Receive; });
  for (const Flow& first : flows) {
    std::vector<Flow> sharing;
    std::ranges::copy_if(flows, std::back_inserter(sharing),
                         [&](const Flow& other) { return take_from_one_end(first, other); });
    if (pids_in(sharing).size() > 1) return sharing;
  }
  return {};
}

Finding describe_shared_end(const Context& context, int set, const std::vector<Flow>& flows) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kMutualReceive, set);
  finding.title = names(snapshot, pids_in(flows)) + " ask over one connection, which fork() copied";
  finding.explanation = explanation(
      snapshot, flows,
      "Each of them waits for the answer to its own request, and all read from one end: whoever is "
      "first takes what was meant for another one.");
  std::vector<TaskRef> tasks;
  for (const Flow& flow : flows) {
    tasks.push_back(flow.task);
    const Process* process = snapshot::find_process(snapshot, flow.task.pid);
    if (process != nullptr && process->forked_copy)
      finding.culprits.push_back(
          diagnosis::culprit(snapshot, flow.task, -1, "uses the connection of its parent"));
  }
  const TaskRef advised = finding.culprits.empty() ? tasks.front() : finding.culprits.front().task;
  finding.fix = what_to_do(snapshot, kMutualReceive, advised, {Situation{"a copied end"}});
  finding.strength = Strength::Read;
  diagnosis::add_wakes(finding, tasks);
  return finding;
}

diagnosis::Answer run(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        const std::vector<Flow> sharing = sharing_an_end(context, ends, deadlock);
        if (!sharing.empty()) return describe_shared_end(context, set, sharing);
        std::vector<Flow> core = flows_of(context, ends, deadlock.core);
        std::erase_if(core, [&](const Flow& f) { return expects_no_message(context, f); });
        if (std::ranges::any_of(core, [](const Flow& f) { return f.way == Way::Send; }))
          return std::nullopt;
        drop_left_over(context.snapshot, ends, core);
        const std::vector<Flow> mutual = receiving_from_each_other(context.snapshot, core);
        if (mutual.size() < 2) {
          const auto own = std::ranges::find_if(
              core, [&](const Flow& f) { return asks_itself(context.snapshot, ends, f); });
          if (own == core.end()) return std::nullopt;
          return describe_own_request(context, set, *own);
        }
        return describe(context, set, mutual);
      });
}

}  // namespace
}  // namespace ipcdoctor::probes
