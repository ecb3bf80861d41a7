#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "snapshot/snapshot.h"

/// The wait-for graph: who can wake whom. Built from a Snapshot alone; no I/O.
///
/// Liveness is a least fixpoint over AND, OR and k-of-n gates: a task can progress if it runs, if
/// time or the outside world can wake it, or if its gate is opened by tasks that can progress. What
/// is never marked is dead. Only a missing waker can make that claim wrong, so every doubt becomes
/// a live Leaf.
///
/// The reduction runs several times, each time with one more kind of Leaf switched off (lives.h):
///   Proved       no Leaf is switched off
///   Assuming     those that stand for a named assumption are (closed world for a named object, an
///                alarm that cannot be excluded, a helper, handler or loop whose code was read),
///                and waits with likely owners wait for those only
///   Suspected    polling loops are taken for untimed waits
///   Stuck        those that name one outside thing are: a stopped process, a FIFO without a peer
///   Conditional  helpers that could do anything are taken for what they seem to be: bystanders
/// A task has the first level at which it is dead. Conditional is no claim of a hang: it says what
/// would be one, unless the named helpers act.
///
/// A dead set is a hang only if somebody is owed something by it (Debt), or if nothing else of the
/// tree lives. A lone wait that nobody waits for, in a tree whose others live, is at rest.
///
/// Signals that a person or a program sends on purpose, debuggers, kill and exit by others' hand,
/// and reopening through /proc/PID/fd are outside help: they are defined out.
namespace ipcdoctor::graph {

using snapshot::ObjectId;
using snapshot::Snapshot;
using snapshot::TaskRef;

enum class Level { Live, Conditional, Stuck, Suspected, Assuming, Proved };

/// Why something can go on without help from a waiting task.
enum class Life {
  // never switched off
  Running,
  Timer,
  Outside,        ///< terminal, device, remote host, network listener, FUSE of strangers
  NotUnderstood,  ///< a call or state that nobody here decodes
  NotSeen,        ///< facts are missing: denied, gone, timed out
  // switched off for Assuming: text states the assumption
  NamedObject,
  PrivateName,  ///< a name or number that only the program was given: at random by Python's
                ///< library, by IPC_PRIVATE, or of a terminal whose master it keeps
  FdsInFlight,
  Alarm,
  SysvStranger,
  NonOwnerRelease,
  KernelUser,
  UnseenHolder,  ///< not every fd table or address space of the system could be read
  ReadHelper,    ///< a thread that lives by itself and whose code was read: it reaches nobody
  SignalSent,    ///< a handler that may help others, of a thread whose own wait it cannot end
  ReadPolling,   ///< a loop whose code was read: it does nothing and goes on when an answer changes
  OneRound,      ///< hosts were looked at once each, so that no look proves the other
  ReadHandler,   ///< a handler whose code was read: it changes memory at most, and its call goes on
  EndingHandler,  ///< a handler whose code was read: it asks the program to end, and does no more
  // switched off for Suspected
  Polling,
  ServerLoop,  ///< a loop of a language's library that only looks whether it should end
  // switched off for Stuck
  StoppedProcess,
  PeerlessOpen,
  HalfOpen,  ///< a connection of which its peer's host knows nothing any more
  Signal,
  // switched off for Conditional: text names who could help
  Watched,  ///< a loop that was only watched for a moment: it came back to the same wait
  Helper,   ///< a thread beside the main one that lives by itself: what it does next is not known
  Handler,  ///< a handler of a signal from outside: what it does is not known, or it ends the call
  Steered,  ///< at rest until a signal from outside: it takes it itself, or a handler that was read
            ///< wakes just those who wait for this
  Client,   ///< who may come to a service that waits by a name: of a FIFO, a queue, a semaphore
  Server,   ///< a main thread that only waits for clients: what it does for one is not known
  Replaced,  ///< a pool's worker that will end soon, as those before it did
  Doubted,   ///< Timed::Doubted only: what it does when its sleep or timeout is over is not known
};

/// A reason to live: a task's own (task.pid != 0) or an object's.
struct Leaf {
  Life life = Life::NotSeen;
  TaskRef task;
  ObjectId object;
  std::string text;  ///< for Assuming "nobody else opens /dev/shm/x"; else what it is: "sleeps",
                     ///< "stopped by SIGTTIN"
};

/// One alternative of a task's wait: who could end it, by what.
struct Waker {
  TaskRef task;    ///< tid 0: some thread of a process that was not looked into
  std::string by;  ///< "pipe-write-end", "pipe-read-end", "socket-peer", "own-end", "lock-owner",
                   ///< "same-memory", "shared-page", "child-exit", "file-lock", "epoll", "eventfd",
                   ///< "terminal", "thread-exit", ...
  ObjectId object;
  int fd = -1;
  std::string evidence;  ///< "fd 3 is open for writing"
  bool live = false;     ///< at Level::Proved: it can progress
};

/// Something that a dead task owes to somebody: what tells a hang from a program at rest.
struct Debt {
  enum class Kind {
    Lock,     ///< a lock is held, and wanted by `task`
    Data,     ///< bytes or messages lie unread that only dead tasks would take
    Room,     ///< `task` is blocked on what is full
    End,      ///< `task` waits for the end of a process or thread
    Work,     ///< `task` waits for a result that workers or a server were asked for
    Result,   ///< `task` waits for a result that anybody may give
    Parties,  ///< `task` waits at a barrier
    Answer,   ///< processes wait for each other's data
    Open,     ///< `task` waits for the other side of a FIFO or a connection
  };
  Kind kind = Kind::Lock;
  TaskRef task;
};

struct StuckSet {
  Level level = Level::Proved;
  /// Texts of the Leafs without which it would live; Assuming and Suspected only. Those that only
  /// somebody behind it needs, of whatever level the set is, begin with "for those behind: ".
  std::vector<std::string> assumptions;
  std::vector<Leaf> assumed;  ///< the Leafs of those assumptions that the core itself, or one
                              ///< behind it, needs at `level`
  std::vector<Leaf> causes;   ///< Stuck only: the outside things that could end it
  std::vector<Leaf> unless;   ///< Conditional only: who could still end it
  std::vector<Debt> debts;    ///< one of each kind and task at most; none: all of the tree is dead
  std::vector<TaskRef> core;  ///< a bottom component: each waits for others of it only. A task that
                              ///< nothing can wake is a core of its own
  /// Dead only because they wait for the core, nearest first. One that needs an assumption of its
  /// own has a weaker level() than the set, but never Stuck.
  std::vector<TaskRef> behind;
};

/// A set whose members can only wake each other; of Level::Conditional, that would be one.
inline bool is_deadlock(const StuckSet& set) {
  return set.level > Level::Stuck || set.level == Level::Conditional;
}

/// Somebody who lives by more than an outside thing.
inline bool lives(Level level) {
  return level <= Level::Conditional;
}

/// Something that somebody could do, or that could happen, and that would end a wait.
struct Event {
  enum class Kind {
    Wakes,   ///< `task` gets what it waits for
    Closes,  ///< the process closes `fd`
  };
  Kind kind = Kind::Wakes;
  TaskRef task;
  int fd = -1;
};

/// One step of an explanation: `from` waits for `to`.
struct Edge {
  TaskRef from;
  Waker to;
};

class WaitGraph {
 public:
  /// Those who wait for something with a timeout: as they were seen, or as if they had been
  /// watched; Doubted: whether they, and who sleeps, do anything for others is a condition.
  enum class Timed { AsSeen, AsWatched, Doubted };

