#pragma once

#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/runtime_finder.h"
#include "runtime/cpython/types.h"

namespace ipcdoctor::runtime::cpython {

/// The locks of which these frames have called acquire() before the instruction in progress, and
/// call release() behind it: taken without a `with`. It goes by the order of the instructions, so
/// it is a guess; and such code may also wait for somebody else's release(). It tells whom to name,
/// and is no reason to count anybody as the only one to release it. Of threading.Lock, of what
/// multiprocessing has, and of asyncio's Lock and Semaphore, which `async with` holds too.
std::vector<Object> read_taken_locks(const std::vector<PyFrame>& frames, const Frames& reader,
                                     const Objects& objects, const Types& types,
                                     const Runtime& runtime);

/// The lock or semaphore of asyncio in whose acquire() a coroutine is suspended; 0: none.
Object awaited_lock(const std::vector<PyFrame>& frames, const Frames& reader, const Types& types);

/// How many tasks wait in a ring for each other's locks, that the task which awaits `lock` is in or
/// leads to; 1: it holds that lock itself; 0: none was found.
std::size_t ring_of_tasks(Object lock, const std::vector<std::vector<PyFrame>>& tasks,
                          const Frames& reader, const Objects& objects, const Types& types,
                          const Runtime& runtime);

}  // namespace ipcdoctor::runtime::cpython
