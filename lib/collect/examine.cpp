#include "collect/examine.h"

#include <algorithm>
#include <string>

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

Result<linux::SyscallState> read_call(System& system, const ProcessEntry& process, Tid tid) {
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

/// @return false if it may live and could not be read.
bool add_thread(System& system, ProcessEntry& process, Tid tid) {
  const auto text = process.dir->read_record(task_file(tid, "status"));
  auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  if (!status) {
    system.note_unseen(process.pid, tid, status.error());
    return status.error().cause == Cause::Gone;
  }
  if (status->has_exited()) return true;
  ThreadEntry& thread = process.threads.emplace_back();
  thread.tid = tid;
  thread.status = std::move(*status);
  thread.ns_tid = thread.status.ns_pids.empty() ? tid.value : thread.status.ns_pids.back();
  thread.comm = process.stat.comm;
  if (tid.value != process.pid.value) {
    const auto comm = process.dir->read_record(task_file(tid, "comm"));
    if (comm) thread.comm = comm->substr(0, comm->rfind('\n'));
  }
  thread.call = read_call(system, process, tid);
  const auto wchan = process.dir->read_record(task_file(tid, "wchan"));
  if (wchan) thread.wchan = linux::parse_wchan(*wchan);
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
  const auto tids = process.stat.num_threads == 1
                        ? Result<std::vector<int>>(std::vector{process.pid.value})
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
  }
}

void look_again(System& system, ProcessEntry& process) {
  for (ThreadEntry& thread : process.threads) {
    if (thread.of_fiber) continue;
    const auto text = process.dir->read_record(task_file(thread.tid, "status"));
    const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
    const bool asks = thread.out.wait && thread.out.wait->asked;
    if (!status && status.error().cause == Cause::Gone) {  // it has ended: not stable
      if (asks) thread.out.wait = status.error();
      continue;
    }
    const auto line = process.dir->read_record(task_file(thread.tid, "syscall"));
    const auto call =
        line ? linux::parse_syscall(*line) : Result<linux::SyscallState>(line.error());
    if (!status || (!call && thread.call && call.error().cause != Cause::Gone)) {
      // What was seen once may not be so any more: nothing is known of it.
      thread.out.wait = status ? call.error() : status.error();
      system.note_unseen(process.pid, thread.tid, thread.out.wait.error());
      continue;
    }
    thread.out.switches = status->switches();
    thread.out.state = status->state;
    thread.out.stable =
        status->state == thread.status.state && status->switches() == thread.status.switches() &&
        thread.call && call && *call == *thread.call &&
        thread.call->kind != linux::SyscallState::Kind::Running && status->state != 'R';
    // It may wake between two looks: where its code was read, it stays in its loop.
    if (asks) thread.out.stable = status->state != 'Z' && status->state != 'X';
  }
}

}  // namespace ipcdoctor::collect
