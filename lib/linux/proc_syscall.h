#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// /proc/PID/task/TID/syscall; see proc(5). Never to be trusted after a stop of the thread.
struct SyscallState {
  enum class Kind {
    Running,    ///< "running": not off the CPU at both looks of the kernel
    NotInCall,  ///< "-1 SP PC": blocked outside a call (page fault, stopped while it ran), or a
                ///< zombie (all 0)
    InCall,
  };
  Kind kind = Kind::Running;
  long nr = -1;
  std::array<std::uint64_t, 6> args{};
  RemoteAddr sp, pc;
  friend bool operator==(const SyscallState&, const SyscallState&) = default;
};

/// @return Malformed if it is none of the three forms.
Result<SyscallState> parse_syscall(std::string_view line);
/// Needs PTRACE_MODE_ATTACH: often Denied. May block while the target is in exec.
Result<SyscallState> read_syscall(const ProcDir& task);

/// What is left of the call number of a thread that shows restart_syscall (219, x86-64): the bytes
/// before PC are "b8 imm32 0f 05" in glibc's stubs. @param before_pc  the 7 bytes that end at PC.
/// @return -1 if they are something else.
long parse_call_stub(std::string_view before_pc);

}  // namespace ipcdoctor::linux
