#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::Ownership;

Answer run(const Context& context);

}  // namespace

extern const Probe kDeadLockOwner{
    "IPC203", "dead-lock-owner",
    "The owner of a lock or semaphore exited or was killed without releasing it", run};

namespace {

struct Orphan {
  Strength strength = Strength::None;
  TaskRef owner;  ///< tid 0: unknown; pid: of the process that lost a thread, or the same number
  std::string because;
  std::string source;
};

std::string mem_of(const Context& context, const Member& waiter) {
  return diagnosis::proc_path(context.snapshot, waiter.task.pid, "mem");
}

/// Everybody who waits in the set for the same semaphore.
std::size_t waiters_of(const Context& context, const Members& members, const Member& one) {
  const Wait& wanted = *wait_of(one);
  Members waiters;
  std::ranges::copy_if(members, std::back_inserter(waiters), [&](const Member& m) {
    const Wait* wait = wait_of(m);
    if (wait == nullptr || wait->kind != wanted.kind) return false;
    if (wait->kind == WaitKind::SysvSem) return wait->sysv.id == wanted.sysv.id;
    if (wait->futex.shared_memory) return wait->futex.page == wanted.futex.page;
    return m.process->mm_group == one.process->mm_group &&
           wait->futex.address == wanted.futex.address;
  });
  return count_of(context, waiters);
}

/// The owner word names a thread that is gone.
Orphan by_owner_word(const Context& context, const Member& waiter) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  if (futex.lock.ownership != Ownership::Dead) return {};
  const int tid = static_cast<int>(futex.lock.dead_owner);
  // A private lock of a forked copy most likely came locked over the fork, whatever became of the
  // parent's thread.
  const bool is_private = !futex.shared_memory;
  return {is_private && waiter.process->forked_copy ? Strength::Possible : Strength::Read,
          {is_private ? waiter.task.pid : Pid{tid}, Tid{tid}},
          futex.lock.evidence,
          mem_of(context, waiter)};
}

bool is_inside_primitive(const snapshot::Activity& activity) {
  using snapshot::Resource;
  return activity.object.kind == Resource::Condition || activity.object.kind == Resource::Event ||
         activity.object.kind == Resource::Barrier;
}

/// A library's lock between processes has no owner word: each process counts what it took. Nobody
/// alive counts this one.
Orphan by_counts(const Context& context, const Members& members, const Member& waiter,
                 bool somebody_died) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  if (futex.lock.kind != LockKind::SharedSemaphore || is_inside_primitive(waiter.thread->activity))
    return {};
  if (!holders_of(context, waiter).empty() || futex.lock.numbers.get_or(LockNumber::Value, 0) != 0)
    return {};
  const bool is_slots = waiter.thread->activity.object.kind == snapshot::Resource::Semaphore;
  if (is_mutex_like(futex.lock))
    return {somebody_died ? Strength::Read : Strength::Likely,
            {},
            "its value is 0 and no living process has acquired it",
            mem_of(context, waiter)};
  // Slots are taken by siblings of the waiter; what its own children should release is a signal.
  const bool has_children = std::ranges::any_of(
      members, [&](const Member& m) { return m.process->ppid == waiter.task.pid; });
  const bool sibling_died =
      gone_children(context, members, waiter.process->ppid) > 0 || (somebody_died && !has_children);
  if (is_slots && sibling_died)
    return {Strength::Likely,
            {},
            "all its slots are taken and no living process has one",
            mem_of(context, waiter)};
  return {};
}

/// sem_t has no owner. A named one outlives its processes; one that several wait for, and nobody
/// for another, is a lock.
Orphan by_stale_semaphore(const Context& context, const Members& members, const Member& waiter,
                          bool somebody_died) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  if (futex.lock.kind != LockKind::Semaphore || !futex.shared_memory) return {};
  const snapshot::SharedArea* area = snapshot::find_area(context.snapshot, futex.page);
  const bool is_named = area != nullptr && area->path.find("/sem.") != std::string::npos;
  const bool all_wait_for_it = std::ranges::all_of(members, [&](const Member& m) {
    return !waits_for_semaphore(m) ||
           (waits_in(m, WaitKind::Futex) && wait_of(m)->futex.page == futex.page);
  });
  if (!all_wait_for_it) return {};
  const bool several = waiters_of(context, members, waiter) > 1;
  if (!is_named && !somebody_died && !several) return {};
  std::string because = "the semaphore is 0 and everybody who could post it waits";
  if (is_named) because += "; " + area->path + " outlives the processes that use it";
  return {is_named || somebody_died ? Strength::Likely : Strength::Guess,
          {},
          because,
          mem_of(context, waiter)};
}

