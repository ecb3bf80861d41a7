#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/joiners.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/receivers.h"
#include "snapshot/copies.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Resource;

Answer run(const Context& context);

}  // namespace

extern const Probe kUnsharedPrimitive{
    "IPC306", "unshared-primitive",
    "Each process has its own private copy of what was meant to be shared", run};

namespace {

/// What lives in the memory of one process and is signalled by somebody else.
bool is_private_signal(const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex || wait->futex.shared_memory) return false;
  if (takes_from_threads(*member.thread)) return true;
  const snapshot::Activity& activity = member.thread->activity;
  if (!activity.call.empty()) {
    const bool signalled = activity.operation == Operation::AwaitSignal ||
                           activity.operation == Operation::AwaitParties ||
                           activity.object.kind == Resource::Queue;
    return member.thread->is_interpreted && signalled &&
           activity.object.reach == snapshot::Reach::Memory && !snapshot::is_idle(activity) &&
           activity.part != snapshot::Part::Server;
  }
  const LockKind kind = wait->futex.lock.kind;
  return kind == LockKind::Condition || kind == LockKind::Semaphore || kind == LockKind::Barrier;
}

/// All threads of its process hang with it, or bring nothing: whoever was meant to signal is in
/// another process. Where the waiter itself is in no call of a language, such a worker may be
/// meant.
bool nobody_else_inside(const Members& members, const Member& waiter) {
  const bool by_language = !waiter.thread->activity.call.empty();
  return std::ranges::all_of(waiter.process->threads, [&](const Thread& t) {
    const Member other{{waiter.task.pid, t.tid}, waiter.process, &t, true};
    if (!is_member(members, other.task)) return t.next && !may_bring(t);
    return t.tid == waiter.task.tid || is_idle_helper(t) ||
           (by_language && is_native_worker(other));
  });
}

/// Children that got a copy of its memory, alive or not. A child known only by its pid may have
/// been one.
std::size_t forked_children(const Context& context, const Members& members, const Member& parent) {
  std::size_t count = 0;
  for (const Process& process : context.snapshot.processes)
    if (process.ppid == parent.task.pid && !process.dead && !process.exited && process.forked_copy)
      ++count;
  for (const DeadProcess& dead : dead_children(context, members))
    if (dead.parent == parent.task.pid) ++count;
  return count;
}

/// By a handler whose code was read.
bool is_woken_by_a_handler(const Member& waiter) {
  const auto wakes = [&](const snapshot::Handler& handler) {
    return handler.effects && std::ranges::find(handler.effects->releases,
                                                waiter.thread->activity.object.address.value) !=
                                  handler.effects->releases.end();
  };
  return waiter.process->handlers && std::ranges::any_of(*waiter.process->handlers, wakes);
}

/// The handler of SIGCHLD is to signal it: the children were never meant to.
bool is_told_by_a_handler(const Member& waiter) {
  if (!waiter.thread->activity.call.empty()) return is_woken_by_a_handler(waiter);
  return waiter.thread->signals && (waiter.thread->signals->caught & kSigChld) != 0;
}

std::string word_for(const Member& waiter) {
  const snapshot::RuntimeObject& object = waiter.thread->activity.object;
  if (!object.type.empty())
    return object.type + (object.name.empty() ? "" : " `" + object.name + "`");
  const std::string& call = waiter.thread->activity.call;
  if (const auto dot = call.rfind('.'); dot != std::string::npos) return call.substr(0, dot);
  switch (wait_of(waiter)->futex.lock.kind) {
    case LockKind::Condition:
      return "condition variable";
    case LockKind::Semaphore:
      return "semaphore";
    case LockKind::Barrier:
      return "barrier";
    case LockKind::RwlockRead:
    case LockKind::RwlockWrite:
      return "rwlock";
    default:
      return "mutex";
  }
}

std::string fix_for(const Context& context, const Member& waiter, const std::string& what) {
  const std::string_view call = waiter.thread->activity.call;  // "threading.Event.wait"
  const std::string_view library = call.substr(0, call.find('.'));
  const std::string_view type = call.substr(0, std::min(call.rfind('.'), call.size()));
  return what_to_do(
      context.snapshot, kUnsharedPrimitive, waiter.task, {Situation{library}},
      {{"the object", what},
       {"Event", std::string(type.substr(std::min(library.size() + 1, type.size())))}});
}

/// An object in shared memory that was made for threads: its wake-ups look for waiters of the own
/// process only.
bool lacks_pshared(const Context& context, const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex || !wait->futex.shared_memory) return false;
  if (wait->futex.lock.numbers.get_or(LockNumber::Pshared, 1) != 0) return false;
  // Somebody holds it: then it is no wake-up that is missing.
  if (wait->futex.lock.ownership == snapshot::Ownership::Known) return false;
  const snapshot::SharedArea* area = snapshot::find_area(context.snapshot, wait->futex.page);
  return area != nullptr && area->mappers.size() > 1;
}

Finding describe_copy(const Context& context, int set, const Member& waiter, Strength strength,
                      const std::string& how) {
  Finding finding = diagnosis::start_finding(context, kUnsharedPrimitive, set);
  const std::string what = word_for(waiter);
  const std::string who = snapshot::label(context.snapshot, waiter.task);
  finding.strength = strength;
  add_wakes(finding, {waiter});
  finding.title =
      who + " waits on its private copy of a " + what + ": no other process can reach it";
  finding.explanation = who + place_in_brackets(*waiter.thread) + " waits on a " + what +
                        " in its own memory. " + how +
                        " What one process puts or sets there the other never sees.";
  finding.fix = fix_for(context, waiter, what);
  return finding;
}

