#include "collect/lock_owners.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "linux/namespaces.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Lock;
using snapshot::Ownership;
using snapshot::TaskRef;
using Found = Result<std::optional<TaskRef>>;

constexpr std::size_t kMaxThreads = 100000;

Error not_visible(int tid) {
  return Error{Cause::Denied, 0, "look at " + std::to_string(tid) + ": /proc hides it"};
}

Result<linux::TaskStatus> status_in(const linux::ProcDir& dir, const std::string& name) {
  const auto text = dir.read_record(name + "/status");
  return text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
}

/// By its number in the namespace of /proc. What /proc does not list may be hidden: of every task
/// of our own namespace the kernel tells at least whether it exists (getpgid(2), ESRCH).
Found find_in_proc(System& system, int tid) {
  const auto status = status_in(system.proc(), std::to_string(tid));  // thread ids work too
  if (status) {
    if (status->has_exited()) return std::optional<TaskRef>();
    return std::optional(TaskRef{status->tgid, Tid{tid}});
  }
  if (status.error().cause != Cause::Gone) return status.error();
  if (system.numbers_as_proc_does()) {
    if (::getpgid(tid) >= 0 || errno != ESRCH) return not_visible(tid);
  } else if (system.proc_hides()) {
    return not_visible(tid);
  }
  return std::optional<TaskRef>();
}

/// NSpid of a process has its number in each namespace from that of /proc down.
std::size_t level_of(const linux::TaskStatus& status) {
  return status.ns_pids.empty() ? 0 : status.ns_pids.size() - 1;
}

/// @return the thread of that number, empty if the process has none.
Found find_in_process(const linux::ProcDir& dir, Pid pid, std::size_t level, int ns_tid) {
  const auto tids = dir.list_numbers("task", kMaxThreads);
  if (!tids) return tids.error();
  for (const int tid : *tids) {
    const auto status = status_in(dir, "task/" + std::to_string(tid));
    if (!status && status.error().cause != Cause::Gone) return status.error();
    if (!status || status->has_exited() || level_of(*status) != level) continue;
    if (status->ns_pids[level] == ns_tid) return std::optional(TaskRef{pid, Tid{tid}});
  }
  return std::optional<TaskRef>();
}

/// In a namespace below that of /proc: whoever is in it has to be asked for its number there.
Found find_below(System& system, std::uint64_t pid_ns, std::size_t level, int ns_tid) {
  const auto pids = system.proc().list_numbers(".");  // anew: it may be younger than the last list
  if (!pids) return pids.error();
  std::optional<Error> doubt;
  if (system.proc_hides()) doubt = not_visible(ns_tid);
  for (const int pid : *pids) {
    const auto dir = system.proc().open_below(std::to_string(pid));
    const auto ns = dir ? linux::read_namespace(*dir, "pid") : Result<std::uint64_t>(dir.error());
    if (ns && *ns != pid_ns) continue;
    if (!ns) {  // others' are not to be read, but how many numbers they have is
      const auto status = status_in(system.proc(), std::to_string(pid));
      if (status && level_of(*status) != level) continue;
    }
    const Found found = ns ? find_in_process(*dir, Pid{pid}, level, ns_tid) : Found(ns.error());
    if (found && *found) return found;
    if (!found && found.error().cause != Cause::Gone) doubt = found.error();
  }
  return doubt ? Found(*doubt) : Found(std::optional<TaskRef>());
}

/// Whether two processes count tasks alike. A namespace that could not be read is nobody's.
bool count_alike(System& system, const ProcessEntry& a, Pid b) {
  const ProcessEntry* other = system.find(b);
  if (other == nullptr || a.out.pid_ns == 0) return false;
  const std::uint64_t known = other->out.pid_ns;
  return (known != 0 ? known : linux::read_namespace(*other->dir, "pid").value_or(0)) ==
         a.out.pid_ns;
}

/// Whether a number that no task has here cannot be that of somebody who could not be looked into:
/// every process of the system is listed, and none of those whose mappings are unknown is numbered
/// in a namespace of its own (NSpid, which anybody may read).
bool knows_all_numbers(System& system, const SharedAreas& areas) {
  if (!system.in_init_pid_ns() || system.proc_hides() || !system.all_listed()) return false;
  return std::ranges::all_of(system.processes(), [&](const auto& process) {
    if (areas.knows_maps_of(process->pid)) return true;
    const auto status = linux::read_status(*process->dir);
    return status ? status->ns_pids.size() == 1 : status.error().cause == Cause::Gone;
  });
}

void leave_open(Lock& lock, std::int64_t owner, const std::string& why) {
  lock.ownership = Ownership::Unreadable;
  lock.owners.clear();
  lock.dead_owner = 0;
  lock.unseen_owner = owner;
  lock.checked = false;
  lock.evidence += "; whether its owner " + std::to_string(owner) + " lives is not known: " + why;
}

