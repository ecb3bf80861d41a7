#include <algorithm>
#include <span>

#include "probes/all_probes.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Resource;
using snapshot::RuntimeObject;

Answer run(const Context& context);

}  // namespace

extern const Probe kThreadLostInFork{
    "IPC202", "thread-lost-in-fork",
    "A forked child waits for a helper thread that fork did not copy", run};

namespace {

struct Lost {
  Strength strength = Strength::None;
  std::string what;  ///< "the threads of the ThreadPoolExecutor `executor`"
  Situation situation;
};

Lost by_pool(const Context& context, const Member& child) {
  const std::optional<Pool> pool = awaited_pool(context, child);
  if (!pool) return {};
  const RuntimeObject& object = *pool->object;
  const std::int64_t maker = object.numbers.get_or(Number::ParentPid, 0);
  const bool made_elsewhere =
      maker != 0 && maker != child.process->ns_pid && maker != child.process->pid.value;
  const bool no_handlers = object.numbers.get_or(Number::ResultHandlerExists, 1) == 0 ||
                           object.numbers.get_or(Number::TaskHandlerExists, 1) == 0;
  const bool no_threads = object.numbers.get_or(Number::ThreadsExist, 1) == 0 &&
                          object.numbers.get_or(Number::Threads, 0) > 0;
  const bool no_manager = object.numbers.get_or(Number::ManagerExists, 1) == 0;
  if (!made_elsewhere && !no_handlers && !no_threads && !no_manager) return {};
  return {Strength::Read, "the threads of " + pool->name, Situation{"a pool"}};
}

/// Where the object was not reached: the only thread of a forked copy cannot get a result from
/// anybody.
Lost by_call(const Member& child) {
  const snapshot::Activity& activity = child.thread->activity;
  const RuntimeObject& object = activity.object;
  const bool alone = child.process->threads.size() == 1;
  if (alone && waits_for_a_pool(activity))
    return {
        Strength::Read,
        object.kind == Resource::Pool ? "the threads of its Pool" : "the threads of its executor",
        Situation{"a pool"}};
  const bool joins = activity.operation == Operation::AwaitEnd && object.kind == Resource::Thread;
  if (joins && object.numbers.get_or(Number::Exists, 1) == 0)
    return {Strength::Read, "the thread" + (object.name.empty() ? "" : " `" + object.name + "`"),
            Situation{"a thread that is joined"}};
  const bool feeder = object.numbers.get_or(Number::FeederStarted, 0) == 1 &&
                      object.numbers.get_or(Number::FeederExists, 1) == 0;
  if (feeder)
    return {Strength::Read, "the feeder thread of the queue", Situation{"the feeder of a queue"}};
  return {};
}

/// A thread of the parent that serves others: it waits for work in the parent's memory.
bool serves_others(const Thread& thread) {
  const Operation operation = thread.activity.operation;
  return (operation == Operation::Take || operation == Operation::AwaitSignal) &&
         thread.activity.object.reach == snapshot::Reach::Memory;
}

/// Whether a helper of its library takes from that queue, in a copy of the same memory.
bool takes_from(const Thread& helper, const RuntimeObject& queue) {
  return snapshot::is_idle(helper.activity) && queue.kind == Resource::Queue &&
         queue.address.value != 0 && helper.activity.object.address == queue.address;
}

/// What only a thread of its own could bring, while its parent has one that waits for such work.
Lost by_worker(const Context& context, const Member& child) {
  const snapshot::Activity& activity = child.thread->activity;
  const bool in_memory = activity.object.reach == snapshot::Reach::Memory;
  const bool brought =
      serves_others(*child.thread) ||
      (in_memory &&
       (activity.operation == Operation::AwaitParties ||
        (activity.object.kind == Resource::Queue &&
         (activity.operation == Operation::Put || activity.operation == Operation::AwaitEnd))));
  const Process* parent = snapshot::find_process(context.snapshot, child.process->ppid);
  if (!brought || child.process->threads.size() != 1 || parent == nullptr) return {};
  const bool has_listener = std::ranges::any_of(
      parent->threads, [&](const Thread& t) { return takes_from(t, activity.object); });
  if (has_listener)
    return {Strength::Clear, "the thread of the QueueListener", Situation{"the listener of a log"}};
  const auto worker = std::ranges::find_if(parent->threads, [&](const Thread& t) {
    return t.tid.value != parent->pid.value && serves_others(t) && may_bring(t) &&
           !snapshot::where(t).empty();
  });
  if (worker == parent->threads.end()) return {};
  return {Strength::Clear, "the worker thread at " + snapshot::where(*worker),
          Situation{"a worker thread"}};
}

/// C: a private condition or join whose other side was a thread of the parent.
Lost by_futex(const Context& context, const Member& child) {
  const Wait* wait = wait_of(child);
  if (wait == nullptr || wait->kind != WaitKind::Futex || wait->futex.shared_memory ||
      child.process->threads.size() != 1)
    return {};
  const LockKind kind = wait->futex.lock.kind;
  const bool signalled = kind == LockKind::Condition || kind == LockKind::Semaphore ||
                         kind == LockKind::Barrier || kind == LockKind::Latch ||
                         kind == LockKind::Future || kind == LockKind::Slots ||
                         kind == LockKind::SharedValue;
  const bool joined = kind == LockKind::ThreadJoin;
  // The post came, into the parent's own copy: that is unshared-primitive.
  if (wait->futex.lock.numbers.get_or(LockNumber::ParentsValue, 0) > 0) return {};
  if ((!signalled && !joined) || !child.thread->activity.call.empty()) return {};
  const Process* parent = snapshot::find_process(context.snapshot, child.process->ppid);
  const bool parent_has_threads =
      parent != nullptr && std::ranges::any_of(parent->threads, [&](const Thread& t) {
        return t.tid.value != parent->pid.value && may_bring(t);
      });
  if (!joined && !parent_has_threads) return {};
  return {Strength::Likely, "a thread that exists only in its parent",
          Situation{"a helper thread"}};
}

/// A library keeps its team of threads for the next computation, and does not start it anew after a
/// fork.
Lost by_team(const Member& child) {
  const RuntimeObject& team = child.thread->activity.object;
  if (!waits_in(child, WaitKind::Futex) || child.process->threads.size() != 1 ||
      team.kind != Resource::Team)
    return {};
  return {Strength::Read, "the threads of its " + team.type, Situation{"a team of threads"}};
}

Lost lost_thread(const Context& context, const Member& member) {
  if (!member.process->forked_copy || is_idle_helper(*member.thread)) return {};
  std::vector<Lost> found = {by_pool(context, member), by_call(member), by_worker(context, member),
                             by_team(member), by_futex(context, member)};
  return *std::ranges::max_element(found, {}, &Lost::strength);
}

void add_parent(const Context& context, const Member& child, const std::string& what,
                Finding& finding) {
  const Process* parent = snapshot::find_process(context.snapshot, child.process->ppid);
  if (parent == nullptr || parent->dead || parent->exited) return;
  const TaskRef task{parent->pid, Tid{parent->pid.value}};
  if (std::ranges::any_of(finding.culprits, [&](const auto& c) { return c.task.pid == task.pid; }))
    return;
  finding.culprits.push_back(
      diagnosis::culprit(context.snapshot, task, -1, "forked after it had started " + what));
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  std::vector<std::pair<const Member*, Lost>> children;
  for (const Member& member : members)
    if (Lost lost = lost_thread(context, member); lost.strength > Strength::None)
      children.emplace_back(&member, std::move(lost));
  if (children.empty()) return std::nullopt;
  std::ranges::stable_sort(children, std::greater<>{},
                           [](const auto& c) { return c.second.strength; });
  const auto& [child, lost] = children.front();
  Finding finding = diagnosis::start_finding(context, kThreadLostInFork, set);
  const std::string who = snapshot::label(context.snapshot, child->task);
  finding.strength = lost.strength;
  Members forked;
  for (const auto& [other, what] : children) forked.push_back(*other);
  add_wakes(finding, forked);
  finding.title = who + " waits for " + lost.what + ", which fork() did not copy into it";
  finding.explanation = "A forked child has one thread only: the one that called fork(). " + who +
                        place_in_brackets(*child->thread) +
                        " uses an object whose work is done by other threads of its parent. They "
                        "do not exist here, so nothing ever comes.";
  finding.fix = what_to_do(context.snapshot, kThreadLostInFork, child->task, {lost.situation});
  for (const auto& [other, what] : children)
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, other->task, -1,
                           "waits for " + what.what + ", left behind in its parent"));
  for (const auto& [other, what] : children) add_parent(context, *other, what.what, finding);
  finding.evidence.push_back(
      {who + " is a fork of " + snapshot::number_of(context.snapshot, child->process->ppid) +
           " and has " + std::to_string(child->process->threads.size()) + " thread(s)",
       diagnosis::proc_path(context.snapshot, child->task.pid, "task")});
  return finding;
}

std::vector<Error> blind(const Members& members) {
  Members forked;
  std::ranges::copy_if(members, std::back_inserter(forked),
                       [](const Member& m) { return m.process->forked_copy; });
  return unknown_locks_or_stacks(forked);
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, blind);
}

}  // namespace
}  // namespace ipcdoctor::probes
