#include "collect/system.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "linux/capabilities.h"
#include "linux/kcmp.h"
#include "linux/namespaces.h"
#include "linux/pidfd.h"

namespace ipcdoctor::collect {

using snapshot::Scope;

Status System::open_proc() {
  auto proc = linux::ProcDir::open_system();
  if (!proc) return proc.error();
  proc_ = std::move(*proc);
  const auto rights = linux::read_own_rights();
  proc_hides_ = !rights || rights->hides_pids;
  if (proc_hides_) {
    const Error hidden{Cause::Denied, 0,
                       "list the processes of other users: /proc hides them (hidepid)"};
    note_hidden_holder(hidden);
    note_unseen(Pid{}, Tid{}, hidden);
  }
  const auto self = proc_->read_link("self");
  numbers_as_proc_does_ = self && *self == std::to_string(::getpid());
  struct rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0)
    room_for_dirs_ = static_cast<std::size_t>(files.rlim_cur) / 2;
  in_init_pid_ns_ = linux::in_init_pid_namespace().value_or(false);
  return Done{};
}

Result<bool> System::scan() {
  if (!proc_) {
    const Status opened = open_proc();
    if (!opened) return opened.error();
  }
  const auto pids = proc_->list_numbers(".");
  if (!pids) return pids.error();
  bool changed = false;
  const std::map<Pid, Error> before = std::exchange(unread_, {});
  for (const int number : *pids) {
    const Pid pid{number};
    if (by_pid_.contains(pid) || kernel_threads_.contains(pid)) continue;
    auto dir = proc_->open_below(std::to_string(number));
    auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
    if (!stat) {
      const bool gone = stat.error().cause == Cause::Gone;
      changed = changed || gone || !before.contains(pid);
      if (!gone) unread_.emplace(pid, stat.error());
      continue;
    }
    if (stat->is_kernel_thread()) {
      kernel_threads_.insert(pid);
      continue;
    }
    auto entry = std::make_unique<ProcessEntry>();
    entry->pid = pid;
    entry->stat = std::move(*stat);
    entry->dir = std::move(*dir);
    if (room_for_dirs_ > 0)
      --room_for_dirs_;
    else
      entry->dir->park(entry->stat.start_ticks);
    if (is_own(pid)) entry->scope = Scope::Self;
    by_pid_[pid] = entry.get();
    processes_.push_back(std::move(entry));
    changed = true;
  }
  std::ranges::sort(processes_, {}, [](const auto& p) { return p->pid; });
  return changed;
}

void System::note_unread() {
  for (const auto& [pid, error] : unread_) {
    note_hidden_holder(error);
    note_unseen(pid, Tid{}, error);
  }
}

void System::note_restless() {
  const Error restless{Cause::Limit, 0,
                       "list all processes, while others kept starting and ending"};
  if (!std::exchange(restless_, true)) note_unseen(Pid{}, Tid{}, restless);
  note_hidden_holder(restless);
}

ProcessEntry* System::find(Pid pid) {
  const auto it = by_pid_.find(pid);
  return it == by_pid_.end() ? nullptr : it->second;
}

namespace {

/// A leader that has exited has no memory any more; /proc/TID of a thread that lives on shows it.
Pid live_task(const ProcessEntry& process) {
  if (!process.stat.has_exited()) return process.pid;
  return process.threads.empty() ? process.pid : Pid{process.threads.front().tid.value};
}

}  // namespace

Result<linux::AddressSpace*> System::space_of(ProcessEntry& process) {
  if (process.space) return process.space.get();
  if (process.space_error) return *process.space_error;
  const Risk risk(progress_, process.pid, Fact::Maps);
  if (!risk.allowed()) {
    process.space_error =
        Error{Cause::TimedOut, 0, to_string(Mark{process.pid.value, 0, Fact::Maps})};
    return *process.space_error;
  }
  const Pid task = live_task(process);
  auto space = task == process.pid ? linux::AddressSpace::open(task, *process.dir)
                                   : linux::AddressSpace::open(task);
  Status usable = space ? Status(Done{}) : Status(space.error());
  if (usable && read_maps_ahead_) usable = space->load_maps();
  if (!usable) {
    process.space_error = usable.error();
    return *process.space_error;
  }
  process.space = std::make_unique<linux::AddressSpace>(std::move(*space));
  return process.space.get();
}

Result<linux::UniqueFd*> System::pidfd_of(ProcessEntry& process) {
  if (!process.pidfd) {
    auto pidfd = linux::open_pidfd(process.pid);
    if (!pidfd) return pidfd.error();
    process.pidfd = std::move(*pidfd);
  }
  return &*process.pidfd;
}

bool System::can_compare() {
  if (!compares_) {
    const Tid self{::getpid()};
    const auto order = linux::compare_tasks(linux::Kcmp::Vm, self, self);
    compares_ = order ? Status(Done{}) : Status(order.error());
  }
  return compares_->has_value();
}

void System::note_unknown_sharing() {
  if (std::exchange(said_unknown_sharing_, true) || can_compare()) return;
  Error error = compares_->error();
  error.what = "find out with kcmp(2) what processes share";
  note_unseen(Pid{}, Tid{}, std::move(error));
}

