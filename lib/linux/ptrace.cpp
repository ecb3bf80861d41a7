#include "linux/ptrace.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include "linux/deputy.h"
#include "linux/proc_stat.h"

namespace ipcdoctor::linux {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kEventStop = 128;  // PTRACE_EVENT_STOP, which glibc 2.36 does not name for C++

long trace(__ptrace_request request, Tid tid, unsigned long data) {
  return ::ptrace(request, tid.value, nullptr,
                  reinterpret_cast<void*>(data));  // NOLINT(performance-no-int-to-ptr)
}

/// Waits for a change of the tracee, never past the deadline. @return waitpid's: tid, 0 at the
/// deadline, -1.
int wait_until(Tid tid, int& status, Clock::time_point deadline) {
  std::chrono::microseconds pause{10};
  for (;;) {
    const int changed = ::waitpid(tid.value, &status, __WALL | WNOHANG);
    if (changed != 0 && !(changed < 0 && errno == EINTR)) return changed;
    if (Clock::now() >= deadline) return 0;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(1000));
  }
}

bool is_job_control(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/// A zombie refuses with EPERM like a lack of rights does, and a thread in D would stay seized:
/// look first.
Status check_state(Tid tid, const std::string& what) {
  const auto system = ProcDir::open_system();
  if (!system) return system.error();
  const auto task = system->open_below(std::to_string(tid.value));
  if (!task) return task.error();
  const auto stat = read_stat(*task);
  if (!stat) return stat.error();
  if (stat->state == 'Z' || stat->state == 'X') return Error{Cause::Gone, 0, what};
  if (stat->state == 't') return Error{Cause::Denied, 0, what + " (already traced)"};
  if (stat->state == 'D') return Error{Cause::TimedOut, 0, what + " (uninterruptible)"};
  return Done{};
}

}  // namespace

Result<StoppedThread> StoppedThread::stop(Tid tid, std::chrono::milliseconds patience) {
  const std::string what = "stop thread " + std::to_string(tid.value);
  const auto deadline = Clock::now() + patience;
  const Status usable = check_state(tid, what);
  if (!usable) return usable.error();
  if (trace(PTRACE_SEIZE, tid, 0) != 0) return Error{cause_of(errno), errno, what};
  (void)trace(PTRACE_INTERRUPT, tid, 0);  // fails only if it died just now, which the wait tells

  int status = 0;
  const int changed = wait_until(tid, status, deadline);
  if (changed < 0) return Error{errno == ECHILD ? Cause::Gone : cause_of(errno), errno, what};
  if (changed == 0) {
    // It may have stopped after the last look: then this detaches. Else it stays seized until we
    // end.
    (void)trace(PTRACE_DETACH, tid, 0);
    return Error{Cause::TimedOut, ETIMEDOUT, what};
  }
  if (!WIFSTOPPED(status)) return Error{Cause::Gone, 0, what};
  const int signal = WSTOPSIG(status);
  if (status >> 16 == kEventStop) return StoppedThread(tid, 0, is_job_control(signal));
  if (status >> 16 != 0) return StoppedThread(tid, 0, false);  // another event: nothing to pass on
  return StoppedThread(tid, signal,
                       false);  // a signal came first: it would be lost unless passed on
}

StoppedThread::StoppedThread(StoppedThread&& from) noexcept
    : tid_(std::exchange(from.tid_, Tid{})),
      signal_(from.signal_),
      group_stopped_(from.group_stopped_) {}

StoppedThread& StoppedThread::operator=(StoppedThread&& from) noexcept {
  if (this != &from) {
    release();
    tid_ = std::exchange(from.tid_, Tid{});
    signal_ = from.signal_;
    group_stopped_ = from.group_stopped_;
  }
  return *this;
}

StoppedThread::~StoppedThread() {
  release();
}

void StoppedThread::release() {
  const Tid tid = std::exchange(tid_, Tid{});
  if (tid.value == 0) return;
  if (trace(PTRACE_DETACH, tid, static_cast<unsigned long>(signal_)) == 0) return;
  // It was killed in the meantime. Until we reap it, its parent's wait is held up.
  int status = 0;
  (void)wait_until(tid, status, Clock::now() + std::chrono::milliseconds(100));
}

Result<user_regs_struct> StoppedThread::read_registers() const {
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, tid_.value, nullptr, &registers) != 0) {
    return Error{cause_of(errno), errno, "read registers of " + std::to_string(tid_.value)};
  }
  return registers;
}

Result<user_regs_struct> read_registers(Tid tid) {
  constexpr std::chrono::milliseconds kPatience{100};
  using deputy::Wish;
  if (deputy::is_asked()) return deputy::ask<user_regs_struct>(Wish::Registers, tid.value);
  const auto stopped = StoppedThread::stop(tid, kPatience);
  return stopped ? stopped->read_registers() : stopped.error();
}

bool may_be_stopped(const SyscallState& call, FileOfCall file) {
  constexpr std::uint64_t kWaitAll =
      0x100;  // MSG_WAITALL: what has come is returned as a short count
  const bool is_safe_file =
      file == FileOfCall::NotSocket || file == FileOfCall::SocketWithoutTimeout;
  if (call.kind == SyscallState::Kind::Running)
    return false;  // what it blocks in by then is not known
  if (call.kind == SyscallState::Kind::NotInCall) return true;
  switch (call.nr) {
    case SYS_read:
    case SYS_readv:
      return is_safe_file;
    case SYS_accept:
    case SYS_accept4:
      return file == FileOfCall::SocketWithoutTimeout;
    case SYS_recvfrom:
      return file == FileOfCall::SocketWithoutTimeout && (call.args[3] & kWaitAll) == 0;
    case SYS_recvmsg:
      return file == FileOfCall::SocketWithoutTimeout && (call.args[2] & kWaitAll) == 0;
    case SYS_select:
      return call.args[4] == 0;  // a timeout would be prolonged by the stop
    case SYS_ppoll:
      return call.args[2] == 0;
    case SYS_pselect6:
      return call.args[4] == 0;
    case SYS_open:
    case SYS_openat:
    case SYS_flock:
    case SYS_fcntl:
    case SYS_futex:
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_poll:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_msgsnd:
    case SYS_msgrcv:
    case SYS_pause:
    case SYS_rt_sigsuspend:
      return true;
    default:
      return false;
  }
}

}  // namespace ipcdoctor::linux
