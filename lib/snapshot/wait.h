#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "snapshot/object.h"

/// What a thread waits for.
namespace ipcdoctor::snapshot {

struct TaskRef {
  Pid pid;
  Tid tid;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
};

enum class WaitKind {
  Running,   ///< on a CPU or runnable
  Read,      ///< data or EOF on objects[0]
  Write,     ///< room on objects[0]
  Poll,      ///< any of objects (poll, select and their kin); none and untimed: signals only
  Epoll,     ///< an event on objects[0], an Epoll
  OpenFifo,  ///< the other side of a FIFO (objects[0])
  Accept,    ///< a connection on objects[0]
  Connect,   ///< room in the backlog of objects[0] (its Socket::listener), or a remote host
  Futex,     ///< futex
  Child,     ///< children
  Vfork,     ///< children[0] to exec or exit
  FileLock,  ///< file_lock
  SysvSem,
  SysvSend,
  SysvReceive,  ///< sysv
  MqSend,
  MqReceive,      ///< objects[0]
  Sleep,          ///< nothing but time
  Signal,         ///< pause, sigsuspend, sigwait, sigtimedwait
  Stopped,        ///< state T, or its cgroup is frozen
  Traced,         ///< state t, or stopped by its tracer: waits for Process::tracer
  KernelService,  ///< FUSE, fanotify, userfaultfd, seccomp-notify: the holders of objects[0], a
                  ///< Fuse, Fanotify ... file
  Close,          ///< close() lingers until the peer of objects[0] has read
  IoUring,        ///< completions of objects[0]
  Exiting,        ///< on its way out of a PID namespace or process; children are what it waits for
  Terminal,       ///< output stopped (XOFF) or a terminal's other side: objects[0]
  Unknown,  ///< blocked in a call that nobody here understands, or uninterruptible for its own
            ///< reasons
};

/// One object of a wait. in: waits for data, EOF, a connection, an event. out: for room.
struct Awaited {
  int fd = -1;
  ObjectId object;
  bool in = false;
  bool out = false;
};

enum class LockKind {
  Unknown,
  Mutex,
  RecursiveMutex,
  ErrorcheckMutex,
  RobustMutex,
  PiMutex,
  RwlockRead,
  RwlockWrite,
  Condition,
  Semaphore,
  Barrier,
  ThreadJoin,
  Once,
  FileStream,
  Arena,
  LibcInternal,
  Latch,        ///< or a barrier of a language
  Future,       ///< a value that another thread gives once
  Slots,        ///< a counting semaphore of a language
  SharedValue,  ///< of its memory, until another thread changes it
  // Of languages:
  UnownedLock,      ///< no owner is stored: whoever can reach it may release it
  ReentrantLock,    ///< has an owner, who may take it again
  InterpreterLock,  ///< to run its code at all
  SharedSemaphore,  ///< between processes, of a library that makes its locks of it too
  ImportLock,       ///< to load a module
  Parked,           ///< a thread that waits for another's word in a lock of the runtime
};

/// A mutex in all but name: who waits for it wants what somebody else has.
bool has_owner(LockKind kind);

/// The end of a thread.
constexpr bool is_join(LockKind kind) {
  return kind == LockKind::ThreadJoin;
}

enum class Ownership {
  NotStored,     ///< this kind of lock has no owner: anyone who can reach it may release it
  Unreadable,    ///< it has one, but it could not be read or did not pass its type check
  Known,         ///< owners: live threads
  Dead,          ///< the stored owner has exited and nothing will release the lock; in shared
                 ///< memory `checked` says too that no PID namespace but the waiter's matters
  LeftInParent,  ///< a private copy over fork: the owner is a thread of the parent (owners, if it
                 ///< still lives), which cannot release this copy
};

/// What a futex is, as lib/runtime worked it out.
struct Lock {
  LockKind kind = LockKind::Unknown;
  std::string
      name;  ///< "mutex `log_mutex` in app", "threading.Lock `cache_lock`"; "" if none is known
  RemoteAddr address;  ///< of the whole object in the waiter's memory; equal objects of a private
                       ///< mm have equal addresses
  Ownership ownership = Ownership::NotStored;
  std::vector<TaskRef> owners;  ///< more than one: rwlock readers, counting semaphores
  bool checked = false;  ///< the type was verified and only an owner may release it: owners replace
                         ///< all other wakers under `proved`
  std::vector<TaskRef> likely_owners;  ///< by stacks, by SemLock counts: only good for `assuming`
  std::int64_t dead_owner = 0;         ///< the TID that died, if Ownership::Dead and known
  std::int64_t unseen_owner = 0;       ///< the TID that is stored, if Ownership::Unreadable because
                                  ///< nobody can tell whether it lives; 0: the reason is another
  Facts<LockNumber, std::int64_t> numbers;
  std::string evidence;  ///< "owner word 4711 at 0x7f.. (glibc 2.36 mutex, kind 0)"
};

/// Shared memory page of a futex; dev and ino of the mapping (anonymous shared memory has an inode
/// too).
struct PageId {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  std::uint64_t offset = 0;  ///< of the word itself, in bytes
  friend auto operator<=>(const PageId&, const PageId&) = default;
};

struct FutexWait {
  RemoteAddr address;
  bool shared_memory = false;  ///< by the mapping, not by the op's flag
  PageId page;                 ///< shared_memory only
  std::uint32_t expected = 0;  ///< the val argument
  Result<std::uint32_t> word = Error{};
  Lock lock;
};

struct FileLockWait {
  int fd = -1;
  ObjectId file;
  std::string type;  ///< "flock", "posix", "ofd"
  bool exclusive = false;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};
  bool relative =
      false;  ///< to the position or the end of the file, as lockf(3); start and end are not known
};

