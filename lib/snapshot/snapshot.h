#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "snapshot/effects.h"

/// What was learned about a set of processes at one instant, and what was not. Plain data: no
/// rules, no I/O. Everything after lib/collect works on this alone, also on a saved file elsewhere.
/// Every string that came from a target was made safe by escape_untrusted() when it was collected.
/// Vectors are sorted: processes by pid, threads by tid, fds by number, objects by id.
namespace ipcdoctor::snapshot {

// ------------------------------------------------------------------ kernel objects

enum class ObjectKind {
  Unknown,
  Pipe,
  Fifo,
  UnixSocket,
  InetSocket,
  OtherSocket,
  EventFd,
  Epoll,
  TimerFd,
  SignalFd,
  Inotify,
  Fanotify,
  PidFd,
  IoUring,
  UserFault,
  SeccompNotify,
  MessageQueue,
  Terminal,
  TerminalMaster,
  Fuse,
  File,
  Directory,
  Device,
  OtherAnon,
};

/// What tells two kernel objects apart.
///   Pipe, sockets       dev 0, ino = the number in pipe:[N], socket:[N]
///   Fifo, File, MessageQueue, Directory   st_dev and st_ino
///   Terminal, TerminalMaster   dev = rdev of the slave (136:N, 4:N ...) so that the two sides of a
///   pty match by dev; ino 0 EventFd             ino = eventfd-id of fdinfo PidFd               ino
///   = the pid in our namespace Device, Fuse        dev = st_rdev, ino = st_ino other anonymous
///   files (Epoll, TimerFd, IoUring, ...)   dev = pid, ino = fd of the first holder found:
///                       copies over fork share one id (kcmp KCMP_FILE, or equal fdinfo and a
///                       forked parent)
struct ObjectId {
  ObjectKind kind = ObjectKind::Unknown;
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

enum class Access { None, Read, Write, Both };

/// One descriptor of a table.
struct Fd {
  int fd = -1;
  ObjectId object;
  Access access = Access::None;
};

/// One entry of an epoll set (fdinfo tfd lines). object.kind Unknown: the watched file is not in
/// the holder's table.
struct Watched {
  int fd = -1;
  ObjectId object;
  std::uint32_t events = 0;  ///< EPOLLIN ...
};

/// The timer of a TCP socket that runs (idiag_timer of inet_diag_msg, sock_diag(7)).
enum class TcpTimer { None, Retransmit, Keepalive, TimeWait, Probe };

/// What is under way on a connection, as one end knows it (struct tcp_info, linux/tcp.h).
struct Tcp {
  TcpTimer timer = TcpTimer::None;
  std::uint32_t unacked = 0;   ///< segments that were sent and are not acknowledged
  std::uint64_t not_sent = 0;  ///< bytes that wait to be sent
  std::uint64_t bytes_acked = 0, bytes_received = 0;  ///< since the connection began
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  std::uint64_t bytes_sent = kUnknown;  ///< the same, each byte once; before Linux 4.19 not told
};

/// UNIX_DIAG and INET_DIAG. Queue lengths in bytes for data, in connections for listeners.
struct Socket {
  std::string family;  ///< "unix", "tcp", "udp", "tcp6", "udp6"
  std::string type;    ///< "stream", "dgram", "seqpacket"
  std::string state;   ///< "established", "listen", "close-wait", "fin-wait-1", "syn-sent",
                       ///< "unconnected" ...
  ObjectId peer;       ///< kind Unknown: none, remote, or not found
  ObjectId listener;   ///< for the unaccepted side: the listener whose backlog holds it
  bool peer_in_backlog = false;  ///< connected, but the other side has not been accepted: wakers
                                 ///< are the listener's holders
  bool peer_is_remote = false;   ///< another host, or a network namespace that was not looked at
  bool shut_read = false;        ///< shutdown(2) bits
  bool shut_write = false;
  bool peer_closed = false;         ///< nobody can send any more: a read returns
  std::uint64_t receive_queue = 0;  ///< listener: waiting connections
  std::uint64_t send_queue = 0;     ///< listener: limit of the backlog
  bool kernel_timer = false;        ///< a retransmit, probe or keepalive timer may end a wait
  Result<Tcp> tcp = Error{};        ///< TCP only
  std::uint64_t cookie = 0;         ///< INET_DIAG: no other socket since boot has it
  std::uint64_t net_ns = 0;         ///< INET_DIAG: of which network namespace; 0 = not known
  std::uint32_t fds_in_flight = 0;  ///< scm_fds: descriptors that sit in its receive queue
  std::string local;                ///< address or path; "" if unnamed
  std::string remote;               ///< v4 addresses that are mapped into v6 are written as v4
  // Only in a joined snapshot, see join.h; never saved.
  bool peer_is_joined = false;  ///< peer is a socket of another host, found by the addresses
  bool looked_once = false;     ///< ... one of these hosts was looked at in one round only
  std::string in_doubt;         ///< ... why bytes may arrive, though its holders are dead
  std::string out_doubt;        ///< ... the same for room
  std::string elsewhere;        ///< peer_is_remote: why it was not joined
  bool half_open = false;       ///< peer_is_remote: the peer's host has no such connection any more
};

/// A kernel object that somebody waits on or that a finding may name.
struct Object {
  ObjectId id;
  std::string name;                 ///< "pipe:[123]", "socket:[9]", a path, "127.0.0.1:80"
  Result<Socket> socket = Error{};  ///< sockets only
  Result<std::uint64_t> queued =
      Error{};  ///< bytes (pipe, FIFO), count (eventfd), messages (mq) that wait to be read
  Result<std::uint64_t> capacity = Error{};  ///< of the same unit; pipes: F_GETPIPE_SZ
  Result<bool> semaphore = Error{};          ///< EventFd only: EFD_SEMAPHORE, one at a time
  std::vector<Watched> watched;              ///< Epoll only
  bool armed = false;                        ///< TimerFd only: it will fire
  std::uint64_t signals = 0;                 ///< SignalFd only: bit N-1 = signal N; 0 if unknown
  bool has_name =
      false;  ///< a path or name lets strangers open it (linked FIFO, mq, /dev/shm file)
  bool kernel_user =
      false;  ///< the kernel itself may wake it (eventfd with KVM, AIO, io_uring; async pipe users)
  std::vector<ObjectId> in_flight;   ///< UnixSocket: what its queued SCM_RIGHTS hold, where known
  std::vector<ObjectId> registered;  ///< IoUring: fixed files
  std::uint64_t pending = 0;         ///< IoUring: operations under way
  bool copies_unknown = false;  ///< other processes have such files, and without kcmp(2) nobody
                                ///< can tell whether it is this one
};

// ------------------------------------------------------------------ what a thread waits for

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
  Latch,
  PyLock,
  PyRLock,
  PyGil,
  PySemLock,
  PyThreadJoin,
  PyImportLock,
  PyParked,
};

/// A mutex in all but name: who waits for it wants what somebody else has.
bool has_owner(LockKind kind);

enum class Ownership {
  NotStored,     ///< this kind of lock has no owner: anyone who can reach it may release it
  Unreadable,    ///< it has one, but it could not be read or did not pass its type check
  Known,         ///< owners: live threads
  Dead,          ///< the stored owner has exited and nothing will release the lock; in shared
                 ///< memory `checked` says too that no PID namespace but the waiter's matters
  LeftInParent,  ///< a private copy over fork: the owner is a thread of the parent (owners, if it
                 ///< still lives), which cannot release this copy
};

struct TaskRef {
  Pid pid;
  Tid tid;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
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
  std::map<std::string, std::int64_t>
      numbers;           ///< "value", "waiters", "parties", "arrived", "readers", "max"
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
  Result<std::uint64_t> sleep_ms =
      Error{};  ///< Sleep, and Poll of nothing: for how long at most, where it was read
  bool sleep_from_now = false;  ///< sleep_ms counts from this look, not from the begin of the sleep
  bool fifo_was_used = false;   ///< OpenFifo: somebody has written into it since it was made
  std::uint64_t size = 0;       ///< byte count argument of a read or write
  std::string detail;           ///< for a person: "fd 4", "path /tmp/f"
  std::string wchan;            ///< the kernel's function, where read
};

// ------------------------------------------------------------------ code

enum class FrameKind { Native, Inlined, Python };

struct Frame {
  FrameKind kind = FrameKind::Native;
  RemoteAddr pc;
  std::string module;        ///< file name of the ELF image; "" for Python
  std::uint64_t offset = 0;  ///< of pc in the module
  std::string function;      ///< "" if unknown
  std::string file;          ///< full path as the debug information or the interpreter has it
  int line = 0;              ///< 0 if unknown
  bool user_code = false;    ///< neither a system library nor the language's own library
  bool guessed = false;      ///< found by scanning, not by unwinding
  bool entry = false;        ///< of a language: its interpreter's loop was entered anew for it
};

/// Something of a language's library that a thread uses or a process has: a queue, a pool, an
/// executor. type and the keys of the maps are listed in runtime/cpython/objects.md.
struct RuntimeObject {
  std::string type;  ///< "multiprocessing.Queue", "multiprocessing.Pool", "threading.Barrier"
  std::string name;  ///< the variable that names it, "jobs"; "" if unknown
  RemoteAddr address;
  std::map<std::string, std::int64_t> numbers;
  std::map<std::string, std::string> texts;
  std::map<std::string, ObjectId> objects;  ///< "reader", "writer" of a Queue
};

/// What a call of a language's library is for, in one word for all languages.
enum class Operation {
  None,          ///< not recognised
  Take,          ///< an item from a queue in memory or between processes
  Put,           ///< an item into it
  Acquire,       ///< a lock that its owner releases
  Receive,       ///< data of a connection
  Send,          ///< data into it
  Accept,        ///< a connection
  Serve,         ///< a helper of the library, or a worker without work: it waits for a request
  AwaitSignal,   ///< an event, a notify, a post: anybody may give it
  AwaitResult,   ///< of something that was asked for
  AwaitEnd,      ///< of a thread, a process, a pool, of all items of a queue
  AwaitParties,  ///< at a barrier
};

/// What a thread is doing in the words of its language's library, from the frames between the
/// user's code and the kernel.
struct Activity {
  std::string call;  ///< "multiprocessing.Queue.get", "threading.Event.wait", "Pool.map"; "" if
                     ///< none was recognised
  Operation operation = Operation::None;
  RuntimeObject object;  ///< what it is called on
};

// ------------------------------------------------------------------ processes

struct SignalSets {
  std::uint64_t pending = 0, shared_pending = 0, blocked = 0, ignored = 0,
                caught = 0;  ///< bit n-1 = signal n
};
constexpr bool has_signal(std::uint64_t set, int signal) {
  return (set >> (signal - 1) & 1) != 0;
}

/// Tasks that a language's runtime runs on threads of its own choice (goroutines) have numbers that
/// no thread can have: those of the runtime, from here on. The kernel's end below 2^22
/// (PID_MAX_LIMIT in include/linux/threads.h). The runtime's first one stands for the main thread.
constexpr int kFirstFiber = 1 << 30;
constexpr bool is_fiber(Tid tid) {
  return tid.value >= kFirstFiber;
}

struct Thread {
  Tid tid;
  std::string comm;
  std::string name;     ///< the language's own name of it, "Thread-1"; "" if none
  char state = '?';     ///< letter of /proc/TID/stat
  bool stable = false;  ///< same switch counts, state and call before and after the collection
  std::uint64_t switches = 0;  ///< voluntary and involuntary, at the second look
  Result<Wait> wait = Error{};
  Result<SignalSets> signals = Error{};
  Result<std::vector<Fd>> own_fds =
      Error{};  ///< only where its table is not the process's (CLONE_FILES undone)
  Result<std::vector<Frame>> native = Error{};  ///< innermost first
  Result<std::vector<Frame>> python = Error{};  ///< innermost first
  Activity activity;
  bool is_python = false;  ///< it has a Python thread state
  bool polls = false;      ///< it wakes up only to look again: see Snapshot::observed_ms
  /// Where wait->asked: what else it asks for; any of them lets it go on.
  std::vector<Wait> asks;
  Result<Effects> meanwhile = Error{};  ///< where wait->asked: of the code between two questions
  std::vector<RemoteAddr>
      held_locks;  ///< addresses of locks that its frames or robust list say it holds
  /// What it may do once its call returns, up to the end of its thread. Read only of threads that
  /// can go on without the help of a waiting one.
  Result<Effects> next = Error{};
  /// What it is for its runtime, known by the runtime's image and the thread's entry function:
  /// "worker of libuv"; "" for the program's own. It does nothing that its program did not ask for.
  std::string housekeeping;
  /// It only runs tasks of its language's runtime, each of which is here with its own wait: no task
  /// itself, whatever it is in.
  bool carries = false;
  std::uint32_t kind = 0;  ///< place in Snapshot::kinds plus one; 0: all of its kind are here
};

enum class Scope {
  Target,  ///< a pid that the user named
  Descendant,
  Related,   ///< reparented, of the same session or process group: perhaps an orphan of the tree,
             ///< perhaps a stranger
  Holder,    ///< outside the tree, but the tree waits for something it holds
  Outsider,  ///< holds something relevant, but was not looked into
  Self,      ///< ipcdoctor; always live, its fds are left out
  Ancestor,  ///< of a target, and of its job: the same session and process group
};

/// Of the programs that were looked at, or of their sessions. See also own_tree.h.
constexpr bool is_of_tree(Scope scope) {
  return scope == Scope::Target || scope == Scope::Descendant || scope == Scope::Related ||
         scope == Scope::Ancestor;
}

struct PythonInfo {
  std::string version;  ///< "3.11.7"; "" = not a Python process
  std::vector<RuntimeObject>
      objects;  ///< reached from frames: queues, pools, executors, SemLocks with count > 0
  std::int64_t ended_threads =
      -1;  ///< of its own; those that a fork did not copy count too. -1: not known
};

/// Which of the processes of a parallel program it is, as its launcher told it in the environment.
struct Rank {
  std::string job;     ///< what tells its program from others; "" if nothing does
  int number = -1;     ///< -1: it has none
  int size = -1;       ///< how many ranks there are; -1: not known
  std::string source;  ///< the variable that gave the number
};

struct Process {
  Pid pid;
  Pid ppid, pgid, sid;
  std::uint64_t start_ticks = 0;
  Scope scope = Scope::Outsider;
  std::string comm;
  std::vector<std::string> args;  ///< secrets redacted
  std::string exe;
  std::uint32_t uid = 0;
  char state = '?';
  bool dead = false;     ///< a zombie of which no thread lives
  int wait_status = -1;  ///< of a dead one, as wait(2) tells it; -1 = not known
  bool exited = false;   ///< gone: known only by its pid (an owner, a former child)
  int ns_pid = 0;        ///< its pid in its own namespace
  std::uint64_t pid_ns = 0, net_ns = 0, mount_ns = 0;
  Pid mm_group;              ///< lowest pid that shares its address space
  Pid fd_group;              ///< lowest pid that shares its fd table
  Pid tracer;                ///< 0 = none
  bool forked_copy = false;  ///< runs its parent's image: fork without exec since
  bool inits_pid_ns = false;
  bool alarm_possible =
      false;  ///< setitimer or alarm: its handler, or death by it, cannot be excluded
  bool timer_possible = false;  ///< a timer whose signal is caught
  bool async_io = false;        ///< O_ASYNC on a descriptor and SIGIO caught
  /// Of each signal that it catches; an Error where that could not be learned.
  Result<std::vector<Handler>> handlers = Error{};
  Result<std::vector<Fd>> fds = Error{};  ///< of fd_group; Outsider: only relevant ones
  std::vector<Thread> threads;            ///< empty for an Outsider
  PythonInfo python;
  Rank rank;               ///< where the place was asked for
  std::uint32_t kind = 0;  ///< as Thread::kind, for the process as a whole
};

/// A lock of /proc/locks joined with the holders' fdinfo.
struct FileLock {
  ObjectId file;
  std::string type;  ///< "flock", "posix", "ofd"
  bool exclusive = false;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};
  Pid taker;  ///< as the kernel recorded it; may be dead; 0 for OFD
  std::vector<std::pair<Pid, int>>
      holders;  ///< who can release it: (pid, fd); posix: the process, fd -1
};

