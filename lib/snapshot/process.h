#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "snapshot/activity.h"
#include "snapshot/effects.h"
#include "snapshot/object.h"
#include "snapshot/wait.h"

/// Processes and their threads.
namespace ipcdoctor::snapshot {

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
  Result<std::vector<Frame>> native = Error{};       ///< innermost first
  Result<std::vector<Frame>> interpreted = Error{};  ///< of its interpreter's states of threads
  Activity activity;
  bool is_interpreted = false;  ///< an interpreter has a state of it
  bool polls = false;           ///< it wakes up only to look again: see Snapshot::observed_ms
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

/// One that keeps a state of each of its threads, and what was read there.
struct Interpreter {
  std::string version;  ///< "3.11.7"; "" = there is none
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
  Interpreter interpreter;
  Rank rank;               ///< where the place was asked for
  std::uint32_t kind = 0;  ///< as Thread::kind, for the process as a whole
};

/// Who stands for all that share its descriptor table, or its address space.
inline Pid table_of(const Process& process) {
  return process.fd_group.value == 0 ? process.pid : process.fd_group;
}
inline Pid memory_of(const Process& process) {
  return process.mm_group.value == 0 ? process.pid : process.mm_group;
}

/// Whether no thread of the process blocks any of these signals: then none of them stays pending,
/// as signalfd(2) and sigwait(3) need it. Masks as in SignalSets.
bool blocks_none_of(const Process& process, std::uint64_t signals);

/// The innermost frame of the user's own code, Python before native; nullptr if there is none.
const Frame* user_frame(const Thread& thread);

/// "app.py:9" of the innermost user frame, with the last component of the path only; "" if unknown.
std::string where(const Thread& thread);

}  // namespace ipcdoctor::snapshot
