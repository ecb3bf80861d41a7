#include <sys/epoll.h>

#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/joiners.h"
#include "probes/internal/lock_facts.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Reach;
using snapshot::Resource;

Answer run(const Context& context);

}  // namespace

extern const Probe kMissedWakeup{
    "IPC303", "missed-wakeup",
    "A condition, event or semaphore was signalled too early, or by nobody who lives", run};

namespace {

struct Signal {
  Strength strength = Strength::None;
  const char* what = "";  ///< "an event"
  Situation situation;
  const char* own_fault = "";  ///< what the waiter itself did or left out
};

constexpr Situation kEvent = Situation{"an event"};
constexpr Situation kCondition = Situation{"a condition"};
constexpr Situation kFuture = Situation{"a future"};
constexpr Situation kSemaphore = Situation{"a semaphore"};
constexpr Situation kTask = Situation{"a task of an event loop"};

/// By the thing of a library that is waited for, perhaps by a server's thread for its client.
Signal of_library(const snapshot::Activity& activity) {
  const bool signalled = activity.operation == Operation::AwaitSignal;
  switch (activity.object.kind) {
    case Resource::Event:
    case Resource::Condition:
      if (signalled && activity.object.kind == Resource::Event)
        return {Strength::Possible, "an event that nobody is left to set", kEvent};
      if (signalled)
        return {Strength::Possible, "a notify that nobody is left to send", kCondition};
      // between processes who signals waits until all sleepers have woken
      if (activity.operation == Operation::Acquire && activity.object.reach == Reach::Tree &&
          !activity.call.ends_with(".acquire"))
        return {Strength::Possible, "a sleeper that does not answer any more",
                Situation{"a sleeper that died"}};
      return {};
    case Resource::Future:
      return {Strength::Consequence, "a future that nobody is left to set", kFuture};
    case Resource::Semaphore:
      return {Strength::Possible, "a semaphore that nobody is left to release", kSemaphore};
    default:
      return {};
  }
}

Signal of_futex(const Member& member) {
  const snapshot::FutexWait& futex = wait_of(member)->futex;
  switch (futex.lock.kind) {
    case LockKind::Condition:
      return {Strength::Possible, "a condition variable that nobody is left to signal", kCondition};
    case LockKind::Future:
      return {Strength::Possible, "a future that nobody is left to set", kFuture};
    case LockKind::Slots:
      return {Strength::Possible, "a semaphore that nobody is left to release", kSemaphore};
    case LockKind::Latch:
    case LockKind::SharedValue:
      return {Strength::Guess, "a value that nobody is left to change", kCondition};
    case LockKind::Semaphore:
      return {Strength::Possible, "a semaphore that nobody is left to post", kSemaphore};
    case LockKind::SharedSemaphore:
      return is_mutex_like(futex.lock)
                 ? Signal{}
                 : Signal{Strength::Guess, "a semaphore that nobody is left to release",
                          kSemaphore};
    case LockKind::Parked:
      return {Strength::Guess, "an event that nobody is left to set", kEvent};
    case LockKind::UnownedLock:
      // One that no frame is inside of was taken to be released by somebody else: a signal.
      return {Strength::Consequence, "a lock that nobody is left to release", kEvent};
    case LockKind::Unknown:
      return {Strength::Consequence, "a wake-up that nobody is left to send", kCondition};
    default:
      return {};
  }
}

/// The count of an eventfd is 0 and nobody is left to add to it.
bool reads_eventfd(const Member& member) {
  return waits_in(member, WaitKind::Read) && !wait_of(member)->objects.empty() &&
         wait_of(member)->objects.front().object.kind == snapshot::ObjectKind::EventFd;
}

/// An event loop that waits for a wake-up of its own, and watches nothing that others could fill.
Signal of_event_loop(const snapshot::Activity& activity) {
  if (activity.object.kind == Resource::Lock || activity.object.kind == Resource::Semaphore)
    return {Strength::Guess, "a release that no task is left to make", kTask};
  if (activity.operation == Operation::Take)
    return {Strength::Guess, "an item that no task is left to put", kTask};
  if (activity.operation == Operation::Put)
    return {Strength::Guess, "room that no task is left to make", kTask};
  return {Strength::Consequence, "a future that no task is left to set", kTask};
}

/// Edges of reading alone. The loops of Go, mio and asio watch for more with one call, and read
/// when somebody of the program asks for it: there unread data is no mistake.
bool waits_for_an_edge(std::uint32_t events) {
  constexpr std::uint32_t kReading =
      EPOLLET | EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
  return (events & EPOLLET) != 0 && (events & EPOLLIN) != 0 && (events & ~kReading) == 0;
}

/// Data is there, but the event that told of it is over: an edge that passed before all was read,
/// or a single shot that nobody armed again (epoll(7), EPOLLET and EPOLLONESHOT).
Signal of_epoll(const Context& context, const Member& member) {
  if (!waits_in(member, WaitKind::Epoll) || wait_of(member)->objects.empty()) return {};
  const snapshot::Object* set =
      snapshot::find_object(context.snapshot, wait_of(member)->objects.front().object);
  if (set == nullptr) return {};
  for (const snapshot::Watched& watched : set->watched) {
    const snapshot::Object* object = snapshot::find_object(context.snapshot, watched.object);
    if (object == nullptr || !has_data(*object)) continue;
    const bool disarmed =
        (watched.events & EPOLLONESHOT) != 0 && (watched.events & (EPOLLIN | EPOLLRDNORM)) == 0;
    if (disarmed)
      return {Strength::Clear,
              "an event on a descriptor that has data, but was disarmed by EPOLLONESHOT",
              Situation{"an event that came once"}, "has not re-armed the descriptor"};
    if (waits_for_an_edge(watched.events))
      return {Strength::Clear,
              "an edge of a descriptor that has data still, and whose edge has passed",
              Situation{"an edge"}, "has not read all that was there when the edge came"};
  }
  return {};
}

/// It waits for somebody of its program, by whatever name its library has for it.
bool awaits_somebody(const Thread& thread) {
  switch (thread.activity.operation) {
    case Operation::Take:
    case Operation::Put:
    case Operation::AwaitSignal:
    case Operation::AwaitResult:
    case Operation::AwaitValue:
    case Operation::AwaitParties:
      return !thread.is_interpreted;
    default:
      return false;
  }
}

Signal signal_of(const Context& context, const Member& member) {
  const bool of_runtime =
      !member.thread->housekeeping.empty() ||
      (!member.thread->is_interpreted && member.thread->activity.operation == Operation::Serve);
  if (of_runtime) return {};
  if (const Signal found = of_epoll(context, member); found.strength > Strength::None) return found;
  if (member.thread->activity.in_loop &&
      (waits_in(member, WaitKind::Epoll) || waits_in(member, WaitKind::Poll)))
    return of_event_loop(member.thread->activity);
  if (reads_eventfd(member))
    return {Strength::Guess, "a count of an eventfd that nobody is left to write", kSemaphore};
  if (!waits_in(member, WaitKind::Futex)) return {};
  const snapshot::Activity& activity = member.thread->activity;
  if (const Signal found = of_library(activity); found.strength > Strength::None) return found;
  const bool acquires =
      activity.operation == Operation::Acquire && !serves_a_client(*member.thread);
  if (!activity.call.empty() && !acquires && !awaits_somebody(*member.thread)) return {};
  // What a fork left locked or lost is told by other probes.
  const bool forked_alone =
      member.process->forked_copy && member.process->threads.size() == 1 && waits_for_lock(member);
  if (forked_alone) return {};
  const Signal found = of_futex(member);
  return waits_for_lock(member) && !holders_of(context, member).empty() ? Signal{} : found;
}

bool same_wait(const Member& a, const Member& b) {
  if (a.task == b.task) return true;
  const Wait* x = wait_of(a);
  const Wait* y = wait_of(b);
  if (x == nullptr || y == nullptr || x->kind != WaitKind::Futex || y->kind != WaitKind::Futex)
    return false;
  const auto& one = a.thread->activity;
  const auto& other = b.thread->activity;
  if (!one.call.empty() && one.call == other.call && one.object.address.value != 0 &&
      one.object.address == other.object.address)
    return true;
  if (x->futex.shared_memory) return y->futex.shared_memory && x->futex.page == y->futex.page;
  return a.process->mm_group == b.process->mm_group && x->futex.address == y->futex.address;
}

bool waits_for_data(const Member& member) {
  return waits_in(member, WaitKind::Read) || waits_in(member, WaitKind::Write) ||
         waits_in(member, WaitKind::Poll) || waits_in(member, WaitKind::Epoll);
}

/// Beside somebody who waits for data, or in a call of his language, the worker of a native pool is
/// a consequence.
bool is_idle_worker(const Members& members, const Member& member) {
  return is_native_worker(member) && std::ranges::any_of(members, [](const Member& m) {
           return waits_for_data(m) || !m.thread->activity.call.empty();
         });
}

/// A side thread that asks again and again, as a heartbeat does whether it shall stop, and for
/// whose end nobody waits: what it waits for is not what the others lack.
bool is_unwanted_loop(const Context& context, const Members& members, const Member& member) {
  return member.task.tid.value != member.task.pid.value && wait_of(member)->asked &&
         !waits_for_lock(member) && joiners_of(context, members, {member}).empty();
}

/// Who waits for the others' end can signal nothing that they wait for.
Members without_joiners(const Members& members) {
  Members rest;
  for (const Member& member : members)
    if (!waits_in(member, WaitKind::Child)) rest.push_back(member);
  return rest;
}

/// What a manager's thread waits for, its clients signal.
bool waits_in_own_memory(const Member& waiter) {
  return waits_in(waiter, WaitKind::Futex) && !wait_of(waiter)->futex.shared_memory &&
         !serves_a_client(*waiter.thread);
}

bool is_condition(const Member& waiter) {
  const snapshot::Activity& activity = waiter.thread->activity;
  return activity.call.empty() ? waits_in(waiter, WaitKind::Futex) &&
                                     wait_of(waiter)->futex.lock.kind == LockKind::Condition
                               : activity.operation == Operation::AwaitSignal &&
                                     activity.object.kind == Resource::Condition;
}

/// Alive and not waiting for the same: one of these had to signal. Helpers of the library and
/// idle workers never do, nor can another process where the waiter's memory is its own.
Members silent_ones(const Members& members, const Member& waiter) {
  Members silent;
  for (const Member& member : members) {
    const bool reaches =
        !waits_in_own_memory(waiter) || member.process->mm_group == waiter.process->mm_group;
    const bool is_client =  // perhaps the very one in whose name the manager waits
        serves_a_client(*waiter.thread) && member.thread->activity.object.kind == Resource::Proxy;
    const bool is_idle = is_idle_helper(*member.thread) || is_idle_worker(members, member);
    if (reaches && !is_client && !same_wait(member, waiter) && !is_idle) silent.push_back(member);
  }
  return silent;
}

/// Of two processes that wait for the same, either could have signalled the other.
Members one_or_both(const Members& members, const Member& waiter) {
  Members waiters;
  for (const Member& member : one_a_process(members))
    if (same_wait(member, waiter)) waiters.push_back(member);
  return waiters.size() == 2 ? waiters : Members{waiter};
}

/// Of several, what the user asks about: a test that is over its time, and not its idle neighbours.
bool is_asked_about(const Context& context, const Member* waiter) {
  return context.snapshot.overdue && waiter != nullptr &&
         snapshot::is_below_target(context.snapshot, waiter->task.pid);
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Member* waiter = nullptr;
  Signal best;
  for (const Member& member : members) {
    Signal found = signal_of(context, member);
    if (found.strength == Strength::None) continue;
    if (is_idle_worker(members, member) || is_unwanted_loop(context, members, member))
      found.strength = std::min(found.strength, Strength::Consequence);
    const bool is_nearer = is_asked_about(context, &member) && !is_asked_about(context, waiter);
    if (found.strength > best.strength || (found.strength == best.strength && is_nearer)) {
      waiter = &member;
      best = found;
    }
  }
  if (waiter == nullptr) return std::nullopt;
  std::vector<DeadProcess> dead;
  if (!waits_in_own_memory(*waiter)) dead = dead_children(context, members);
  Members silent = silent_ones(members, *waiter);
  // A handshake in which each waits first: neither side is more to blame than the other.
  const Members others = without_joiners(silent);
  const bool all_await_signals =
      !others.empty() && std::ranges::all_of(others, [&](const Member& m) {
        return signal_of(context, m).strength > Strength::None;
      });
  if (all_await_signals) silent = others;
  const bool by_itself = *best.own_fault != '\0';
  Finding finding = diagnosis::start_finding(context, kMissedWakeup, set);
  const std::string who = snapshot::label(context.snapshot, waiter->task);
  finding.strength = best.strength;
  add_wakes(finding, {*waiter});
  finding.title = who + " waits for " + best.what;
  finding.explanation = who + place_in_brackets(*waiter->thread) + " waits for " + best.what + ". ";
  finding.explanation +=
      by_itself ? "It " + std::string(best.own_fault) + "."
      : silent.empty()
          ? "It is alone: " +
                std::string(dead.empty()
                                ? "whoever should do it has ended, or did it before the wait began."
                                : describe(context.snapshot, dead.front()) + " is dead.")
          : snapshot::label(context.snapshot, silent.front().task) +
                place_in_brackets(*silent.front().thread) +
                " waits itself. The signal was sent before the wait began, or is never sent.";
  std::vector<Situation> situations{best.situation};
  if (silent.empty() && !by_itself && std::ranges::any_of(dead, failed))
    situations.insert(situations.begin(), Situation{"who should signal failed"});
  finding.fix = what_to_do(context.snapshot, kMissedWakeup, waiter->task, situations);
  if (by_itself) {
    blame(context, {*waiter}, best.own_fault, finding);
    return finding;
  }
  blame(context, silent,
        "does not signal: it waits for " +
            std::string(silent.empty()
                            ? ""
                            : diagnosis::describe_wait(context.snapshot, silent.front().task)),
        finding);
  if (all_await_signals)
    blame(context, {*waiter}, "waits for a signal before it sends its own", finding);
  for (const DeadProcess& one : dead)
    if (silent.empty() && one.pid.value != 0 && finding.culprits.size() < 4)
      finding.culprits.push_back(
          dead_culprit(one, "ended without the signal: " + describe(context.snapshot, one)));
  // Who ended in peace has done its part: perhaps it signalled before the wait began.
  const bool came_early = silent.empty() && is_condition(*waiter) && !dead.empty() &&
                          std::ranges::none_of(dead, failed);
  if (came_early)
    blame(context, {*waiter}, "waits for a signal that may have come before", finding);
  if (finding.culprits.empty())
    blame(context, one_or_both(members, *waiter),
          "waits for " + diagnosis::describe_wait(context.snapshot, waiter->task) +
              ", which came too early or never comes",
          finding);
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks_or_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