/// All map it, but the wake-up of one process is never looked for in another.
Finding describe_unshared(const Context& context, int set, const Members& members,
                          const Member& waiter) {
  Finding finding = diagnosis::start_finding(context, kUnsharedPrimitive, set);
  const std::string what = word_for(waiter);
  const std::string who = snapshot::label(context.snapshot, waiter.task);
  finding.strength = Strength::Clear;
  add_wakes(finding, {waiter});
  finding.title = who + " waits for a " + what +
                  " in shared memory that was made for the threads of one process";
  finding.explanation = who + place_in_brackets(*waiter.thread) + " waits for a " + what +
                        " that other processes map too. It lacks PTHREAD_PROCESS_SHARED, so a "
                        "wake-up in one process does not reach the waiters of another.";
  finding.fix = what_to_do(context.snapshot, kUnsharedPrimitive, waiter.task,
                           {Situation{"in shared memory"}});
  blame(context, {waiter}, "waits where wake-ups from other processes do not arrive", finding);
  for (const Member& other : one_a_process(members))
    if (other.task.pid == waiter.process->ppid)
      blame(context, {other}, "shares it without PTHREAD_PROCESS_SHARED", finding);
  return finding;
}

/// Its parent, where that has an object of the same type and name: the module was imported again,
/// as the start methods spawn and forkserver do.
const Process* parent_with_twin(const Context& context, const Member& waiter) {
  const snapshot::RuntimeObject& own = waiter.thread->activity.object;
  const Process* parent = snapshot::find_process(context.snapshot, waiter.process->ppid);
  if (parent == nullptr || parent->dead || parent->exited || own.name.empty()) return nullptr;
  const bool has_twin =
      std::ranges::any_of(parent->interpreter.objects, [&](const snapshot::RuntimeObject& object) {
        return object.type == own.type && object.name == own.name;
      });
  return has_twin ? parent : nullptr;
}

/// It was set, in the memory of a process where nobody waits for it.
Finding describe_signalled_copy(const Context& context, int set, const Member& waiter,
                                const Process& setter) {
  const std::string who = snapshot::label(context.snapshot, {setter.pid, Tid{setter.pid.value}});
  Finding finding = describe_copy(context, set, waiter, Strength::Read,
                                  who + " has set its own copy, which fork() made.");
  const TaskRef parent{setter.pid, Tid{setter.pid.value}};
  if (waiter.process->ppid == setter.pid)
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, parent, -1,
        "has a copy of its own: what it does to that one does not reach the child"));
  else
    blame(context, {waiter},
          "waits on a " + word_for(waiter) + " that only its own threads could signal", finding);
  return finding;
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  for (const Member& waiter : members) {
    if (!is_private_signal(waiter)) continue;
    if (const Process* setter =
            snapshot::find_signalled_copy(context.snapshot, *waiter.process, *waiter.thread))
      return describe_signalled_copy(context, set, waiter, *setter);
  }
  for (const Member& waiter : members) {
    if (lacks_pshared(context, waiter)) {
      return describe_unshared(context, set, members, waiter);
    }
    if (!is_private_signal(waiter) || serves_a_client(*waiter.thread) ||
        !nobody_else_inside(members, waiter))
      continue;
    const bool by_library = !waiter.thread->activity.call.empty();
    const Process* parent = snapshot::find_process(context.snapshot, waiter.process->ppid);
    if (waiter.process->forked_copy && parent != nullptr && !parent->dead && !parent->exited) {
      const bool parent_has_threads = parent->threads.size() > 1;
      // What served it may have been a thread of its own.
      const bool had_threads = !ended_threads(*waiter.process).empty();
      Finding finding = describe_copy(context, set, waiter,
                                      by_library && !had_threads         ? Strength::Likely
                                      : by_library || parent_has_threads ? Strength::Possible
                                                                         : Strength::Likely,
                                      "fork() gave it a copy of what its parent has.");
      finding.culprits.push_back(diagnosis::culprit(
          context.snapshot, {parent->pid, Tid{parent->pid.value}}, -1,
          "has a copy of its own: what it does to that one does not reach the child"));
      return finding;
    }
    if (const Process* twin = parent_with_twin(context, waiter)) {
      Finding finding = describe_copy(context, set, waiter, Strength::Likely,
                                      "It imported the module again, which made one of its own.");
      finding.culprits.push_back(diagnosis::culprit(
          context.snapshot, {twin->pid, Tid{twin->pid.value}}, -1,
          "has one of its own by that name: what it does to that one does not reach the child"));
      return finding;
    }
    if (forked_children(context, members, waiter) == 0 || is_told_by_a_handler(waiter)) continue;
    // What served it may have been a thread of its own.
    const bool had_threads = !ended_threads(*waiter.process).empty();
    Finding finding =
        describe_copy(context, set, waiter, had_threads ? Strength::Possible : Strength::Likely,
                      "Each child that it forked has a copy of its own.");
    blame(context, {waiter},
          "waits on a " + word_for(waiter) + " that only its own threads could signal", finding);
    return finding;
  }
  return std::nullopt;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks_or_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
