#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

/// How the helper process tells its watchdog what it is about to do, so that a read which never
/// returns costs that one fact only.
namespace ipcdoctor::collect {

/// Kinds of reads that a hostile or broken target can make last for ever, or that parse what it
/// wrote.
enum class Fact : std::int32_t {
  None,
  Syscall,
  FdTable,
  FdInfo,
  CopyFd,
  Maps,
  Memory,
  Path,
  CommandLine,
  Environment,
  Stack,
  Runtime,
  Lock,
  Stop,
  KernelTasks,
  Code
};

struct Mark {
  std::int32_t pid = 0;
  std::int32_t tid = 0;  ///< or the descriptor, or 0
  Fact fact = Fact::None;
  friend bool operator==(const Mark&, const Mark&) = default;
};

/// "memory of 42".
std::string to_string(const Mark& mark);

/// Lives in memory that the helper and the watchdog share.
struct SharedProgress {
  std::atomic<std::uint64_t> steps{0};  ///< grows with every read begun or ended
  std::atomic<std::int32_t> pid{0}, tid{0};
  std::atomic<Fact> fact{Fact::None};
  std::atomic<std::int32_t> deputy{0};  ///< a process that works for the helper; 0: none
};

/// The helper's side.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param skip  facts that did not return in an earlier helper
  Progress(SharedProgress& shared, std::vector<Mark> skip, Clock::time_point deadline)
      : shared_(shared), skip_(std::move(skip)), deadline_(deadline) {}

  /// Says what comes next. false: it did not return the last time, leave it out.
  bool begin(const Mark& mark);
  /// The last read returned.
  void end();
  void step() { shared_.steps.fetch_add(1, std::memory_order_relaxed); }

  /// Time to send what there is.
  bool is_late() const { return Clock::now() >= deadline_; }
  Clock::time_point deadline() const { return deadline_; }
  const std::vector<Mark>& skipped() const { return skip_; }

 private:
  SharedProgress& shared_;
  std::vector<Mark> skip_;
  Clock::time_point deadline_;
};

/// Marks a read for the length of a block. `if (!risk.allowed()) ...`
class Risk {
 public:
  Risk(Progress& progress, Pid pid, Fact fact, int tid = 0)
      : progress_(progress), allowed_(progress.begin(Mark{pid.value, tid, fact})) {}
  ~Risk() {
    if (allowed_) progress_.end();
  }
  Risk(const Risk&) = delete;
  Risk& operator=(const Risk&) = delete;
  bool allowed() const { return allowed_; }

 private:
  Progress& progress_;
  bool allowed_;
};

}  // namespace ipcdoctor::collect
