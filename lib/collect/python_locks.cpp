#include "collect/python_locks.h"

#include <algorithm>

namespace ipcdoctor::collect {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::Ownership;
using snapshot::RuntimeObject;
using snapshot::TaskRef;

bool holds(const ThreadEntry& thread, RemoteAddr lock) {
  return lock.value != 0 &&
         std::ranges::find(thread.out.held_locks, lock) != thread.out.held_locks.end();
}

bool number_is(const std::map<std::string, std::int64_t>& numbers, const char* key,
               std::uint64_t value) {
  const auto it = numbers.find(key);
  return it != numbers.end() && static_cast<std::uint64_t>(it->second) == value;
}

/// How often a process acquired this one more than it released it; 0 for anything else.
std::int64_t count_of(const RuntimeObject& object, const snapshot::PageId& page) {
  const auto count = object.numbers.find("count");
  const bool is_copy = object.type == "multiprocessing.SemLock" && count != object.numbers.end() &&
                       number_is(object.numbers, "page_dev", page.dev) &&
                       number_is(object.numbers, "page_ino", page.ino) &&
                       number_is(object.numbers, "page_offset", page.offset);
  return is_copy ? count->second : 0;
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

// A semaphore counts slots, which others may give back: only a lock has a holder. Where nobody has
// given back what another one took, it is used as a lock, which counts for nothing but the words.
void add_semaphore_owners(System& system, const snapshot::Thread& waiter,
                          const snapshot::FutexWait& futex, Lock& lock) {
  if (!futex.shared_memory) return;
  const bool is_lock = number_is(lock.numbers, "max", 1);
  std::vector<TaskRef> takers;
  bool given = false;
  for (const auto& process : system.processes()) {
    if (process->dead) continue;
    for (const RuntimeObject& object : process->out.python.objects) {
      const std::int64_t count = count_of(object, futex.page);
      given |= count < 0;
      if (count > 0) takers.push_back(holder_in(*process, object));
    }
  }
  if (is_lock) {
    lock.likely_owners.insert(lock.likely_owners.end(), takers.begin(), takers.end());
  } else if (takers.size() == 1 && !given && waiter.activity.call.ends_with("emaphore.acquire")) {
    lock.numbers["used_as_lock"] = 1;
    lock.numbers["taken_by_pid"] = takers.front().pid.value;
    lock.numbers["taken_by"] = takers.front().tid.value;
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
  for (const auto& process : system.processes()) {
    if (process->out.python.version.empty()) continue;
    for (ThreadEntry& thread : process->threads) {
      if (!thread.out.wait || thread.out.wait->kind != snapshot::WaitKind::Futex) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      if (futex.lock.kind == LockKind::SharedSemaphore)
        add_semaphore_owners(system, thread.out, futex, futex.lock);
      if (futex.lock.kind == LockKind::ReentrantLock || futex.lock.kind == LockKind::ImportLock) {
        find_owner_in_parent(system, *process, futex.lock);
      }
    }
  }
}

}  // namespace ipcdoctor::collect
