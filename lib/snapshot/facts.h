#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/object.h"

/// What is known of a lock or of something of a language's library, by key. What is not there was
/// not learned: 0 is a value, never "unknown". Each key is written by a runtime or by the
/// collection and read by a rule, or it is not here.
namespace ipcdoctor::snapshot {

/// Of a lock.
enum class LockNumber {
  Value,         ///< the word of a mutex; what a semaphore counts
  Readers,       ///< that have a rwlock
  Max,           ///< of a semaphore's value; not of one that others give back
  Kind,          ///< of a SemLock: 0 recursive mutex, 1 semaphore
  Parties,       ///< that a barrier needs
  Reentered,     ///< 1: the waiter itself is inside
  Pshared,       ///< 0: the word was waited for as private to a process
  ParentsValue,  ///< of a semaphore that fork copied: the same word in the parent
  TakenBy,       ///< the TID of one that took it, as told by code or by its process's count
  TakenByPid,    ///< of that thread's process, where it is another than the waiter's
  UsedAsLock,    ///< 1: each that takes this semaphore gives it back itself
};

/// Of an object of a library. Pids are as the target's own PID namespace numbers them, tids and
/// addresses ours. Flags are 0 or 1.
enum class Number {
  Pid,        ///< of a child; missing: never started
  ParentPid,  ///< of who made it, or a pool's workers
  Exitcode,   ///< of a child; missing: not known to be over
  Tid,        ///< of a thread that has a thread state here
  Started,    ///< flag of a threading.Thread
  Exists,     ///< flag: a thread state with its ident is in this process
  Alive,      ///< flag
  Set,        ///< flag of an event
  Value,      ///< of a semaphore
  Parties,    ///< that a barrier needs
  Initial,    ///< value of a BoundedSemaphore
  Kind,       ///< of a SemLock: 0 recursive mutex, 1 semaphore
  Maxvalue,   ///< of a SemLock
  Count,      ///< times that this process, or its owner, has it
  Handle,     ///< address of the sem_t, which is the futex's word
  PageDev,    ///< of the page of that word, as PageId has it
  PageIno,
  PageOffset,
  Unfinished,           ///< items of a queue that nobody called task_done() for
  FeederStarted,        ///< flag of a multiprocessing.Queue
  FeederExists,         ///< flag: its thread is in this process
  Workers,              ///< in a pool's list
  DeadWorkers,          ///< of those, known to the pool
  StartedWorkers,       ///< processes that the owner of a pool has started so far
  TasksEach,            ///< after which a worker is replaced; missing: never
  Pending,              ///< work of an executor
  Queued,               ///< work that no thread of an executor took yet
  Threads,              ///< of an executor of threads
  ThreadsExist,         ///< of those, in this process
  Shutdown,             ///< flag
  WorkerHandlerExists,  ///< flags: a pool's helper thread is in this process
  TaskHandlerExists,
  ResultHandlerExists,
  ManagerExists,  ///< flag: the manager thread of an executor is in this process
  Doer,           ///< address of who has a future to do
  Initializes,    ///< flag of a worker that is in its initializer still
  Maps,           ///< flag: what is awaited are the results of one function for many arguments
  OfTask,         ///< flag: what is awaited is an asyncio task
  Ring,           ///< tasks of a loop that wait for each other's locks in a circle
  ReaderFd,       ///< descriptors in the process that has the object
  WriterFd,
  HandleFd,
  SocketFd,
  StdinFd,
};

enum class Text {
  Method,     ///< that a proxy calls, or a server's thread for it
  Process,    ///< a multiprocessing.Process's name
  Thread,     ///< a threading.Thread's name
  Semaphore,  ///< the name of a sem_t
  Enclosing,  ///< "f() of x.py": a function further out on the stack that would have to end the
              ///< wait
};

/// The kernel object behind a descriptor of a library's object.
enum class End { Reader, Writer, Handle, Socket };

template <class Key, class Value>
class Facts {
 public:
  using Entry = std::pair<Key, Value>;
  Facts() = default;
  Facts(std::initializer_list<Entry> entries) {
    for (const Entry& entry : entries) set(entry.first, entry.second);
  }

  /// nullptr if it was not learned
  const Value* find(Key key) const {
    const auto at = std::ranges::lower_bound(entries_, key, {}, &Entry::first);
    return at != entries_.end() && at->first == key ? &at->second : nullptr;
  }
  bool contains(Key key) const { return find(key) != nullptr; }
  Value get_or(Key key, Value otherwise) const {
    const Value* value = find(key);
    return value != nullptr ? *value : std::move(otherwise);
  }
  void set(Key key, Value value) {
    const auto at = std::ranges::lower_bound(entries_, key, {}, &Entry::first);
    if (at != entries_.end() && at->first == key)
      at->second = std::move(value);
    else
      entries_.insert(at, {key, std::move(value)});
  }

  /// visit(key, value): it may change the value.
  template <class Visit>
  void change_each(const Visit& visit) {
    for (Entry& entry : entries_) visit(entry.first, entry.second);
  }

  std::size_t size() const { return entries_.size(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  friend bool operator==(const Facts&, const Facts&) = default;

 private:
  std::vector<Entry> entries_;  ///< by key
};

}  // namespace ipcdoctor::snapshot
