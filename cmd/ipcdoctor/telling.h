#pragma once

#include <chrono>
#include <string>

namespace ipcdoctor::cmd {

/// What takes longer than a second says so each second, where standard error is a terminal, and
/// takes that back at its end.
class Telling {
 public:
  /// @param what  such as "watching the processes"
  explicit Telling(std::string what);
  Telling(const Telling&) = delete;
  Telling& operator=(const Telling&) = delete;
  ~Telling() { end(); }

  void tick();  ///< to be called now and then meanwhile
  void end();   ///< before something else is written

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  bool terminal_;
  Clock::time_point begin_ = Clock::now();
  std::chrono::seconds told_{0};
};

}  // namespace ipcdoctor::cmd
