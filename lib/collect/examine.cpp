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

bool is_dead(char state) {
  return state == 'Z' || state == 'X';
}

snapshot::SignalSets signals_of(const linux::TaskStatus& status) {
  return {status.pending, status.shared_pending, status.blocked, status.ignored, status.caught};
}

void add_thread(System& system, ProcessEntry& process, Tid tid) {
  const auto text = process.dir->read_record(task_file(tid, "status"));
  auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  if (!status) {
    system.note_unseen(process.pid, tid, status.error());
    return;
  }
  if (is_dead(status->state)) return;
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
  std::vector<int> tids{process.pid.value};
  if (process.stat.num_threads != 1) {
    auto listed = process.dir->list_numbers("task", kMaxThreads);
    if (listed) {
      tids = std::move(*listed);
    } else {
      system.note_unseen(process.pid, Tid{}, listed.error());
    }
  }
  for (const int tid : tids) {
    if (std::ranges::find(process.threads, Tid{tid}, &ThreadEntry::tid) == process.threads.end()) {
      add_thread(system, process, Tid{tid});
    }
  }
  process.dead = process.threads.empty();
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

void look_again(ProcessEntry& process) {
  for (ThreadEntry& thread : process.threads) {
    const auto text = process.dir->read_record(task_file(thread.tid, "status"));
    const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
    if (!status) continue;  // it has ended: not stable
    const auto line = process.dir->read_record(task_file(thread.tid, "syscall"));
    const auto call =
        line ? linux::parse_syscall(*line) : Result<linux::SyscallState>(line.error());
    thread.out.switches = status->switches();
    thread.out.state = status->state;
    thread.out.stable =
        status->state == thread.status.state && status->switches() == thread.status.switches() &&
        thread.call && call && *call == *thread.call &&
        thread.call->kind != linux::SyscallState::Kind::Running && status->state != 'R';
  }
}

namespace {

/// The number of a task in the namespace that `level` levels below ours; 0 = not there.
int number_at(const linux::TaskStatus& status, int level) {
  const auto index = static_cast<std::size_t>(level);
  return index < status.ns_pids.size() ? status.ns_pids[index] : 0;
}

std::optional<snapshot::TaskRef> find_in_own_namespace(System& system, int tid) {
  const auto text =
      system.proc().read_record(std::to_string(tid) + "/status");  // works for thread ids too
  const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  if (!status || is_dead(status->state)) return std::nullopt;
  return snapshot::TaskRef{status->tgid, Tid{tid}};
}

}  // namespace

std::optional<snapshot::TaskRef> find_task(System& system, const ProcessEntry& near, int ns_tid) {
  if (ns_tid <= 0) return std::nullopt;
  const int level = near.status ? level_of(*near.status) : 0;
  if (level == 0) return find_in_own_namespace(system, ns_tid);
  for (const auto& process : system.processes()) {
    const auto ns = linux::read_namespace(*process->dir, "pid");
    if (!ns || *ns != near.out.pid_ns) continue;
    const auto tids = process->dir->list_numbers("task", kMaxThreads);
    for (const int tid : tids.value_or(std::vector<int>{})) {
      const auto text = process->dir->read_record(task_file(Tid{tid}, "status"));
      const auto status =
          text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
      if (status && !is_dead(status->state) && number_at(*status, level) == ns_tid) {
        return snapshot::TaskRef{process->pid, Tid{tid}};
      }
    }
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::collect
