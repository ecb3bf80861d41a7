#include "collect/examine.h"

#include <sys/syscall.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/text.h"
#include "collect/blocked_call.h"
#include "collect/surroundings.h"
#include "linux/namespaces.h"
#include "linux/proc_wchan.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Scope;

constexpr std::size_t kMaxThreads = 100000;

std::string task_file(Tid tid, const char* name) {
  return "task/" + std::to_string(tid.value) + "/" + name;
}

/// As the kernel told it when it was asked about all threads, if this one has not run since.
const linux::KernelTask* told(System& system, const ProcessEntry& process,
                              const ThreadEntry& thread) {
  const linux::KernelTask* task = system.sleeper(process.pid, thread.tid);
  const bool same =
      task != nullptr && thread.status.state == 'S' && task->switches == thread.status.switches();
  return same ? task : nullptr;
}

Result<linux::SyscallState> read_call(System& system, const ProcessEntry& process,
                                      const ThreadEntry& thread) {
  const bool is_64bit = process.stat.start_stack >= std::uint64_t{1} << 32;
  if (const linux::KernelTask* task = is_64bit ? told(system, process, thread) : nullptr)
    return linux::SyscallState{linux::SyscallState::Kind::InCall, static_cast<long>(task->call),
                               task->args, RemoteAddr{task->sp}, RemoteAddr{task->pc}};
  const Tid tid = thread.tid;
  const Risk risk(system.progress(), process.pid, Fact::Syscall, tid.value);
  if (!risk.allowed()) {
    return Error{Cause::TimedOut, 0, to_string(Mark{process.pid.value, tid.value, Fact::Syscall})};
  }
  const auto line = process.dir->read_record(task_file(tid, "syscall"));
  return line ? linux::parse_syscall(*line) : Result<linux::SyscallState>(line.error());
}

snapshot::SignalSets signals_of(const linux::TaskStatus& status) {
  return {status.pending, status.shared_pending, status.blocked, status.ignored, status.caught};
}

/// A sleeping thread has of its own what the kernel told, and shares the rest that is used with its
/// leader: handlers (CLONE_THREAD needs CLONE_SIGHAND, clone(2)), and the namespace of its number.
linux::TaskStatus status_of(const linux::KernelTask& task, const linux::TaskStatus& leader) {
  linux::TaskStatus status = leader;
  status.name = task.name;
  status.state = 'S';
  status.ns_pids = {task.tid.value};
  status.voluntary_switches = task.switches;
  status.involuntary_switches = 0;
  status.pending = task.pending, status.shared_pending = task.shared_pending;
  status.blocked = task.blocked;
  return status;
}

Result<linux::TaskStatus> status_of(System& system, const ProcessEntry& process, Tid tid) {
  // that of the process is its leader's (proc_pid_status() of fs/proc/array.c, Linux 6.1)
  if (tid.value == process.pid.value) return process.status;
  if (process.status && process.status->ns_pids.size() == 1 && !process.status->has_exited())
    if (const linux::KernelTask* task = system.sleeper(process.pid, tid))
      return status_of(*task, *process.status);
  const auto text = process.dir->read_record(task_file(tid, "status"));
  return text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
}

/// What the kernel's function would tell: nothing where it is known to wait for a futex.
std::string wchan_of(System& system, const ProcessEntry& process, const ThreadEntry& thread) {
  const linux::KernelTask* task = told(system, process, thread);
  if (task != nullptr && task->freezable && task->call == SYS_futex) return "";
  const auto wchan = process.dir->read_record(task_file(thread.tid, "wchan"));
  return wchan ? linux::parse_wchan(*wchan) : "";
}

/// @return false if it may live and could not be read.
bool add_thread(System& system, ProcessEntry& process, Tid tid) {
  auto status = status_of(system, process, tid);
  if (!status) {
    system.note_unseen(process.pid, tid, status.error());
    return status.error().cause == Cause::Gone;
  }
  if (status->has_exited()) return true;
  ThreadEntry& thread = process.threads.emplace_back();
  thread.tid = tid;
  thread.status = std::move(*status);
  thread.ns_tid = thread.status.ns_pids.empty() ? tid.value : thread.status.ns_pids.back();
  thread.comm = tid.value == process.pid.value ? process.stat.comm : thread.status.name;
  thread.call = read_call(system, process, thread);
  thread.wchan = wchan_of(system, process, thread);
  thread.out.tid = tid;
  thread.out.comm = escape_untrusted(thread.comm);
  thread.out.state = thread.status.state;
  thread.out.switches = thread.status.switches();
  thread.out.signals = signals_of(thread.status);
  return true;
}

/// NSpid of a process has its number in each namespace from ours down.
int level_of(const linux::TaskStatus& status) {
  return std::max(0, static_cast<int>(status.ns_pids.size()) - 1);
}

void add_identity(System& system, ProcessEntry& process) {
  snapshot::Process& out = process.out;
  if (process.status) {
    out.uid = process.status->uid;
    out.tracer = process.status->tracer;
    out.ns_pid =
        process.status->ns_pids.empty() ? process.pid.value : process.status->ns_pids.back();
    out.inits_pid_ns = out.ns_pid == 1 && level_of(*process.status) > 0;
  }
  const auto namespaces = linux::read_namespaces(*process.dir);
  out.pid_ns = namespaces.pid.value_or(0);
  out.net_ns = namespaces.net.value_or(0);
  out.mount_ns = namespaces.mount.value_or(0);
  if (const auto exe = process.dir->read_link("exe")) out.exe = escape_untrusted(*exe);
  if (process.scope == Scope::Holder) return;
  if (!namespaces.net && process.status && !process.dead)
    system.note_unseen(process.pid, Tid{}, namespaces.net.error());
}

}  // namespace

