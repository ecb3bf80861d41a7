#include "collect/signals.h"

#include <csignal>

#include <algorithm>
#include <optional>

#include "linux/fdinfo.h"
#include "linux/proc_timers.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}
constexpr int kThreadTimerSignal = 32;  // SIGTIMER of glibc: SIGEV_THREAD

bool has_timer(const ProcessEntry& process, std::uint64_t caught) {
  const auto timers = linux::read_timers(*process.dir);
  if (!timers) return timers.error().cause != Cause::Gone;  // not known: it may have one
  return std::ranges::any_of(*timers, [&](const linux::PosixTimer& timer) {
    if (timer.notify == linux::TimerNotify::None) return false;
    if (timer.notify == linux::TimerNotify::Thread || timer.signal == kThreadTimerSignal)
      return true;
    return timer.signal >= 1 && timer.signal <= 64 && (caught & bit(timer.signal)) != 0;
  });
}

bool has_async_file(const ProcessEntry& process) {
  if (!process.fds) return true;
  return std::ranges::any_of(*process.fds, [&](const snapshot::Fd& fd) {
    const bool can = fd.object.kind != snapshot::ObjectKind::File &&
                     fd.object.kind != snapshot::ObjectKind::Directory;
    if (!can) return false;
    const auto flags = linux::read_fd_flags(*process.dir, fd.fd);
    return flags && (*flags & 020000) != 0;
  });
}

bool waits_for_signal(const ProcessEntry& process) {
  return std::ranges::any_of(process.threads, [](const ThreadEntry& t) {
    return t.out.wait && t.out.wait->kind == snapshot::WaitKind::Signal;
  });
}

/// Whether its alarm counts down; unknown: it may.
bool is_alarm_armed(System& system, const ProcessEntry& process) {
  const auto task = system.kernel_task(Tid{process.pid.value});
  return !task || (*task)->alarm_armed;
}

}  // namespace

void read_signal_sources(System& system) {
  std::optional<Result<bool>> any_armed;  // by any process of the system
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || !process->status) continue;
    const std::uint64_t caught = process->status->caught;
    if ((process->status->ignored & bit(SIGALRM)) == 0) {
      if (!any_armed) any_armed = linux::read_real_timer_armed(system.proc());
      const bool caught_here = (caught & bit(SIGALRM)) != 0;
      const bool nobody = *any_armed && !**any_armed;
      // one that kills matters to those who wait for a signal
      const bool matters = caught_here || (*any_armed && waits_for_signal(*process));
      const bool armed = !nobody && matters && is_alarm_armed(system, *process);
      process->out.timer_possible = caught_here && *any_armed && armed;
      process->out.alarm_possible = armed;
    }
    if (has_timer(*process, caught)) process->out.timer_possible = true;
    if ((caught & bit(SIGIO)) != 0) process->out.async_io = has_async_file(*process);
  }
}

void read_cpu_timers(System& system) {
  constexpr std::uint64_t kCpuTime = bit(SIGVTALRM) | bit(SIGPROF);
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || !process->status) continue;
    const bool runs =
        std::ranges::any_of(process->threads, [](const ThreadEntry& t) { return !t.out.stable; });
    if (runs && (process->status->caught & kCpuTime) != 0) process->out.alarm_possible = true;
  }
}

}  // namespace ipcdoctor::collect
