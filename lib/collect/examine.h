#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// So many are read through /proc in the time that it takes to ask the kernel for all.
inline constexpr std::size_t kManyThreads = 500;

/// The first look: status of the process, its threads with their state, switch counts and calls.
void examine(System& system, ProcessEntry& process);

/// What the threads of an examined process wait for. Needs the descriptor tables.
void decode_waits(System& system, ProcessEntry& process);

/// The second look: Thread::stable, final state and switch counts. What cannot be looked at a
/// second time is unseen, whatever the first look said.
void look_again(System& system, ProcessEntry& process);
/// The same for all that were examined. Where they have many threads, the kernel itself is asked
/// who is as he was (linux/task_iterator.h), and /proc only for the others.
void look_again_at_all(System& system);

}  // namespace ipcdoctor::collect
