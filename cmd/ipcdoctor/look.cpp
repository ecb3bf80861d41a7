#include "look.h"

#include <unistd.h>

#include <chrono>
#include <iostream>

namespace ipcdoctor::cmd {

Result<snapshot::Snapshot> look_at(const std::vector<Pid>& pids, collect::Options options) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  std::chrono::seconds told{0};
  if (::isatty(STDERR_FILENO) == 1) {
    options.tick = [&] {
      const auto passed = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin);
      if (passed == told) return;
      told = passed;
      std::cerr << "\rlooking at the processes: " << told.count() << " s" << std::flush;
    };
  }
  Result<snapshot::Snapshot> snapshot = collect::collect(pids, options);
  if (told.count() > 0) std::cerr << "\r\033[K" << std::flush;  // to the end of the line, ECMA-48
  return snapshot;
}

}  // namespace ipcdoctor::cmd