/// The number by which the lock knows its owner.
std::int64_t stored_number(System& system, const Lock& lock) {
  if (lock.ownership == Ownership::Dead) return lock.dead_owner;
  const ProcessEntry* process = system.find(lock.owners[0].pid);
  if (process != nullptr) {
    const auto thread = std::ranges::find(process->threads, lock.owners[0].tid, &ThreadEntry::tid);
    if (thread != process->threads.end()) return thread->ns_tid;
  }
  return lock.owners[0].tid.value;
}

/// knows_all_numbers(), found out when first asked.
class Numbers {
 public:
  Numbers(System& system, const SharedAreas& areas) : system_(system), areas_(areas) {}
  bool are_known() {
    if (!known_) {
      std::vector<linux::deputy::File> files;
      for (const auto& process : system_.processes())
        if (!areas_.knows_maps_of(process->pid))
          files.push_back({system_.dir_to_read_ahead(*process), "status"});
      const linux::deputy::ReadAhead ahead(linux::deputy::Wish::ReadRecord, files);
      known_ = knows_all_numbers(system_, areas_);
    }
    return *known_;
  }

 private:
  System& system_;
  const SharedAreas& areas_;
  std::optional<bool> known_;
};

void check_owner(System& system, const SharedAreas& areas, Numbers& numbers,
                 const ProcessEntry& process, snapshot::FutexWait& futex) {
  Lock& lock = futex.lock;
  const bool dead = lock.ownership == Ownership::Dead;
  if (!dead && (lock.ownership != Ownership::Known || lock.owners.empty())) return;
  const std::int64_t owner = stored_number(system, lock);
  const snapshot::SharedArea* area = areas.find(futex.page);
  if (area == nullptr) return leave_open(lock, owner, "who maps the lock was not seen");
  if (!std::ranges::all_of(area->mappers,
                           [&](Pid mapper) { return count_alike(system, process, mapper); }))
    return leave_open(lock, owner, "processes of several PID namespaces map the lock");
  const bool maps = std::ranges::all_of(lock.owners, [&](const TaskRef& one) {
    return std::ranges::find(area->mappers, one.pid) != area->mappers.end();
  });
  if (!maps) return leave_open(lock, owner, "who has that number is not seen to map the lock");
  const bool all_mappers = system.all_holders_seen() && system.in_init_pid_ns();
  if (all_mappers || numbers.are_known()) return;
  if (dead && area->has_name)
    return leave_open(lock, owner, "somebody who could not be looked at may map the lock");
  lock.checked = false;
}

/// By somebody who may have written a number of another PID namespace into it.
bool is_mapped_elsewhere(System& system, const ProcessEntry& process,
                         const linux::Mapping& mapping) {
  return std::ranges::any_of(system.processes(), [&](const auto& other) {
    if (other->pid == process.pid || count_alike(system, process, other->pid)) return false;
    const auto maps = linux::read_maps(*other->dir);
    if (!maps) return maps.error().cause != Cause::Gone;
    return std::ranges::any_of(*maps, [&](const linux::Mapping& its) {
      return its.dev == mapping.dev && its.ino == mapping.ino;
    });
  });
}

/// glibc parks who asks for a priority-inheriting mutex of a number that nobody has on its own
/// stack: who maps the mutex itself was not asked.
void check_parked(System& system, Numbers& numbers, ProcessEntry& process, Lock& lock) {
  if (lock.ownership != Ownership::Dead || lock.kind != snapshot::LockKind::PiMutex) return;
  const auto space = system.space_of(process);
  const linux::Mapping* mapping =
      space ? linux::find_mapping((*space)->maps(), lock.address) : nullptr;
  if (mapping == nullptr || !mapping->shared) return;
  if (is_mapped_elsewhere(system, process, *mapping))
    leave_open(lock, lock.dead_owner, "processes of several PID namespaces map the lock");
  else if (!numbers.are_known())
    leave_open(lock, lock.dead_owner, "somebody who could not be looked at may map the lock");
}

}  // namespace

Result<std::optional<TaskRef>> find_task(System& system, const ProcessEntry& near, int ns_tid) {
  if (ns_tid <= 0) return std::optional<TaskRef>();
  if (!near.status) return near.status.error();
  const std::size_t level = level_of(*near.status);
  if (level == 0) return find_in_proc(system, ns_tid);
  if (near.out.pid_ns == 0) return Error{Cause::NotRead, 0, "read the PID namespace of a process"};
  return find_below(system, near.out.pid_ns, level, ns_tid);
}

void check_shared_owners(System& system, const SharedAreas& areas) {
  Numbers numbers(system, areas);
  for (const auto& process : system.processes()) {
    for (ThreadEntry& thread : process->threads) {
      if (!thread.out.wait || thread.out.wait->kind != snapshot::WaitKind::Futex) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      if (futex.shared_memory)
        check_owner(system, areas, numbers, *process, futex);
      else
        check_parked(system, numbers, *process, futex.lock);
      if (futex.lock.unseen_owner != 0)
        system.note_unseen(process->pid, thread.tid,
                           Error{Cause::Denied, 0,
                                 "find out whether " + std::to_string(futex.lock.unseen_owner) +
                                     " lives, the owner of " +
                                     (futex.lock.name.empty() ? "a lock" : futex.lock.name)});
    }
  }
}

}  // namespace ipcdoctor::collect
