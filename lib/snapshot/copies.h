#pragma once

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// A process whose memory is a forked copy of the waiter's, or of which the waiter's is one, and
/// where the threading.Event that `thread` waits for is set: whoever set it meant the waiter.
/// Objects stay at their addresses over a fork.
/// @return nullptr if there is none, or the thread waits for something else
const Process* find_signalled_copy(const Snapshot& snapshot, const Process& waiter,
                                   const Thread& thread);

}  // namespace ipcdoctor::snapshot