/// System V remembers the last process that operated on each semaphore.
Orphan by_last_operator(const Context& context, const Member& waiter) {
  const Wait& wait = *wait_of(waiter);
  if (wait.kind != WaitKind::SysvSem) return {};
  const auto set = std::ranges::find_if(context.snapshot.sysv, [&](const snapshot::SysvObject& o) {
    return o.type == "sem" && o.id == wait.sysv.id;
  });
  if (set == context.snapshot.sysv.end()) return {};
  for (const auto& [index, op] : wait.sysv.ops) {
    const std::size_t i = static_cast<std::size_t>(index);
    if (op >= 0 || index < 0 || i >= set->last_pids.size() || set->last_pids[i].value == 0)
      continue;
    const Pid last = set->last_pids[i];
    const Process* process = snapshot::find_process(context.snapshot, last);
    if (process != nullptr && !process->dead && !process->exited) continue;
    return {Strength::Read,
            {last, Tid{last.value}},
            "the last to operate on it was " + std::to_string(last.value) + ", which is gone",
            "semctl(" + std::to_string(wait.sysv.id) + ", " + std::to_string(index) + ", GETPID)"};
  }
  return {};
}

/// A manager's server thread takes the lock in the name of a client; when that client dies, nothing
/// releases it.
Orphan by_manager(const Context& context, const Member& waiter, bool somebody_died) {
  const snapshot::Activity& activity = waiter.thread->activity;
  const bool takes_lock = waits_for_lock(waiter) ||
                          activity.operation == snapshot::Operation::Acquire ||
                          activity.object.kind == snapshot::Resource::Semaphore;
  if (!takes_lock || !waits_in(waiter, WaitKind::Futex)) return {};
  if (!serves_a_client(*waiter.thread)) return {};
  if (!holders_of(context, waiter).empty()) return {};
  return {somebody_died ? Strength::Likely : Strength::Consequence,
          {},
          "the manager's thread waits for it in the name of a client, and no client that is left "
          "has acquired it",
          diagnosis::proc_path(context.snapshot, waiter.task.pid, "mem")};
}

/// A lock of threads without an owner word: nobody alive is inside it, and threads of the process
/// have ended.
Orphan by_ended_thread(const Context& context, const Member& waiter) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  const std::int64_t ended = waiter.process->interpreter.ended_threads;
  if (futex.lock.kind != LockKind::UnownedLock || futex.lock.ownership != Ownership::NotStored ||
      ended <= 0 || waiter.process->forked_copy || !waits_for_own_lock(waiter) ||
      !holders_of(context, waiter).empty())
    return {};
  return {
      Strength::Possible,
      {},
      "it is locked, no living thread is seen inside it, and " + std::to_string(ended) +
          (ended == 1 ? " thread of its process has ended" : " threads of its process have ended"),
      mem_of(context, waiter)};
}

/// A rwlock counts its readers and does not know them: where all that have it wait for it, and none
/// of them can be the reader alone, one that read has died.
Orphan by_lost_reader(const Context& context, const Members& members, const Member& waiter,
                      bool somebody_died) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  if (futex.lock.kind != LockKind::RwlockWrite || !futex.shared_memory ||
      futex.lock.numbers.get_or(LockNumber::Readers, 0) <= 0 ||
      !holders_of(context, waiter).empty())
    return {};
  const auto waits_elsewhere = [&](const Member& m) {
    return m.task != waiter.task && !waits_for_end(m) &&
           !(waits_in(m, WaitKind::Futex) && wait_of(m)->futex.page == futex.page);
  };
  if (std::ranges::any_of(members, waits_elsewhere)) return {};
  return {somebody_died ? Strength::Read : Strength::Likely,
          {},
          "it is held for reading, and everybody who has it waits for it",
          mem_of(context, waiter)};
}

