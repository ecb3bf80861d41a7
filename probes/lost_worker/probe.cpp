#include <algorithm>
#include <array>

#include "graph/short_lives.h"
#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::RuntimeObject;

Answer run(const Context& context);

}  // namespace

extern const Probe kLostWorker{"IPC301", "lost-worker",
                               "A result is awaited from a worker or helper thread that is dead",
                               run};

namespace {

struct Loss {
  Strength strength = Strength::None;
  std::string what;       ///< "the thread of the Pool that delivers results is dead"
  std::string why_owner;  ///< blames the process that waits; "": nobody alive is to blame
  std::vector<Situation> situations;
  std::vector<DeadProcess> dead;
};

bool is_of_this_process(const Pool& pool) {
  const std::int64_t maker = pool.object->numbers.get_or(Number::ParentPid, 0);
  return maker == 0 || maker == pool.owner->ns_pid || maker == pool.owner->pid.value;
}

/// A forked copy never had the threads: that is thread-lost-in-fork.
Loss lost_helper_thread(const Pool& pool) {
  if (pool.object->numbers.get_or(Number::ResultHandlerExists, 1) == 0)
    return {Strength::Read,
            "the thread of " + pool.name + " that delivers results has died",
            "a callback or an unpicklable result ended the pool's result thread",
            {Situation{"the thread that delivers results died"}},
            {}};
  if (pool.object->numbers.get_or(Number::TaskHandlerExists, 1) == 0 ||
      pool.object->numbers.get_or(Number::WorkerHandlerExists, 1) == 0)
    return {Strength::Read,
            "a helper thread of " + pool.name + " has died",
            "the thread that hands out tasks ended with an exception",
            {Situation{"the thread that hands out tasks died"}},
            {}};
  if (pool.object->numbers.get_or(Number::ManagerExists, 1) == 0)
    return {Strength::Read,
            "the manager thread of " + pool.name + " has died",
            "the executor's manager thread ended with an exception",
            {Situation{"the manager thread died"}},
            {}};
  return {};
}

std::vector<Situation> lost_in(const Pool& pool) {
  return {Situation{pool.object->type}, Situation{"a worker died"}};
}

/// The thread of a Pool that takes the tasks out of the program's iterable.
bool hands_out_tasks(const Thread& thread) {
  return thread.activity.part == snapshot::Part::Helper;
}

Loss lost_of_pool(const Context& context, const Members& members, const Member& waiter) {
  const std::optional<Pool> pool = awaited_pool(context, waiter);
  if (!pool || !is_of_this_process(*pool)) return {};
  if (Loss loss = lost_helper_thread(*pool); loss.strength > Strength::None) return loss;
  const bool is_pool = pool->object->kind == snapshot::Resource::Pool;
  std::vector<DeadProcess> dead;
  for (const DeadProcess& one : dead_children(context, members))
    if (one.parent == pool->owner->pid) dead.push_back(one);
  const std::int64_t pending = pool->object->numbers.get_or(Number::Pending, 0);
  if (!is_pool && !pool->of_threads && pool->object->numbers.get_or(Number::Workers, 1) == 0 &&
      pending > 0)
    return {Strength::Read,
            pool->name + " has no worker left, and " + std::to_string(pending) +
                (pending == 1 ? " work item waits" : " work items wait"),
            "",
            {Situation{"no worker is left"}},
            dead};
  const bool are_short_lived =
      std::ranges::any_of(context.snapshot.processes, [&](const Process& process) {
        return graph::is_short_lived_worker(context.snapshot, *pool->owner, *pool->object, process);
      });
  if (are_short_lived)
    return {Strength::Read,
            "the workers of " + pool->name + " end soon after they start: for " +
                std::to_string(pool->object->numbers.get_or(Number::Workers, 0)) + " at a time " +
                std::to_string(pool->object->numbers.get_or(Number::StartedWorkers, 0)) +
                " have been started",
            "starts a worker for each one that ends",
            {Situation{"workers end at once"}},
            dead};
  if (pool->object->numbers.get_or(Number::DeadWorkers, 0) > 0)
    return {Strength::Read, "a worker of " + pool->name + " is dead and its task with it", "",
            lost_in(*pool), dead};
  // A helper thread that waits for a lock, or inside the program's own iterable, keeps the work
  // back: it is not lost.
  const bool held_back = std::ranges::any_of(members, [&](const Member& m) {
    return m.process == waiter.process && !is_idle_helper(*m.thread) &&
           (waits_for_own_lock(m) || hands_out_tasks(*m.thread));
  });
  if (held_back) return {};
  // who closes an executor waits until all its work is done, who joins a pool for its workers' ends
  const bool waits_for_result =
      waiter.thread->activity.operation != snapshot::Operation::AwaitEnd ||
      waiter.thread->activity.object.kind != snapshot::Resource::Pool;
  if (waits_for_result && all_idle(*pool)) {
    const std::string who_lost = is_pool ? "" : "its work items were lost before a worker saw them";
    return {Strength::Clear,
            "all workers of " + pool->name +
                " are idle, and the task was lost with a worker or on its way",
            who_lost, lost_in(*pool), dead};
  }
  return {};
}

/// It keeps the queues of others, and puts nothing into them.
bool is_manager(const Process& process) {
  return !process.threads.empty() && std::ranges::all_of(process.threads, [](const Thread& t) {
    return t.activity.part == snapshot::Part::Server;
  });
}

/// It waits for what the receiver would have to give it: it sends nothing before.
bool waits_for_work_of(const Member& receiver, const Members& members, const Process& process) {
  return !process.threads.empty() && std::ranges::all_of(process.threads, [&](const Thread& t) {
    if (is_idle_helper(t)) return true;
    const auto member = std::ranges::find(members, TaskRef{process.pid, t.tid}, &Member::task);
    return member != members.end() && takes_from_processes(t) && could_give(receiver, *member);
  });
}

/// A child that is not over yet and not itself a receiver could still send.
/// @param fault  one of them did not end in peace: those who wait for their next work have done
/// theirs
bool has_living_sender(const Context& context, const Members& members, const Member& receiver,
                       bool fault) {
  const Members fellows = fellow_receivers(members, receiver);
  return std::ranges::any_of(context.snapshot.processes, [&](const Process& p) {
    return p.ppid == receiver.task.pid && !p.dead && !p.exited && !has_process(fellows, p.pid) &&
           !is_manager(p) && !(fault && waits_for_work_of(receiver, members, p)) &&
           !std::ranges::all_of(p.threads, [](const Thread& t) {
             return t.activity.part == snapshot::Part::Helper;
           });
  });
}

/// A parent that collects results from children, of which one is dead and none is left to send.
Loss lost_of_queue(const Context& context, const Members& members, const Member& receiver) {
  if (!takes_from_processes(*receiver.thread)) return {};
  std::vector<DeadProcess> dead;
  for (const DeadProcess& one : dead_children(context, members))
    if (one.parent == receiver.task.pid) dead.push_back(one);
  const bool fault = std::ranges::any_of(dead, failed);
  if (dead.empty() || has_living_sender(context, members, receiver, fault)) return {};
  dead = most_suspect(std::move(dead));
  const std::string queue = queue_name(context, receiver);
  // Several ended in peace: which of them sent less than it should is not known.
  const bool all_in_peace = dead.size() > 1 && !fault;
  const std::string who = all_in_peace ? ", and the " + std::to_string(dead.size()) +
                                             " processes that should send them have ended"
                                       : ", and the process that should send them is dead: " +
                                             describe(context.snapshot, dead.front());
  if (all_in_peace) dead.clear();
  return {fault ? Strength::Likely : Strength::Possible,
          "it takes results from " + queue + who,
          all_in_peace ? "expects more results than were sent" : "",
          {Situation{"the sender died"}},
          dead};
}

/// It waits for work in another queue of the process: others that do what the dead one did, or a
/// helper.
bool takes_elsewhere(const Thread& thread, const Member& receiver) {
  const RemoteAddr queue = thread.activity.object.address;
  return takes_from_threads(thread) && queue.value != 0 &&
         queue != receiver.thread->activity.object.address;
}

/// Threads that should put something into a queue.Queue and ended with an exception.
Loss lost_of_threads(const Context& context, const Member& receiver) {
  if (!takes_from_threads(*receiver.thread) || receiver.process->forked_copy) return {};
  const bool nobody_puts = std::ranges::all_of(receiver.process->threads, [&](const Thread& t) {
    return t.tid == receiver.task.tid || is_idle_helper(t) || takes_elsewhere(t, receiver);
  });
  if (!nobody_puts) return {};
  const std::vector<std::string> names = ended_threads(*receiver.process);
  if (names.empty()) return {};
  return {Strength::Likely,
          "it takes from " + queue_name(context, receiver) +
              ", and the thread that should put something there has ended: " + names.front(),
          "its worker thread ended without putting the result",
          {Situation{"a thread of its own died"}},
          {}};
}

void fill(const Context& context, const Member& waiter, const Loss& loss, Finding& finding) {
  const std::string who = snapshot::label(context.snapshot, waiter.task);
  finding.strength = loss.strength;
  add_wakes(finding, {waiter});
  finding.title = who + " waits for a result that nobody works on: " + loss.what;
  finding.explanation =
      who + place_in_brackets(*waiter.thread) + " waits for a result, but " + loss.what + ".";
  finding.fix = what_to_do(context.snapshot, kLostWorker, waiter.task, loss.situations);
  if (!loss.why_owner.empty())
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, waiter.task, -1, loss.why_owner));
  for (const DeadProcess& one : loss.dead)
    if (one.pid.value != 0 && finding.culprits.size() < 8)
      finding.culprits.push_back(
          dead_culprit(one, "exited without its result: " + describe(context.snapshot, one)));
  finding.evidence.push_back(
      {loss.what, diagnosis::proc_path(context.snapshot, waiter.task.pid, "mem")});
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Member* waiter = nullptr;
  Loss best;
  for (const Member& member : members) {
    std::vector<Loss> losses = {lost_of_pool(context, members, member),
                                lost_of_queue(context, members, member),
                                lost_of_threads(context, member)};
    Loss& loss = *std::ranges::max_element(losses, {}, &Loss::strength);
    if (loss.strength <= best.strength) continue;
    waiter = &member;
    best = std::move(loss);
  }
  if (waiter == nullptr) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kLostWorker, set);
  fill(context, *waiter, best, finding);
  return finding;
}