/// A shared file-backed or anonymous shared area that holds a futex somebody waits on.
struct SharedArea {
  std::uint64_t dev = 0, ino = 0;
  std::string path;
  bool has_name = false;     ///< nlink > 0: strangers may map it
  std::vector<Pid> mappers;  ///< processes that map it, or hold a descriptor of it
};

struct SysvObject {
  std::string type;  ///< "sem", "msg"
  int id = -1;
  static constexpr std::int64_t kUnknownKey = std::int64_t{1} << 40;
  std::int64_t key = kUnknownKey;
  std::vector<int> values;  ///< sem: value of each; msg: {messages, bytes, limit}; empty: not read
  std::vector<Pid> last_pids;  ///< sem: last operator of each; msg: {last sender, last receiver};
                               ///< 0: nobody, or somebody who was not found; empty: not read
  std::vector<Pid> attached;   ///< processes seen to use it (they wait on it)
};

/// A fact that could not be learned.
struct Unseen {
  Pid pid;
  Tid tid;
  Error error;
};

/// Tasks that nothing tells apart, of which a snapshot has only some; tid 0: whole processes.
/// Sorted.
struct Kind {
  std::vector<TaskRef> here;
  std::vector<TaskRef> left_out;
};

/// A process that is not here because others like it are.
struct LeftOut {
  Pid pid;
  Pid ppid;
  int ns_pid = 0;
  Pid like;  ///< one that is here
};

