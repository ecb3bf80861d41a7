#include "runtime/libc/owner.h"

#include "linux/kcmp.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
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

bool shares_memory(Pid a, Pid b) {
  const auto order = linux::compare_tasks(linux::Kcmp::Vm, Tid{a.value}, Tid{b.value});
  return order && *order == std::strong_ordering::equal;
}

/// Thread ids grow, so one below the process's own was given out before it was forked (unless the
/// numbers wrapped).
bool is_older_than_process(const linux::AddressSpace& space, int ns_tid) {
  const auto status = linux::read_status(space.dir);
  return status && !status->ns_pids.empty() && ns_tid < status->ns_pids.back();
}

}  // namespace

void find_owner(const linux::AddressSpace& space, const FutexCall& call, const FindTask& find_task,
                int ns_tid, snapshot::Lock& lock) {
  using snapshot::Ownership;
  lock.ownership = Ownership::Unreadable;
  if (ns_tid <= 0 || ns_tid > kMaxTid) return;
  const auto task = find_task(ns_tid);
  if (task && (call.shared_memory || task->pid == call.task.pid ||
               shares_memory(task->pid, call.task.pid))) {
    lock.ownership = Ownership::Known;
    lock.owners = {*task};
    return;
  }
  lock.dead_owner = ns_tid;
  if (task && descends_from(space, task->pid)) {
    lock.ownership = Ownership::LeftInParent;
    lock.owners = {*task};
    lock.dead_owner = 0;
  } else if (!call.shared_memory && is_older_than_process(space, ns_tid)) {
    lock.ownership = Ownership::LeftInParent;
  } else {
    lock.ownership = Ownership::Dead;
  }
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
