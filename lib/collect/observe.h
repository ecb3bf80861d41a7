#pragma once

#include <chrono>
#include <set>

#include "collect/system.h"

namespace ipcdoctor::collect {

/// Watches for `window` the threads that are not simply blocked, and sets Thread::polls for those
/// that wake up (or were seen to, before), use next to no processor time and go back to the same
/// call at the same place.
/// @return the window's true length.
std::chrono::duration<double, std::milli> observe(System& system, std::chrono::milliseconds window,
                                                  const std::set<snapshot::TaskRef>& seen_waking);

}  // namespace ipcdoctor::collect
