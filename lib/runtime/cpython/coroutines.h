#pragma once

#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// What an idle event loop's thread waits for in the program's own terms: the frames of the
/// coroutines that the task of asyncio's run_until_complete() awaits, innermost first; through
/// other tasks, and through the first of a gather(), a wait() or a TaskGroup that has not ended.
/// Empty: the thread runs no loop of asyncio, or the task is not suspended.
/// @param thread  the thread's own frames, innermost first
struct Awaited {
  std::vector<PyFrame> frames;
  std::size_t tasks = 0;  ///< through how many that led; more than 1: it waits for another's end
};
Awaited read_awaited(const std::vector<PyFrame>& thread, const Frames& reader,
                     const Objects& objects);

/// The frames of what each task of asyncio is suspended in, innermost first: of those in the
/// library's set of weak references; from 3.14 on, where there is none, of those of the loop that
/// `thread` is in by run_until_complete(). At most 256.
std::vector<std::vector<PyFrame>> read_tasks(Object modules, const std::vector<PyFrame>& thread,
                                             const Frames& reader, const Objects& objects);

}  // namespace ipcdoctor::runtime::cpython
