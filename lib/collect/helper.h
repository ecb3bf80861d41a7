#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collect/progress.h"

namespace ipcdoctor::collect {

/// What the helper does: it may call `send` several times, each time with a better answer.
using Send = std::function<void(const std::string& bytes)>;
using Work = std::function<void(Progress& progress, const Send& send)>;

struct Limits {
  std::chrono::milliseconds deadline{
      10000};  ///< for everything; the helper is told to finish a little earlier
  std::chrono::milliseconds patience{1500};  ///< without a step of progress
  bool ask_ancestor = false;  ///< what the helper is denied is opened by us: see linux::Broker
  std::function<void()> tick = {};  ///< called again and again while the helper works; may be empty
};

/// Runs `work` in a child process (fork without exec) that dies with us and holds none of our
/// descriptors. If it stops making progress or crashes, it is killed and started again without the
/// fact that it was reading, a few times.
/// @return the last answer; if there is none TimedOut, Limit (out of memory) or Other (it crashed,
/// or no child could be started).
Result<std::string> run_in_helper(const Limits& limits, const Work& work);

}  // namespace ipcdoctor::collect
