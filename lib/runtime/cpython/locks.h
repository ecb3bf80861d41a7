#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/reach.h"
#include "runtime/cpython/runtime_finder.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// An object whose waiters sleep on a futex of its own.
struct LockObject {
  Object object = 0;
  std::string_view type;    ///< threading.Lock, threading.RLock, multiprocessing.SemLock,
                            ///< io.Buffered, queue.SimpleQueue
  std::uint64_t futex = 0;  ///< the word in the target's memory, or the address a waiter parks for
  std::uint64_t owner =
      0;  ///< ident of the owner, where the type stores one and it is held now; else 0
};

/// Whether a threading.Lock or RLock is a PyMutex right behind its header, as from 3.14 on and the
/// Lock already in later releases of 3.13; before, a pointer to a semaphore is there. Measured by
/// tp_basicsize on 3.13.0 (40) and 3.13.5 (24).
bool is_mutex(const Objects& objects, Object lock);

/// Whether a threading.Lock is taken.
std::optional<bool> is_locked(const Objects& objects, Object lock);

/// The futex of a threading.Lock or RLock, or the address that its waiters park for.
std::uint64_t futex_of(const Objects& objects, Object lock);

/// Reads an object as a lock; `futex` 0 = it is none, or it has not been allocated.
LockObject read_lock(const Objects& objects, const Types& types, Object object);

/// The locks that enclosing `with` statements of these frames hold: an entered statement keeps its
/// lock's bound __exit__ on the value stack below the depth that its handler unwinds to. Condition
/// objects and multiprocessing locks are followed to the lock inside.
std::vector<LockObject> read_held_locks(const std::vector<PyFrame>& frames, const Frames& reader,
                                        const Objects& objects, const Types& types);

/// The semaphores of multiprocessing that these frames have taken by acquire() and give back by
/// release(), and that their process has taken more often than it has given them back.
std::vector<LockObject> read_acquired_semaphores(const std::vector<PyFrame>& frames,
                                                 const Frames& reader, const Objects& objects,
                                                 const Types& types, const Runtime& runtime);

/// The lock of that futex word among what the frames refer to: locals and value stacks. object 0 =
/// not there.
LockObject find_lock_in_frames(const std::vector<PyFrame>& frames, std::uint64_t futex,
                               const Frames& reader, const Objects& objects, const Types& types);

}  // namespace ipcdoctor::runtime::cpython