  /// The snapshot must outlive the graph.
  explicit WaitGraph(const Snapshot& snapshot, Timed timed = Timed::AsSeen);
  explicit WaitGraph(Snapshot&&) = delete;
  WaitGraph(WaitGraph&&) noexcept;
  WaitGraph& operator=(WaitGraph&&) noexcept;
  ~WaitGraph();

  /// Independent deadlocks and stuck sets in which somebody of the tree is, the worst level first,
  /// then by the lowest pid and tid. Sets at rest are not among them.
  const std::vector<StuckSet>& stuck_sets() const;

  /// Whether the task is dead without owing anything to anybody, while others of the tree live.
  bool is_at_rest(TaskRef task) const;

  Level level(TaskRef task) const;

  /// Everybody who could end the wait of this task, merged and sorted, at most `limit`; empty if
  /// nobody can.
  std::vector<Waker> wakers(TaskRef task, std::size_t limit = 10000) const;

  /// For a live task that waits: the nearest reasons why it can still go on, at most `limit`.
  std::vector<Leaf> reasons(TaskRef task, std::size_t limit = 16) const;

  /// The edges that explain a set: a cycle through its core where there is one, and for each task
  /// behind it the step towards the core. At most `limit`.
  std::vector<Edge> chain(const StuckSet& set, std::size_t limit = 64) const;

  /// Those of `tasks` that could go on if all of these happened, at the weakest level of them: of
  /// those who live, by these events alone.
  std::vector<TaskRef> freed_by(std::span<const Event> events,
                                std::span<const TaskRef> tasks) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ipcdoctor::graph
