#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::Ownership;

Answer run(const Context& context);

}  // namespace

extern const Probe kLockHeldAcrossFork{
    "IPC201", "lock-held-across-fork",
    "A forked child waits for a lock that another thread held at the fork", run};

namespace {

/// What makes us think that the lock came locked out of a fork.
struct Inherited {
  Strength strength = Strength::None;
  const Process* parent = nullptr;  ///< nullptr: gone
  TaskRef holder;                   ///< the parent's thread that held it, if known
  std::string because;
};

const Process* living_parent(const Context& context, const Process& child) {
  const Process* parent = snapshot::find_process(context.snapshot, child.ppid);
  return parent == nullptr || parent->dead || parent->exited ? nullptr : parent;
}

/// In a private mm only its own threads can release a lock. With one thread that is the waiter
/// itself.
bool nobody_here_holds_it(const Context& context, const Member& waiter) {
  const std::vector<LockHolder> holders = holders_of(context, waiter);
  return std::ranges::none_of(holders,
                              [&](const LockHolder& h) { return h.task.pid == waiter.task.pid; });
}

Inherited by_parents_thread(const Context& context, const Member& waiter, const Process& parent) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  for (const LockHolder& holder : holders_in(parent, futex.lock.address, futex.address))
    return {Strength::Read, &parent, holder.task,
            snapshot::label(context.snapshot, holder.task) +
                " held it at the fork: " + holder.evidence};
  return {};
}

Inherited inherited_lock(const Context& context, const Member& waiter) {
  const Wait* wait = wait_of(waiter);
  if (wait == nullptr || wait->kind != WaitKind::Futex || wait->futex.shared_memory) return {};
  const Lock& lock = wait->futex.lock;
  const Process* parent = living_parent(context, *waiter.process);
  if (lock.ownership == Ownership::LeftInParent) {
    const TaskRef owner = lock.owners.empty() ? TaskRef{} : lock.owners.front();
    const Process* owner_process = snapshot::find_process(context.snapshot, owner.pid);
    return {Strength::Read, owner_process != nullptr ? owner_process : parent, owner,
            lock.evidence};
  }
  if (waiter.process->forked_copy && lock.ownership == Ownership::Dead && parent != nullptr)
    return {Strength::Read, parent, {}, lock.evidence + "; no such thread in the child"};
  if (!waiter.process->forked_copy || lock.ownership == Ownership::Known) return {};
  const bool may_be_lock = is_mutex_like(lock) || lock.kind == LockKind::Unknown;
  if (!may_be_lock || waits_in_library_queue(waiter)) return {};
  if (parent != nullptr)
    if (Inherited found = by_parents_thread(context, waiter, *parent);
        found.strength > Strength::None)
      return found;
  if (waiter.process->threads.size() != 1 || !nobody_here_holds_it(context, waiter)) return {};
  const Strength strength = lock.kind == LockKind::Unknown ? Strength::Possible : Strength::Read;
  return {strength,
          parent,
          {},
          "the only thread of a forked process waits for a lock of its private memory: no thread "
          "that could release it exists there"};
}

void add_culprits(const Context& context, const Member& child, const Inherited& inherited,
                  const std::string& what, Finding& finding) {
  if (inherited.parent != nullptr) {
    const bool knows_thread =
        inherited.holder.tid.value != 0 && inherited.holder.pid == inherited.parent->pid;
    const TaskRef task = knows_thread
                             ? inherited.holder
                             : TaskRef{inherited.parent->pid, Tid{inherited.parent->pid.value}};
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, task, -1,
                           "forked " + snapshot::number_of(context.snapshot, child.task.pid) +
                               " while a thread held " + what));
  }
  finding.culprits.push_back(diagnosis::culprit(
      context.snapshot, child.task, -1,
      "takes " + what + " after the fork: its copy was locked at birth and has no owner here"));
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Member* child = nullptr;
  Inherited best;
  std::vector<const Member*> others;
  for (const Member& member : members) {
    Inherited found = inherited_lock(context, member);
    if (found.strength == Strength::None) continue;
    if (found.strength > best.strength) {
      if (child != nullptr) others.push_back(child);
      child = &member;
      best = std::move(found);
    } else {
      others.push_back(&member);
    }
  }
  if (child == nullptr) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kLockHeldAcrossFork, set);
  const std::string what = lock_name(context, *child);
  const std::string who = snapshot::label(context.snapshot, child->task);
  finding.strength = best.strength;
  Members children = {*child};
  for (const Member* other : others) children.push_back(*other);
  add_wakes(finding, children);
  finding.title = who + " waits for " + what + ", which was locked when it was forked and stays so";
  finding.explanation =
      "fork() copies the memory with every lock in it, but only the thread that calls it. A lock "
      "that another "
      "thread held at that moment is locked in the child for ever. " +
      who + place_in_brackets(*child->thread) + " waits for its own copy of " + what + ".";
  const bool known = best.holder.tid.value != 0 || best.strength == Strength::Read;
  finding.fix = what_to_do(context.snapshot, kLockHeldAcrossFork, child->task,
                           {known ? Situation{"the lock is known"} : Situation{}},
                           {{"the lock", what}, {"place", place(*child)}});
  add_culprits(context, *child, best, what, finding);
  for (const Member* other : others)
    if (!std::ranges::any_of(finding.culprits,
                             [&](const auto& c) { return c.task.pid == other->task.pid; }))
      finding.culprits.push_back(diagnosis::culprit(
          context.snapshot, other->task, -1, "takes a lock that was locked when it was forked"));
  if (!best.because.empty())
    finding.evidence.push_back(
        {best.because, diagnosis::proc_path(context.snapshot, child->task.pid, "mem")});
  return finding;
}

/// Without the kind of the lock or the relation to the parent nothing can be said.
std::vector<Error> blind(const Members& members) {
  std::vector<Error> missing;
  for (const Error& error : unknown_locks(members)) missing.push_back(error);
  return missing;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, blind);
}

}  // namespace
}  // namespace ipcdoctor::probes
