#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// What is used of /proc/PID/status (or of a task); see proc(5). Needs no permission.
struct TaskStatus {
  std::string name;  ///< raw bytes, as comm has them
  char state = '?';
  Pid tgid;
  Pid tracer;             ///< 0 = none
  std::uint32_t uid = 0;  ///< real
  std::uint32_t effective_uid = 0;
  int threads = 0;  ///< live threads of the group; a zombie leader counts
  std::vector<int>
      ns_pids;  ///< NSpid: from the reader's namespace to the innermost; empty before Linux 4.1
  std::vector<int> ns_pgids;  ///< NSpgid
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  /// Bit n-1 = signal n.
  std::uint64_t pending = 0, shared_pending = 0, blocked = 0, ignored = 0, caught = 0;
  std::uint64_t effective_caps = 0;
  /// VmPeak and VmHWM, kB: the most that its address space ever had. They belong to the address
  /// space (mm_struct, fs/proc/task_mmu.c) and never sink; a zombie has none.
  std::uint64_t peak_size_kb = 0, peak_resident_kb = 0;
  int seccomp_mode = 0;        ///< 0 none, 1 strict, 2 filter
  bool kernel_thread = false;  ///< Kthread, since Linux 6.9; else false: see Stat::is_kernel_thread

  bool has_exited() const { return state == 'Z' || state == 'X'; }
  std::uint64_t switches() const { return voluntary_switches + involuntary_switches; }
};

/// Unknown lines are skipped, so later kernels may add any. A kernel thread or zombie lacks some
/// lines.
/// @return Malformed when State, Tgid, a signal set or a switch count is absent or not a number.
Result<TaskStatus> parse_status(std::string_view text);
Result<TaskStatus> read_status(const ProcDir& task);

}  // namespace ipcdoctor::linux
