#include "runtime/libc/owner.h"

#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/same_memory.h"
#include "runtime/libc/glibc_objects.h"

namespace ipcdoctor::runtime::libc {
namespace {

constexpr int kMaxAncestors = 64;

/// Does the process descend from `ancestor`? False once an ancestor in between has died: then
/// nobody can tell.
bool descends_from(const linux::AddressSpace& space, Pid ancestor) {
  auto stat = linux::read_stat(space.dir);
  for (int i = 0; i < kMaxAncestors && stat && stat->ppid.value > 1; ++i) {
    if (stat->ppid == ancestor) return true;
    const auto dir = linux::ProcDir::open(stat->ppid);
    if (!dir) return false;
    stat = linux::read_stat(*dir);
  }
  return false;
}

/// Thread ids grow, so one below the process's own was given out before it was forked (unless the
/// numbers wrapped).
Result<bool> is_older_than_process(const linux::AddressSpace& space, int ns_tid) {
  const auto status = linux::read_status(space.dir);
  if (!status) return status.error();
  return !status->ns_pids.empty() && ns_tid < status->ns_pids.back();
}

void leave_open(snapshot::Lock& lock, int ns_tid, const Error& why) {
  lock.unseen_owner = ns_tid;
  lock.evidence +=
      "; whether its owner " + std::to_string(ns_tid) + " lives is not known: " + to_string(why);
}

}  // namespace

void find_owner(const linux::AddressSpace& space, const FutexCall& call, const FindTask& find_task,
                int ns_tid, snapshot::Lock& lock) {
  using snapshot::Ownership;
  lock.ownership = Ownership::Unreadable;
  if (ns_tid <= 0 || ns_tid > kMaxTid) return;
  const auto found = find_task(ns_tid);
  if (!found) return leave_open(lock, ns_tid, found.error());
  const std::optional<snapshot::TaskRef>& task = *found;
  if (task) {
    const bool plainly = call.shared_memory || task->pid == call.task.pid;
    const auto reaches = plainly ? true : linux::share_memory(task->pid, call.task.pid);
    if (!reaches) return leave_open(lock, ns_tid, reaches.error());
    if (*reaches) {
      lock.ownership = Ownership::Known;
      lock.owners = {*task};
      return;
    }
  }
  if (call.shared_memory) {
    lock.ownership = Ownership::Dead;
    lock.dead_owner = ns_tid;
    return;
  }
  const auto older = is_older_than_process(space, ns_tid);
  if (!older) return leave_open(lock, ns_tid, older.error());
  const bool of_ancestor = task && descends_from(space, task->pid);
  lock.ownership = of_ancestor || *older ? Ownership::LeftInParent : Ownership::Dead;
  if (of_ancestor)
    lock.owners = {*task};
  else
    lock.dead_owner = ns_tid;
}

Result<int> read_pthread_tid(const linux::AddressSpace& space, RemoteAddr pthread) {
  for (const std::uint64_t offset : {kPthreadTcb, kPthreadSelf}) {
    const auto self = space.memory.read_u64(RemoteAddr{pthread.value + offset});
    if (!self) return self.error();
    if (*self != pthread.value) return Error{Cause::Malformed, 0, "read a struct pthread"};
  }
  const auto tid = space.memory.read_object<int>(RemoteAddr{pthread.value + kPthreadTid});
  if (!tid) return tid.error();
  if (*tid < 0 || *tid > kMaxTid) return Error{Cause::Malformed, 0, "read a struct pthread"};
  return *tid;
}

}  // namespace ipcdoctor::runtime::libc