void examine(System& system, ProcessEntry& process) {
  process.examined = true;
  const auto text = process.dir->read_record("status");
  process.status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  // It may have got more since it was listed.
  const bool alone =
      process.stat.num_threads == 1 && process.status && process.status->threads == 1;
  const auto tids = alone ? Result<std::vector<int>>(std::vector{process.pid.value})
                          : process.dir->list_numbers("task", kMaxThreads);
  bool all_read = tids || tids.error().cause == Cause::Gone;
  if (!tids) system.note_unseen(process.pid, Tid{}, tids.error());
  for (const int tid : tids.value_or(std::vector<int>{}))
    all_read = add_thread(system, process, Tid{tid}) && all_read;
  // Who lived when he was listed and has ended since has run meanwhile, and may have left a
  // successor with all that he had: he counts as one who was not looked into.
  process.dead = all_read && process.threads.empty() && process.stat.has_exited();
  add_identity(system, process);
}

namespace {

/// The table was read and lacks what the thread waits on: another one closed it, or its link was
/// not to be read.
void note_unknown_objects(System& system, const ProcessEntry& process, const ThreadEntry& thread) {
  if (System::table_of(process, thread.tid) == nullptr) return;
  for (const snapshot::Awaited& awaited : thread.out.wait->objects)
    if (awaited.object.kind == snapshot::ObjectKind::Unknown && awaited.fd >= 0)
      system.note_unseen(
          process.pid, thread.tid,
          Error{Cause::NotRead, 0, "tell what its fd " + std::to_string(awaited.fd) + " is"});
}

}  // namespace

void decode_waits(System& system, ProcessEntry& process) {
  for (ThreadEntry& thread : process.threads) {
    if (thread.out.wait.has_value()) continue;
    if (!thread.call) {
      thread.out.wait = thread.call.error();
      system.note_unseen(process.pid, thread.tid, thread.call.error());
      continue;
    }
    const BlockedCall blocked{{process.pid, thread.tid},
                              thread.status.state,
                              *thread.call,
                              thread.wchan,
                              is_32bit(system, process)};
    thread.out.wait = decode_wait(system, process, thread, blocked);
    note_unknown_objects(system, process, thread);
  }
}

namespace {

/// It sleeps in the same call, and has not run since.
bool is_as_before(const ThreadEntry& thread, const linux::KernelTask& task) {
  return task.sleeps && thread.status.state == 'S' && thread.call &&
         thread.call->kind == linux::SyscallState::Kind::InCall &&
         task.switches == thread.status.switches() && task.call == thread.call->nr &&
         task.args == thread.call->args && task.sp == thread.call->sp.value &&
         task.pc == thread.call->pc.value;
}

void look_again_at(System& system, ProcessEntry& process, ThreadEntry& thread) {
  const auto text = process.dir->read_record(task_file(thread.tid, "status"));
  const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  const bool asks = thread.out.wait && thread.out.wait->asked;
  if (!status && status.error().cause == Cause::Gone) {  // it has ended: not stable
    if (asks) thread.out.wait = status.error();
    return;
  }
  const auto line = process.dir->read_record(task_file(thread.tid, "syscall"));
  const auto call = line ? linux::parse_syscall(*line) : Result<linux::SyscallState>(line.error());
  if (!status || (!call && thread.call && call.error().cause != Cause::Gone)) {
    // What was seen once may not be so any more: nothing is known of it.
    thread.out.wait = status ? call.error() : status.error();
    system.note_unseen(process.pid, thread.tid, thread.out.wait.error());
    return;
  }
  thread.out.switches = status->switches();
  thread.out.state = status->state;
  thread.out.stable =
      status->state == thread.status.state && status->switches() == thread.status.switches() &&
      thread.call && call && *call == *thread.call &&
      thread.call->kind != linux::SyscallState::Kind::Running && status->state != 'R';
  // It may wake between two looks: where its code was read, it stays in its loop.
  if (asks || thread.waits_for_owner)
    thread.out.stable = status->state != 'Z' && status->state != 'X';
}

}  // namespace

void look_again(System& system, ProcessEntry& process) {
  for (ThreadEntry& thread : process.threads)
    if (!thread.of_fiber) look_again_at(system, process, thread);
}

void look_again_at_all(System& system) {
  std::size_t count = 0;
  for (const auto& process : system.processes())
    if (process->examined) count += process->threads.size();
  std::unordered_map<Tid, linux::KernelTask> now;
  if (count > kManyThreads)
    if (auto tasks = system.read_kernel_tasks())
      for (linux::KernelTask& task : *tasks) now.emplace(task.tid, std::move(task));
  const auto is_as_it_was = [&](const ProcessEntry& process, const ThreadEntry& thread) {
    const auto task = now.find(thread.tid);
    return task != now.end() && task->second.pid == process.pid &&
           is_as_before(thread, task->second);
  };
  std::vector<linux::deputy::File> files;
  for (const auto& process : system.processes())
    for (const ThreadEntry& thread : process->threads)
      if (process->examined && !thread.of_fiber && !is_as_it_was(*process, thread))
        for (const char* name : {"status", "syscall"})
          files.push_back({system.dir_to_read_ahead(*process), task_file(thread.tid, name)});
  const linux::deputy::ReadAhead ahead(linux::deputy::Wish::ReadRecord, files);
  for (const auto& process : system.processes()) {
    if (!process->examined) continue;
    for (ThreadEntry& thread : process->threads) {
      if (thread.of_fiber) continue;
      if (is_as_it_was(*process, thread))
        thread.out.stable = true;
      else
        look_again_at(system, *process, thread);
    }
  }
}

}  // namespace ipcdoctor::collect
