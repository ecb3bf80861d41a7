#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/cpython/activity.h"
#include "runtime/cpython/describe.h"
#include "runtime/cpython/frames.h"
#include "runtime/cpython/interpreter.h"
#include "runtime/cpython/locks.h"
#include "runtime/cpython/objects.h"
#include "runtime/cpython/reach.h"
#include "runtime/cpython/runtime_finder.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// A thread state and what was read of it.
struct ThreadState {
  std::uint64_t address = 0;
  std::uint64_t ident = 0;      ///< pthread_self
  Tid tid;                      ///< 0 = not found among the native threads
  std::vector<PyFrame> frames;  ///< innermost first; only those that this process entered itself
                                ///< count for activities
  bool awaits = false;          ///< they begin with those of coroutines that its event loop awaits
  bool awaits_task = false;     ///< and the main one awaits another task
  Doing doing;
  std::vector<LockObject> held;
};

struct Interpreter::Impl {
  Impl(const linux::AddressSpace& target, Runtime found);

  Result<std::vector<PythonThread>> read_threads(std::span<const NativeThread> native,
                                                 Extent extent);
  std::optional<std::uint32_t> ended_threads() const;
  std::vector<snapshot::RuntimeObject> read_objects();
  bool refine_lock(const snapshot::TaskRef& waiter, RemoteAddr futex, snapshot::Lock& lock);

  bool comes_back(Tid tid);
  CodeEffects read_effects(std::span<const Tid> alive, std::span<const Tid> others,
                           RemoteAddr main_futex);

  void read_states(std::span<const NativeThread> native);
  ThreadState read_state(std::uint64_t address, std::span<const NativeThread> native,
                         std::size_t& budget);
  void reach_objects();
  bool is_copy(const Reached& r) const;
  void index_locks();

  // activities
  snapshot::Activity describe_activity(ThreadState& state) const;
  void complete_activity(const ThreadState& state, Doing& doing) const;
  void add_details(const ThreadState& state, const Doing& doing,
                   snapshot::RuntimeObject& object) const;
  Object local_of(const ThreadState& state, std::string_view function, std::string_view name) const;
  Object object_with_thread(std::string_view type,
                            std::initializer_list<std::string_view> attributes,
                            const ThreadState& state) const;
  bool runs_future(const Reached& executor, Object future) const;
  bool is_asked_of_loop(Object future) const;
  Object queue_of_feeder(Object thread) const;
  std::optional<std::uint64_t> futex_of(Tid tid) const;

  // locks
  const ThreadState* state_of(Tid tid) const;
  std::uint64_t parked_address(const ThreadState& state, std::uint64_t futex) const;
  LockObject lock_of(const ThreadState* state, std::uint64_t futex) const;
  bool identify(const snapshot::TaskRef& waiter, std::uint64_t futex, snapshot::Lock& lock) const;
  bool refine_gil(const snapshot::TaskRef& waiter, std::uint64_t futex, snapshot::Lock& lock) const;
  bool refine_import(const ThreadState& state, Pid pid, snapshot::Lock& lock) const;
  bool refine_join(const ThreadState& state, Pid pid, const LockObject& found, std::uint64_t futex,
                   snapshot::Lock& lock) const;
  bool refine_parked(const ThreadState& state, Pid pid, std::uint64_t futex,
                     snapshot::Lock& lock) const;
  /// "RLock", "Lock" or "Semaphore": which of multiprocessing's classes a SemLock is of.
  std::string sem_lock_class(Object sem_lock) const;
  void refine_sem_lock(const LockObject& found, snapshot::Lock& lock) const;
  void set_owner(std::uint64_t ident, Pid pid, snapshot::Lock& lock) const;
  Object thread_with_lock(Object tstate_lock) const;

  const linux::AddressSpace& space;
  Runtime runtime;
  int ns_pid = 0;  ///< its number in its own PID namespace, 0 = not known
  Remote remote;
  Objects objects;
  Frames frames;
  Types types;
  Reach reach;
  Object modules = 0;
  std::vector<ThreadState> states;
  std::size_t main_states = 0;  ///< how many of them, the first, are the main interpreter's
  std::unordered_map<std::uint64_t, Tid> tids;  ///< by ident
  bool tids_complete = false;                   ///< every thread state of the process is in it
  std::unordered_map<std::uint64_t, LockObject> locks;  ///< by futex word
};

}  // namespace ipcdoctor::runtime::cpython
