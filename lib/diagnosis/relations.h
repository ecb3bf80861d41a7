#pragma once

#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "snapshot/snapshot.h"

/// Who waits for what and who has it, by number: processes and threads by their place in the
/// snapshot, and all that somebody may wait for, be it a pipe, a page, a file lock or a semaphore
/// set. Built once, in time that grows with the snapshot alone.
namespace ipcdoctor::diagnosis {

using snapshot::ObjectId;
using snapshot::Snapshot;
using snapshot::TaskRef;

using Index = std::uint32_t;
constexpr Index kNoIndex = std::numeric_limits<Index>::max();

struct Relations {
  struct Holding {
    Index other = 0;  ///< a process of an object, an object of a process
    snapshot::Access access = snapshot::Access::None;
    friend auto operator<=>(const Holding&, const Holding&) = default;
  };
  struct Object {
    ObjectId id;
    const snapshot::Object* known = nullptr;
    std::vector<Holding> holders;
    std::vector<Index> waiters;  ///< threads
    std::vector<Index> keepers;  ///< threads that hold this lock, by their stacks
    std::vector<Index> related;  ///< objects: the peer, the listener, what it watches or carries,
                                 ///< and the reverse
  };
  struct Thread {
    Index process = 0;
    const snapshot::Thread* known = nullptr;
    std::vector<Index> awaited;   ///< objects
    std::vector<Index> owners;    ///< threads that have the lock it waits for
    std::vector<Index> held;      ///< locks that others wait for, by its stack
    std::vector<Index> children;  ///< processes whose exit it waits for
  };
  struct Process {
    const snapshot::Process* known = nullptr;
    Index parent = kNoIndex;
    Index first_thread = 0;
    std::vector<Holding> holdings;  ///< of what somebody waits for
  };

  explicit Relations(const Snapshot& snapshot);

  Index process(Pid pid) const;          ///< kNoIndex if there is none
  Index thread(TaskRef task) const;      ///< the same
  Index find(const ObjectId& id) const;  ///< the same: of what nobody waits for
  Index end_of_threads(Index process) const;
  TaskRef task(Index thread) const;

  std::vector<Process> processes;
  std::vector<Thread> threads;
  std::vector<Object> objects;

 private:
  Index object(const ObjectId& id);
  void add_object(Index at);
  void add_wait(Index thread);
  void add_holdings();

  const Snapshot& snapshot_;
  std::unordered_multimap<std::size_t, Index> places_;  ///< hash of an id -> objects
};

}  // namespace ipcdoctor::diagnosis
