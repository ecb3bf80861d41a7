#pragma once

#include <chrono>

#include "collect/collect.h"
#include "collect/system.h"

namespace ipcdoctor::collect {

/// Watches for Options::observe the threads that are not simply blocked, and sets Thread::polls for
/// those that wake up (or were seen to, before), use next to no processor time and go back to the
/// same call at the same place.
/// @param latest  ends then, so that what follows comes in time
/// @return the window's true length.
std::chrono::duration<double, std::milli> observe(System& system, const Options& options,
                                                  Progress::Clock::time_point latest);

}  // namespace ipcdoctor::collect
