#include "collect/python_locks.h"

#include <algorithm>
#include <map>

namespace ipcdoctor::collect {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::LockNumber;
using snapshot::Number;
using snapshot::Ownership;
using snapshot::RuntimeObject;
using snapshot::TaskRef;

bool holds(const ThreadEntry& thread, RemoteAddr lock) {
  return lock.value != 0 &&
         std::ranges::find(thread.out.held_locks, lock) != thread.out.held_locks.end();
}

std::uint64_t number(const RuntimeObject& object, Number key) {
  return static_cast<std::uint64_t>(object.numbers.get_or(key, 0));
}

// The thread within a `with` on it, else the one thread there is, else the leader stands for the
// process.
TaskRef holder_in(const ProcessEntry& process, const RuntimeObject& lock) {
  for (const ThreadEntry& thread : process.threads) {
    if (holds(thread, lock.address)) return {process.pid, thread.tid};
  }
  if (process.threads.size() == 1) return {process.pid, process.threads.front().tid};
  return {process.pid, Tid{process.pid.value}};
}

/// Who acquired a semaphore more often than he released it, and whether anybody did the reverse.
struct Uses {
  std::vector<TaskRef> takers;
  bool given = false;
};

/// Of all semaphores that lie in shared memory, by where they lie: a pool has thousands of copies.
std::map<snapshot::PageId, Uses> uses_of_semaphores(System& system) {
  std::map<snapshot::PageId, Uses> uses;
  for (const auto& process : system.processes()) {
    if (process->dead) continue;
    for (const RuntimeObject& object : process->out.interpreter.objects) {
      if (object.type != "multiprocessing.SemLock") continue;
      const std::int64_t count = object.numbers.get_or(Number::Count, 0);
      if (count == 0) continue;
      Uses& one = uses[{number(object, Number::PageDev), number(object, Number::PageIno),
                        number(object, Number::PageOffset)}];
      one.given |= count < 0;
      if (count > 0) one.takers.push_back(holder_in(*process, object));
    }
  }
  return uses;
}

// A semaphore counts slots, which others may give back: only a lock has a holder. Where nobody has
// given back what another one took, it is used as a lock, which counts for nothing but the words.
void add_semaphore_owners(const std::map<snapshot::PageId, Uses>& all,
                          const snapshot::Thread& waiter, const snapshot::FutexWait& futex,
                          Lock& lock) {
  if (!futex.shared_memory) return;
  const auto uses = all.find(futex.page);
  if (uses == all.end()) return;
  const std::vector<TaskRef>& takers = uses->second.takers;
  if (lock.numbers.get_or(LockNumber::Max, 0) == 1) {
    lock.likely_owners.insert(lock.likely_owners.end(), takers.begin(), takers.end());
  } else if (takers.size() == 1 && !uses->second.given &&
             waiter.activity.object.kind == snapshot::Resource::Semaphore) {
    lock.numbers.set(LockNumber::UsedAsLock, 1);
    lock.numbers.set(LockNumber::TakenByPid, takers.front().pid.value);
    lock.numbers.set(LockNumber::TakenBy, takers.front().tid.value);
  }
}

void find_owner_in_parent(System& system, const ProcessEntry& process, Lock& lock) {
  if (!process.out.forked_copy || lock.ownership != Ownership::Dead) return;
  lock.ownership = Ownership::LeftInParent;
  const ProcessEntry* parent = system.find(process.stat.ppid);
  if (parent == nullptr) return;
  for (const ThreadEntry& thread : parent->threads) {
    if (holds(thread, lock.address)) lock.owners.push_back({parent->pid, thread.tid});
  }
}

}  // namespace

void complete_python_locks(System& system) {
  const std::map<snapshot::PageId, Uses> uses = uses_of_semaphores(system);
  for (const auto& process : system.processes()) {
    if (process->out.interpreter.version.empty()) continue;
    for (ThreadEntry& thread : process->threads) {
      if (!thread.out.wait || thread.out.wait->kind != snapshot::WaitKind::Futex) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      if (futex.lock.kind == LockKind::SharedSemaphore)
        add_semaphore_owners(uses, thread.out, futex, futex.lock);
      if (futex.lock.kind == LockKind::ReentrantLock || futex.lock.kind == LockKind::ImportLock) {
        find_owner_in_parent(system, *process, futex.lock);
      }
    }
  }
}

}  // namespace ipcdoctor::collect
