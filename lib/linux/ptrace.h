#pragma once

#include <sys/user.h>

#include <chrono>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_syscall.h"

namespace ipcdoctor::linux {

/// One thread held in ptrace-stop; it runs on when this object dies.
/// Tracer thread only: ptrace ties a target to the thread that seized it. A stop makes some blocked
/// calls return EINTR (may_be_stopped() says which do not): only on request of the user, and after
/// all other evidence is in.
class StoppedThread {
 public:
  /// PTRACE_SEIZE and PTRACE_INTERRUPT, never ATTACH: if we are killed the target runs on.
  /// @param patience  wall-clock time to wait for the stop.
  /// @return Denied (credentials, Yama, already traced), Gone, or TimedOut (state D cannot stop; it
  /// stays seized until the calling process ends, which it must do soon).
  static Result<StoppedThread> stop(Tid tid, std::chrono::milliseconds patience);
  StoppedThread(StoppedThread&& from) noexcept;
  StoppedThread& operator=(StoppedThread&& from) noexcept;
  ~StoppedThread();  ///< detaches; passes on a signal caught while waiting

  Tid tid() const { return tid_; }
  bool was_group_stopped() const {
    return group_stopped_;
  }  ///< found in state T; it stays so afterwards
  Result<user_regs_struct> read_registers() const;

 private:
  StoppedThread(Tid tid, int signal, bool group_stopped)
      : tid_(tid), signal_(signal), group_stopped_(group_stopped) {}
  void release();

  Tid tid_{};       ///< 0 = moved from
  int signal_ = 0;  ///< to deliver at detach
  bool group_stopped_ = false;
};

/// Stops it for that; in a deputy, if there is one that is asked.
Result<user_regs_struct> read_registers(Tid tid);

/// What is known of the file that a blocked call works on.
enum class FileOfCall { NotSocket, SocketWithoutTimeout, Unknown };

/// Does a thread blocked in this x86-64 call go on after a stop as if nothing had happened? True
/// for calls that the kernel restarts and whose timeout it keeps; false for those that return EINTR
/// or a short count (signal(7), "Interruption of system calls and library functions by stop
/// signals", and measurements on Linux 6.18), and for all that is not known.
bool may_be_stopped(const SyscallState& call, FileOfCall file);

}  // namespace ipcdoctor::linux
