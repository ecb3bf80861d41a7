#pragma once

#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// What an idle event loop's thread waits for in the program's own terms: the frames of the
/// coroutines that the task of asyncio's run_until_complete() awaits, innermost first; through
/// other tasks, and through the first of a gather() that has not ended. Empty: the thread runs no
/// loop of asyncio, or the task is not suspended.
/// @param thread  the thread's own frames, innermost first
std::vector<PyFrame> read_awaited(const std::vector<PyFrame>& thread, const Frames& reader,
                                  const Objects& objects);

}  // namespace ipcdoctor::runtime::cpython
