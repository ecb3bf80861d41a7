#pragma once

#include <memory>
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
/// The reduction runs several times, each time with one more kind of Leaf switched off:
///   Proved     no Leaf is switched off
///   Assuming   those that stand for a named assumption are (closed world for a named object, an
///   alarm
///              that cannot be excluded, SysV strangers), and waits with likely owners wait for
///              those only
///   Suspected  polling loops are taken for untimed waits
///   Stuck      those that name one outside thing are: a stopped process, a FIFO without a peer, a
///   signal
/// A task has the first level at which it is dead.
///
/// Signals that a person or a program sends on purpose, debuggers, kill and exit by others' hand,
/// and reopening through /proc/PID/fd are outside help: they are defined out.
namespace ipcdoctor::graph {

using snapshot::ObjectId;
using snapshot::Snapshot;
using snapshot::TaskRef;

enum class Level { Live, Stuck, Suspected, Assuming, Proved };

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
  // switched off for Suspected
  Polling,
  ServerLoop,  ///< a loop of a language's library that only looks whether it should end
  // switched off for Stuck
  StoppedProcess,
  PeerlessOpen,
  Signal,
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

struct StuckSet {
  Level level = Level::Proved;
  /// Texts of the Leafs without which it would live; Assuming and Suspected only. Those that only
  /// somebody behind it needs, of whatever level the set is, begin with "for those behind: ".
  std::vector<std::string> assumptions;
  std::vector<Leaf> assumed;  ///< the Leafs of those assumptions that the core itself, or one
                              ///< behind it, needs at `level`
  std::vector<Leaf> causes;   ///< Stuck only: the outside things that could end it
  std::vector<TaskRef> core;  ///< a bottom component: each waits for others of it only. A task that
                              ///< nothing can wake is a core of its own
  /// Dead only because they wait for the core, nearest first. One that needs an assumption of its
  /// own has a weaker level() than the set, but never Stuck.
  std::vector<TaskRef> behind;
};

/// One step of an explanation: `from` waits for `to`.
struct Edge {
  TaskRef from;
  Waker to;
};

class WaitGraph {
 public:
  /// The snapshot must outlive the graph.
  explicit WaitGraph(const Snapshot& snapshot);
  explicit WaitGraph(Snapshot&&) = delete;
  WaitGraph(WaitGraph&&) noexcept;
  WaitGraph& operator=(WaitGraph&&) noexcept;
  ~WaitGraph();

  /// Independent deadlocks and stuck sets, the worst level first, then by the lowest pid and tid.
  const std::vector<StuckSet>& stuck_sets() const;

  Level level(TaskRef task) const;

  /// Everybody who could end the wait of this task, merged and sorted, at most `limit`; empty if
  /// nobody can.
  std::vector<Waker> wakers(TaskRef task, std::size_t limit = 10000) const;

  /// For a live task that waits: the nearest reasons why it can still go on, at most `limit`.
  std::vector<Leaf> reasons(TaskRef task, std::size_t limit = 16) const;

  /// The edges that explain a set: a cycle through its core where there is one, and for each task
  /// behind it the step towards the core. At most `limit`.
  std::vector<Edge> chain(const StuckSet& set, std::size_t limit = 64) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ipcdoctor::graph
