#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// What is used of /proc/PID/stat (or /proc/PID/task/TID/stat); see proc(5). Needs no permission.
struct Stat {
  int id = 0;        ///< field 1: pid or tid
  std::string comm;  ///< raw bytes
  char state = '?';  ///< R S D T t Z X I
  Pid ppid, pgid, sid;
  int tty_nr = 0;           ///< dev_t of the controlling terminal; 0 = none
  std::uint64_t flags = 0;  ///< PF_*
  std::uint64_t utime_ticks = 0, stime_ticks = 0;
  int num_threads = 0;
  std::uint64_t start_ticks = 0;  ///< since boot, units of sysconf(_SC_CLK_TCK)
  int wait_status =
      -1;  ///< field 52, as wait(2) tells it; of zombies, and 0 without PTRACE_MODE_READ; -1 = none
  std::uint64_t start_stack =
      0;  ///< field 28, the same over fork and new at exec; 0 without PTRACE_MODE_READ

  /// A leader that has may have threads that live on.
  bool has_exited() const { return state == 'Z' || state == 'X'; }

  bool is_kernel_thread() const { return (flags & 0x00200000) != 0; }  ///< PF_KTHREAD
  bool is_exiting() const { return (flags & 0x00000004) != 0; }        ///< PF_EXITING
};

/// comm is taken between the first '(' and the last ')', because a program may put ") " in its own
/// name.
/// @return Malformed when a field we use is absent or not a number.
Result<Stat> parse_stat(std::string_view line);
Result<Stat> read_stat(const ProcDir& task);

}  // namespace ipcdoctor::linux
