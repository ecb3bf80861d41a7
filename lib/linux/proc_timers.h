#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

enum class TimerNotify { Signal, None, Thread };

/// One POSIX timer of /proc/PID/timers (needs CONFIG_CHECKPOINT_RESTORE); see proc(5). The file
/// does not say whether it is armed.
struct PosixTimer {
  int id = 0;
  int signal = 0;
  TimerNotify notify = TimerNotify::Signal;
  bool to_one_thread = false;  ///< SIGEV_THREAD_ID ("signal/tid.N")
  int target = 0;              ///< pid or tid, in the reader's namespace
  int clockid = 0;
};

Result<std::vector<PosixTimer>> parse_timers(std::string_view text);
/// Needs PTRACE_MODE_ATTACH on recent kernels. @return Denied, Gone (also without
/// CONFIG_CHECKPOINT_RESTORE).
Result<std::vector<PosixTimer>> read_timers(const ProcDir& process);

/// Does /proc/timer_list have a hrtimer with the function it_real_fn, i.e. has any process of the
/// system an armed setitimer(ITIMER_REAL) or alarm(2)? Text without any active hrtimer line is
/// Malformed, not "none".
Result<bool> parse_real_timer_armed(std::string_view text);
/// Root only. @return Denied, Gone.
Result<bool> read_real_timer_armed(const ProcDir& system);

}  // namespace ipcdoctor::linux