/// A network namespace whose sockets were read.
struct NetNamespace {
  std::uint64_t ino = 0;
  std::vector<std::string> addresses;  ///< of its interfaces, without those of the loopback device
  /// All TCP sockets that have a peer: local and remote address. What is not here is not there,
  /// where is_whole.
  std::vector<std::pair<std::string, std::string>> connections;
  bool is_whole = false;
};

/// Where and when a snapshot was taken: what tells hosts and looks apart.
struct Place {
  std::string boot_id;     ///< /proc/sys/kernel/random/boot_id; "" if it could not be read
  std::string machine_id;  ///< /etc/machine-id; clones of one image may share it
  std::uint64_t pid_ns = 0;
  std::int64_t begin_ms = 0, end_ms = 0;  ///< since 1970, by the clock of that host
  /// 128 random bits in hexadecimal, drawn after the last look: who knows them came later.
  std::string id;
  /// The ids of all snapshots of the round before, as token_of() folds them; "": the first round.
  std::string after;
  std::vector<NetNamespace> networks;
};

/// One host of a joined snapshot. Its processes, threads and System V objects have other numbers
/// there, as those of several hosts would collide.
struct Host {
  std::string name;
  int first = 0;             ///< the number that stands for numbers[0]; consecutive ones follow
  std::vector<int> numbers;  ///< as the host itself counts; sorted
  int rounds = 1;            ///< how often it was looked at
  Place place;
};