struct SysvWait {
  int id = -1;
  std::vector<std::pair<int, int>> ops;  ///< (semaphore number, sem_op)
};

/// What a blocked call waits for. untimed = no finite timeout and no SO_*TIMEO may end it.
struct Wait {
  WaitKind kind = WaitKind::Unknown;
  std::string call;  ///< "read", "futex", "wait4"; "page fault"
  bool untimed = false;
  /// No call waits for it: the thread asks for it again and again, as its code was read, and goes
  /// on when the answer is another. `call` is what it spends the time in, as between two questions.
  bool asked = false;
  std::vector<Awaited> objects;
  std::vector<Pid> children;  ///< Child, Vfork, Exiting: those that satisfy it
  bool any_child = false;  ///< Child: one that is yet to be forked would satisfy it too (pid -1, a
                           ///< process group)
  FutexWait futex;
  FileLockWait file_lock;
  SysvWait sysv;
  std::uint64_t signals = 0;  ///< Signal: bit N-1 = signal N, of those that it takes where they are
                              ///< blocked (sigwait and its kin); 0: none, it awaits handlers
  Result<std::uint64_t> sleep_ms =
      Error{};  ///< Sleep, and Poll of nothing: for how long at most, where it was read
  bool sleep_from_now = false;  ///< sleep_ms counts from this look, not from the begin of the sleep
  bool fifo_was_used = false;   ///< OpenFifo: somebody has written into it since it was made
  bool comes_back = false;      ///< OpenFifo: in a loop that opens it again, as its code was read.
                                ///< Child, Read of a FIFO: of a script that is in a loop here
  /// Read of one byte of a pipe: the caller's process has not read a byte of anything since it was
  /// forked.
  bool is_first = false;
  bool frozen = false;     ///< Stopped: with its cgroup, and not by a signal
  std::uint64_t size = 0;  ///< byte count argument of a read or write
  std::string detail;      ///< for a person: "fd 4", "path /tmp/f"
  std::string wchan;       ///< the kernel's function, where read
};

/// Whether a wait that polls is a wait for something; who just sleeps between looks does not say
/// for what.
inline bool has_condition(const Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Running:
    case WaitKind::Sleep:
    case WaitKind::Unknown:
      return false;
    case WaitKind::Poll:
      return !wait.objects.empty();
    default:
      return true;
  }
}

}  // namespace ipcdoctor::snapshot
