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

bool is_held_copy(const RuntimeObject& object, const snapshot::PageId& page) {
  const auto count = object.numbers.find("count");
  return object.type == "multiprocessing.SemLock" && count != object.numbers.end() &&
         count->second > 0 && number_is(object.numbers, "page_dev", page.dev) &&
         number_is(object.numbers, "page_ino", page.ino) &&
         number_is(object.numbers, "page_offset", page.offset);
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

// A semaphore counts slots, which others may give back: only a lock has a holder.
void add_semaphore_owners(System& system, const snapshot::FutexWait& futex, Lock& lock) {
  if (!futex.shared_memory || !number_is(lock.numbers, "max", 1)) return;
  for (const auto& process : system.processes()) {
    if (process->dead) continue;
    for (const RuntimeObject& object : process->out.python.objects) {
      if (is_held_copy(object, futex.page))
        lock.likely_owners.push_back(holder_in(*process, object));
    }
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
      if (futex.lock.kind == LockKind::PySemLock) add_semaphore_owners(system, futex, futex.lock);
      if (futex.lock.kind == LockKind::PyRLock || futex.lock.kind == LockKind::PyImportLock) {
        find_owner_in_parent(system, *process, futex.lock);
      }
    }
  }
}

}  // namespace ipcdoctor::collect