Orphan orphan_of(const Context& context, const Members& members, const Member& waiter,
                 bool somebody_died) {
  const Wait* wait = wait_of(waiter);
  if (wait == nullptr) return {};
  if (wait->kind == WaitKind::SysvSem) return by_last_operator(context, waiter);
  if (wait->kind != WaitKind::Futex) return {};
  std::vector<Orphan> found = {by_owner_word(context, waiter),
                               by_counts(context, members, waiter, somebody_died),
                               by_stale_semaphore(context, members, waiter, somebody_died),
                               by_ended_thread(context, waiter),
                               by_lost_reader(context, members, waiter, somebody_died),
                               by_manager(context, waiter, somebody_died)};
  return *std::ranges::max_element(found, {}, &Orphan::strength);
}

Situation situation_of(const Member& waiter) {
  const Wait& wait = *wait_of(waiter);
  if (wait.kind == WaitKind::SysvSem) return Situation{"a semaphore of System V"};
  switch (wait.futex.lock.kind) {
    case LockKind::UnownedLock:
      return serves_a_client(*waiter.thread) ? Situation{} : Situation{"a lock of threads"};
    case LockKind::RwlockWrite:
    case LockKind::RwlockRead:
      return Situation{"a rwlock"};
    case LockKind::SharedSemaphore:
    case LockKind::Semaphore:
      return Situation{"a semaphore"};
    default:
      return {};
  }
}

Finding describe_orphan(const Context& context, int set, const Members& members,
                        const Member& waiter, const Orphan& orphan,
                        const std::vector<DeadProcess>& dead) {
  Finding finding = diagnosis::start_finding(context, kDeadLockOwner, set);
  const std::string what = lock_name(context, waiter);
  const std::size_t waiters = waiters_of(context, members, waiter);
  const bool is_private =
      waits_in(waiter, WaitKind::Futex) && !wait_of(waiter)->futex.shared_memory;
  const std::string who =
      snapshot::label(context.snapshot, waiter.task) +
      (waiters > 1 ? " and " + std::to_string(waiters - 1) + " more wait" : " waits");
  const std::string owner =
      orphan.owner.tid.value != 0 ? std::to_string(orphan.owner.tid.value) : "whoever took it";
  finding.strength = orphan.strength;
  add_wakes(finding, {waiter});
  finding.title = who + " for " + what + ": " + owner + " is dead and did not release it";
  finding.explanation =
      who + " for " + what + place_in_brackets(*waiter.thread) + ". " + orphan.because +
      (is_private ? ". A lock is not released when the thread that took it ends."
                  : ". A lock in shared memory is not released by the kernel when its owner dies.");
  finding.fix = what_to_do(context.snapshot, kDeadLockOwner, waiter.task, {situation_of(waiter)},
                           {{"the lock", what}, {"ID", std::to_string(wait_of(waiter)->sysv.id)}});
  finding.evidence.push_back({orphan.because, orphan.source});
  if (orphan.owner.tid.value != 0) {
    diagnosis::Culprit gone = dead_culprit({}, "held " + what + " when it ended");
    gone.task = orphan.owner;
    finding.culprits.push_back(std::move(gone));
  } else {
    for (const DeadProcess& one : dead)
      if (one.pid.value != 0 && finding.culprits.size() < 4)
        finding.culprits.push_back(dead_culprit(
            one, "perhaps held " + what + " when it ended: " + describe(context.snapshot, one)));
  }
  return finding;
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const std::vector<DeadProcess> dead = most_suspect(dead_children(context, members));
  const Member* waiter = nullptr;
  Orphan best;
  for (const Member& member : members) {
    Orphan orphan = orphan_of(context, members, member, !dead.empty());
    if (orphan.strength <= best.strength) continue;
    waiter = &member;
    best = std::move(orphan);
  }
  if (waiter == nullptr) return std::nullopt;
  return describe_orphan(context, set, members, *waiter, best, dead);
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks);
}

}  // namespace
}  // namespace ipcdoctor::probes