/// The result thread of a Pool is not started again, so its result cannot come whatever the other
/// threads do: the pool's own may spin for ever, each new task failing as the first one did.
std::vector<Finding> lost_beside_the_living(const Context& context) {
  std::vector<Finding> findings;
  for (const Process& process : context.snapshot.processes) {
    for (const Thread& thread : process.threads) {
      const Member waiter{{process.pid, thread.tid}, &process, &thread, true};
      const bool awaits = thread.activity.operation == snapshot::Operation::AwaitResult &&
                          thread.activity.object.kind == snapshot::Resource::Pool;
      if (!awaits || !waits_in(waiter, WaitKind::Futex)) continue;
      if (!wait_of(waiter)->untimed || !thread.stable) continue;
      if (!graph::lives(context.graph.level(waiter.task))) continue;
      const std::optional<Pool> pool = awaited_pool(context, waiter);
      if (!pool || !is_of_this_process(*pool) || process.forked_copy) continue;
      if (pool->object->numbers.get_or(Number::ResultHandlerExists, 1) != 0) continue;
      Finding finding = diagnosis::start_finding(context, kLostWorker, diagnosis::Verdict::Deadlock,
                                                 std::array{waiter.task});
      finding.grade = diagnosis::Grade::Suspected;
      finding.assumptions = {"only the result thread of " + pool->name + " delivers its results"};
      fill(context, waiter, lost_helper_thread(*pool), finding);
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

Answer run(const Context& context) {
  Answer answer = examine_sets(context, graph::Level::Suspected, examine, unknown_stacks);
  for (Finding& finding : lost_beside_the_living(context))
    answer.findings.push_back(std::move(finding));
  if (!answer.findings.empty()) answer.outcome = diagnosis::Outcome::Found;
  return answer;
}

}  // namespace
}  // namespace ipcdoctor::probes
