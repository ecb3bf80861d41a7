#pragma once

#include <string>
#include <vector>

#include "probes/internal/set_members.h"

/// Who holds what a task waits for, as far as the snapshot tells.
namespace ipcdoctor::probes {

/// Somebody takes it and the same one releases it: mutexes, rwlocks, threading.Lock, the GIL, the
/// locks inside libc. False for what one signals and another awaits: conditions, barriers, joins,
/// latches.
bool is_mutex_like(const snapshot::Lock& lock);

/// A futex wait for something mutex-like, or a file lock. Semaphores that were not made as a lock
/// are not.
bool waits_for_lock(const Member& member);

/// The same without the locks inside a library's own queues: an idle worker that queues behind
/// another idle worker.
bool waits_for_own_lock(const Member& member);

/// Inside a library's queue, pool, executor, event or condition: its locks are not the user's.
bool waits_in_library_queue(const Member& member);

/// A counting semaphore: sem_t, a multiprocessing.Semaphore, one of System V.
bool waits_for_semaphore(const Member& member);

/// Waits for a thread or process to end, and for nothing else.
bool waits_for_end(const Member& member);

/// The thread's blocked call is a library's way to be idle: a pool's worker that waits for work, a
/// feeder without items.
bool is_idle_helper(const Thread& thread);

/// A side thread in no call of a language that waits on a condition of native code, as the workers
/// of a library's pool do for work.
bool is_native_worker(const Member& member);

/// Whether the thread might bring what others wait for: one of which the code was read, and that
/// only beats or asks, does not.
bool may_bring(const Thread& thread);

/// A thread of a manager of multiprocessing that acts in the name of a client.
bool serves_a_client(const Thread& thread);

struct LockHolder {
  TaskRef task;       ///< tid 0: the process as a whole
  bool sure = false;  ///< by the owner word or the kernel, not by stacks or counts
  std::string evidence;
};

/// Who can release what `waiter` waits for, the living only: the owner word, /proc/locks, enclosing
/// `with` statements of the same memory, counts of multiprocessing semaphores. Empty: nobody is
/// known to hold it.
std::vector<LockHolder> holders_of(const Context& context, const Member& waiter);

/// Threads of other processes that hold the lock of the same address: what a forked child inherited
/// locked.
std::vector<LockHolder> holders_in(const snapshot::Process& other, RemoteAddr lock,
                                   RemoteAddr futex);

/// "threading.Lock `cache_lock`", "POSIX lock on /tmp/f".
std::string lock_name(const Context& context, const Member& waiter);

/// The same lock by the name that `holder`'s process has for it: one's `b` may be another's `a`.
std::string lock_name_in(const Context& context, const snapshot::Process& holder,
                         const Member& waiter);

}  // namespace ipcdoctor::probes
