#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// What a process does when a signal comes; see sigaction(2).
struct SignalAction {
  int signal = 0;
  RemoteAddr handler;
  std::uint64_t flags = 0;  ///< SA_RESTART ...
};

/// What the kernel itself knows of a thread, and /proc does not tell.
struct KernelTask {
  Tid tid;
  Pid pid;
  bool is_user = false;      ///< it has user memory; without there are no registers
  bool alarm_armed = false;  ///< setitimer(ITIMER_REAL) or alarm(2) of its process counts down
  /// Registers of user space, as they were at its last entry into the kernel; those of a thread
  /// that runs in user space now are old.
  std::uint64_t sp = 0, pc = 0, rbp = 0, rbx = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  std::uint64_t switches = 0;  ///< as of TaskStatus
  std::string name;            ///< raw bytes
  /// The same number, the same descriptors. For nothing else: it is an address of the kernel's.
  std::uint64_t files = 0;
  /// As of TaskStatus.
  std::uint64_t pending = 0, shared_pending = 0, blocked = 0;
  /// Whether it sleeps and has left its processor, so that `switches` counts this sleep. Then these
  /// are the call that it sleeps in, or that it was in when a page fault or a signal came.
  bool sleeps = false;
  /// It sleeps in its call where a freezer need not wake it, as futex(2) does since Linux 6.1, and
  /// neither a page fault nor who waits for a server in user space: TASK_FREEZABLE,
  /// include/linux/sched.h.
  bool freezable = false;
  std::int64_t call = -1;
  std::array<std::uint64_t, 6> args{};
  std::vector<SignalAction> actions;  ///< leaders only: those with a handler, ascending
};

/// All threads of the system by the BPF iterator "task", stopping and waking nobody. The program
/// that the kernel runs for it only reads; its offsets come from the kernel's own type information,
/// and the kernel's verifier checks each against the member's type.
/// Needs CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN), /sys/kernel/btf/vmlinux, Linux 5.15 and
/// x86-64. Numbers are those of the first PID namespace, so only there is it any use. Source:
/// Documentation/bpf/bpf_iterators.rst, kernel/bpf/task_iter.c, include/linux/sched/signal.h
/// (Linux 6.1).
class TaskIterator {
 public:
  /// Costs some 20 ms, nearly all of it for reading the type information (60 where it cannot be
  /// mapped).
  /// @return Denied, Unsupported (kernel, another PID namespace).
  static Result<TaskIterator> load();
  /// All as they are now.
  /// @return Denied, Limit, Malformed.
  Result<std::vector<KernelTask>> read() const;
  /// What keeps it loaded, for another process.
  UniqueFd take_loaded() && { return std::move(loaded_); }

 private:
  explicit TaskIterator(UniqueFd loaded) : loaded_(std::move(loaded)) {}
  UniqueFd loaded_;
};

/// To look once.
Result<std::vector<KernelTask>> read_kernel_tasks();

}  // namespace ipcdoctor::linux