struct Snapshot {
  std::string tool_version;
  std::string host, kernel;
  Place place;
  std::int64_t time = 0;           ///< seconds since 1970, UTC
  std::uint64_t uptime_ticks = 0;  ///< since boot, at the same moment: as Process::start_ticks
  std::vector<Pid> targets;
  bool overdue = false;  ///< the user says that the targets should have ended or answered by now
  std::vector<Process> processes;
  std::vector<Object> objects;
  std::vector<FileLock> file_locks;
  std::vector<SharedArea> shared_areas;
  std::vector<SysvObject> sysv;
  std::vector<Unseen> unseen;
  bool all_holders_seen =
      false;  ///< every fd table and every address space of the system could be read
  bool processes_were_missed = false;  ///< they came and went faster than they could be listed: any
                                       ///< may have held anything, and handed it on
  bool in_init_pid_ns = false;
  bool unknown_fds_in_flight =
      false;  ///< some socket of the system holds descriptors that nobody can name
  std::uint32_t stopped_threads = 0;  ///< how many this collection had to stop; 0 by default
  double elapsed_ms = 0;
  double observed_ms = 0;  ///< length of the window for Thread::polls; 0 = there was none
  // Only where some of each kind stand for all, see diagnosis/fold.h; never saved.
  std::vector<Kind> kinds;
  std::vector<LeftOut> left_out;  ///< by ns_pid
  // Only where snapshots of several hosts were joined, see join.h; never saved.
  std::vector<Host> hosts;  ///< by first
};

