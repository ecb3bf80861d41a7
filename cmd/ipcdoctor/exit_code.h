#pragma once

#include "base/result.h"

/// The exit codes of attach, watch and analyze; scripts rely on them (ipcdoctor(1), EXIT STATUS).
namespace ipcdoctor::cmd {

inline constexpr int kNoFinding = 0;  ///< and everything that was needed was seen
inline constexpr int kFinding = 1;    ///< at least one of verdict deadlock or stuck
inline constexpr int kUsage = 2;      ///< also an unreadable snapshot or an unwritable report
inline constexpr int kBlindSpots =
    3;  ///< no finding, but too little was seen to say that all is well
inline constexpr int kNoTarget = 4;     ///< gone, not permitted, or nothing that can be examined
inline constexpr int kCrashed = 5;      ///< a process of ours crashed or was killed
inline constexpr int kNoMemory = 6;     ///< a process of ours ran out of memory
inline constexpr int kNoTime = 7;       ///< a process of ours did not answer in time
inline constexpr int kRunFailed = 125;  ///< of `run`, whose other codes are those of its command

/// Why there is no report.
constexpr int exit_code_of(const Error& error) {
  switch (error.cause) {
    case Cause::Limit:
      return kNoMemory;
    case Cause::TimedOut:
      return kNoTime;
    case Cause::Other:  // of a system call if it has a number
      return error.number == 0 ? kCrashed : kNoTarget;
    default:
      return kNoTarget;
  }
}

}  // namespace ipcdoctor::cmd
