#include "linux/reap.h"

#include <sys/wait.h>

#include <cerrno>
#include <thread>

namespace ipcdoctor::linux {

std::optional<int> reap(pid_t pid, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + patience;
  for (;;) {
    int status = 0;
    const pid_t reaped = ::waitpid(pid, &status, WNOHANG);
    if (reaped == pid) return status;
    if ((reaped < 0 && errno != EINTR) || Clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace ipcdoctor::linux