/// The host that a number is of; nullptr where the snapshot is of one host.
const Host* host_of(const Snapshot& snapshot, int number);
/// "h2:" for a number of a joined snapshot, else "".
std::string host_prefix(const Snapshot& snapshot, int number);
/// A PID, TID or number of a System V object as its host counts it.
int local_number(const Snapshot& snapshot, int number);
/// "42"; "h2:42" in a joined snapshot.
std::string number_of(const Snapshot& snapshot, Pid pid);

/// How many these are, together with those of their kinds that the snapshot leaves out. A kind
/// counts whole where at least half of what is here of it is among these.
std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<TaskRef>& tasks);
std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<Pid>& pids);

/// Whether no thread of the process blocks any of these signals: then none of them stays pending,
/// as signalfd(2) and sigwait(3) need it. Masks as in SignalSets.
bool blocks_none_of(const Process& process, std::uint64_t signals);

/// "42", "42/43", "42#7": as in a label.
std::string number_of(const Snapshot& snapshot, TaskRef task);

/// The process of that pid, or nullptr.
const Process* find_process(const Snapshot& snapshot, Pid pid);
const Thread* find_thread(const Snapshot& snapshot, TaskRef task);
Thread* find_thread(Snapshot& snapshot, TaskRef task);
const Object* find_object(const Snapshot& snapshot, const ObjectId& id);
/// Whether the lock must go before the wait of a thread of `waiter` can end. One of the same owner
/// would only be converted: POSIX locks belong to the descriptor table, OFD locks and those of
/// flock(2) to the open file (fs/locks.c, posix_locks_conflict(), flock_locks_conflict();
/// Linux 6.1).
bool is_in_the_way(const Snapshot& snapshot, const FileLock& lock, const FileLockWait& wait,
                   Pid waiter);
/// Who stands for all that share its descriptor table, or its address space.
inline Pid table_of(const Process& process) {
  return process.fd_group.value == 0 ? process.pid : process.fd_group;
}
inline Pid memory_of(const Process& process) {
  return process.mm_group.value == 0 ? process.pid : process.mm_group;
}
const SharedArea* find_area(const Snapshot& snapshot, const PageId& page);

/// "python3[42]"; "python3[42/43]" for a thread that is not the leader, "app[42#7]" for task 7 of
/// its language's runtime.
std::string label(const Snapshot& snapshot, TaskRef task);

/// The innermost frame of the user's own code, Python before native; nullptr if there is none.
const Frame* user_frame(const Thread& thread);

/// "app.py:9" of the innermost user frame, with the last component of the path only; "" if unknown.
std::string where(const Thread& thread);

/// The kernel's name of the kind: "pipe", "unix socket", "eventfd".
std::string name_of(ObjectKind kind);

}  // namespace ipcdoctor::snapshot
