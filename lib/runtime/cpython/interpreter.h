#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "linux/address_space.h"
#include "runtime/cpython/question.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::cpython {

/// One thread state of an interpreter.
struct PythonThread {
  Tid tid;           ///< 0 if this version does not store it and the stack did not tell
  std::string name;  ///< threading's name of it; "" if none
  Result<std::vector<snapshot::Frame>> frames = Error{};  ///< innermost first
  snapshot::Activity activity;
  std::vector<RemoteAddr>
      held_locks;  ///< locks that its frames are inside a `with` of, where that can be told
};

/// A native thread of the process, as the collection knows it, to match thread states without a
/// native id.
struct NativeThread {
  Tid tid;
  int ns_tid = 0;  ///< its id in the target's own PID namespace: what CPython stores
  RemoteAddr sp;   ///< 0 if unknown
};

/// Stacks: frames and names, not what the threads do or which objects there are.
enum class Extent { All, Stacks };

/// Addresses of _PyRuntime in other processes: a forked one has it at the same place.
using KnownRuntimes = std::set<std::uint64_t>;

/// What CPython code of a process may do next.
struct CodeEffects {
  std::vector<std::pair<Tid, Result<snapshot::Effects>>> threads;
  /// Those of the threads above that only ask, see Polling.
  std::vector<std::pair<Tid, Polling>> polling;
  /// Of the signals that Python handles; others may have handlers in C.
  Result<std::vector<snapshot::Handler>> handlers = Error{};
};

/// A CPython interpreter in a target, read from outside without stopping it.
class Interpreter {
 public:
  /// Finds the runtime of CPython 3.8 to 3.15 in a process and validates its layout.
  /// @return Unsupported: no CPython, or a version whose layout is unknown (the text says which).
  /// @param known  tried first, each checked like any other; the one found is added
  static Result<Interpreter> find(const linux::AddressSpace& space, KnownRuntimes& known);
  Interpreter(Interpreter&&) noexcept;
  ~Interpreter();

  const std::string& version() const;  ///< "3.11.7"

  /// All threads with their stacks, names and activities; bounded and safe on torn or hostile
  /// memory.
  Result<std::vector<PythonThread>> read_threads(std::span<const NativeThread> threads,
                                                 Extent extent = Extent::All);

  /// How many threads of the main interpreter have ended; a fork ends all but one in the copy.
  /// Nothing where the version does not tell (3.10 and older), or not all could be read. Call after
  /// read_threads().
  std::optional<std::uint32_t> ended_threads() const;

  /// Objects that matter for a diagnosis, reached from the frames: see objects.md. Call after
  /// read_threads().
  std::vector<snapshot::RuntimeObject> read_objects();

  /// What code does next, read and not run: of the threads that can go on by themselves, and of
  /// the signal handlers that the program installed in Python. See CodeReader for what is followed
  /// and what is defined out. Call after read_threads().
  /// @param alive  all that go on without anybody's help: as each may change what the others call,
  /// one that is not known leaves all unknown
  /// @param others  are read as well, but are not expected to go on: one that does reaches all of
  /// the process itself
  /// @param main_futex  what the main thread waits for; 0: nothing of that kind
  /// A thread that is none of Python's gets no entry.
  CodeEffects read_effects(std::span<const Tid> alive, std::span<const Tid> others = {},
                           RemoteAddr main_futex = {});

  /// Whether the thread may come back to the call in which it is, as one of the innermost functions
  /// of the program has it in a loop; false where that is not known. Call after read_threads().
  bool comes_back(Tid tid);

  /// If the futex belongs to a Python object (threading.Lock, RLock, the GIL, a SemLock, the
  /// parking lot, a thread join): refines `lock` with kind, name, owner and evidence. @return
  /// whether it did.
  bool refine_lock(const snapshot::TaskRef& waiter, RemoteAddr futex, snapshot::Lock& lock);

 private:
  struct Impl;
  explicit Interpreter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ipcdoctor::runtime::cpython