Result<std::vector<linux::KernelTask>> System::read_kernel_tasks() {
  const Risk risk(progress_, Pid{}, Fact::KernelTasks);
  if (!risk.allowed()) return Error{Cause::TimedOut, 0, "read the tasks of the kernel"};
  if (!task_iterator_) task_iterator_ = linux::TaskIterator::load();
  return *task_iterator_ ? (*task_iterator_)->read() : task_iterator_->error();
}

Result<const linux::KernelTask*> System::kernel_task(Tid tid) {
  if (!kernel_tasks_) {
    kernel_tasks_ = read_kernel_tasks();
    if (*kernel_tasks_) std::ranges::sort(**kernel_tasks_, {}, &linux::KernelTask::tid);
  }
  if (!*kernel_tasks_) return kernel_tasks_->error();
  const auto it = std::ranges::lower_bound(**kernel_tasks_, tid, {}, &linux::KernelTask::tid);
  if (it == (*kernel_tasks_)->end() || it->tid != tid)
    return Error{Cause::Gone, 0, "find a task of the kernel"};
  return &*it;
}

const linux::KernelTask* System::sleeper(Pid pid, Tid tid) {
  if (!asks_kernel_for_calls_) return nullptr;
  const auto found = kernel_task(tid);
  if (!found || (*found)->pid != pid || !(*found)->is_user || !(*found)->sleeps ||
      (*found)->call < 0)
    return nullptr;
  return *found;
}

const std::vector<snapshot::Fd>* System::table_of(const ProcessEntry& process, Tid tid) {
  for (const auto& [owner, fds] : process.thread_fds) {
    if (owner == tid) return &fds;
  }
  return process.fds ? &*process.fds : nullptr;
}

void System::note_unseen(Pid pid, Tid tid, Error error) {
  constexpr std::size_t kMost = 1000;
  if (error.cause == Cause::Gone) return;  // gone during a scan is normal
  const ProcessEntry* process = find(pid);
  const bool outside = process != nullptr && process->scope == Scope::Outsider;
  if (unseen_.size() >= (outside ? kMost / 2 : kMost)) return;
  unseen_.push_back({pid, tid, std::move(error)});
}

namespace {

void mark_descendants(System& system) {
  // parents need not have lower pids than their children: repeat until nothing changes
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& process : system.processes()) {
      if (process->scope != Scope::Outsider) continue;
      const ProcessEntry* parent = system.find(process->stat.ppid);
      if (parent == nullptr || parent->scope == Scope::Outsider || parent->scope == Scope::Self ||
          parent->scope == Scope::Holder) {
        continue;
      }
      process->scope = parent->scope == Scope::Related ? Scope::Related : Scope::Descendant;
      changed = true;
    }
  }
}

bool is_ancestor_of_self(System& system, Pid pid) {
  std::set<Pid> seen;
  for (ProcessEntry* at = system.find(system.self()); at != nullptr && seen.insert(at->pid).second;
       at = system.find(at->stat.ppid)) {
    if (at->pid == pid) return true;
  }
  return false;
}

/// A shell with job control gives each job a process group, a service manager each service a
/// session: whoever started the target and shares both is of the same program or script.
void mark_job(System& system, const ProcessEntry& target) {
  const auto is_of_job = [&](const ProcessEntry* process) {
    return process != nullptr && process->scope == Scope::Outsider &&
           process->stat.pgid == target.stat.pgid && process->stat.sid == target.stat.sid &&
           !is_ancestor_of_self(system, process->pid);
  };
  for (ProcessEntry* at = system.find(target.stat.ppid); is_of_job(at);
       at = system.find(at->stat.ppid))
    at->scope = Scope::Ancestor;
}

}  // namespace

void mark_tree(System& system, const std::vector<Pid>& targets) {
  for (const Pid target : targets) {
    ProcessEntry* process = system.find(target);
    if (process == nullptr || process->scope == Scope::Self) continue;
    process->scope = Scope::Target;
    mark_job(system, *process);
  }
  mark_descendants(system);
  std::set<Pid> sessions, groups;
  for (const auto& process : system.processes()) {
    if (process->scope != Scope::Target && process->scope != Scope::Descendant) continue;
    sessions.insert(process->stat.sid);
    groups.insert(process->stat.pgid);
  }
  // 0 of those who were put into a container: their leaders are of another PID namespace, and two
  // that have none in common look alike.
  sessions.erase(Pid{});
  groups.erase(Pid{});
  for (const auto& process : system.processes()) {
    if (process->scope != Scope::Outsider) continue;
    const ProcessEntry* adopter = system.find(process->stat.ppid);
    if (adopter != nullptr &&
        adopter->scope == Scope::Self) {  // `run` is the reaper of its command's orphans
      process->scope = Scope::Related;
      continue;
    }
    if (process->pid == process->stat.sid) continue;
    if (!sessions.contains(process->stat.sid) && !groups.contains(process->stat.pgid)) continue;
    // its real parent was of the session too: one outside it means that it was adopted
    const bool adopted = adopter == nullptr || adopter->stat.sid != process->stat.sid;
    // who may not be looked into (the kernel hides its stack then) is a stranger that may hold
    // something
    const bool open_to_us = process->stat.start_stack != 0 || process->stat.state == 'Z';
    if (adopted && open_to_us && !is_ancestor_of_self(system, process->pid))
      process->scope = Scope::Related;
  }
  mark_descendants(system);
}

}  // namespace ipcdoctor::collect
