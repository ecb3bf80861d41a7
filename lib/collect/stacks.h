#pragma once

#include <cstdint>
#include <vector>

#include "collect/collect.h"
#include "collect/progress.h"
#include "collect/system.h"
#include "snapshot/bytes.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The stacks of the blocked threads of all examined processes, what their futexes are, and what
/// their language's runtime says about them.
void read_stacks(System& system, const Options& options);

/// With the second look at the threads: who waits for a lock of which the owner is another by now
/// is not where he was, nor anything that was concluded from it.
void look_again_at_locks(System& system);

/// The stacks and nothing that is behind them. None: those of a language, and named native ones
/// where there is none. All: native ones everywhere.
void read_only_stacks(System& system, Symbols symbols);

/// Unwinds once more with the registers of a stop, one thread at a time, where the stack was
/// incomplete without; only after all other evidence is in. Auto: only threads whose call goes on
/// as if nothing had happened. Always: also those that return EINTR. @return how many threads were
/// stopped.
std::uint32_t reread_stacks_stopped(System& system, StopPolicy policy);

/// What a thread in a futex does in the words of its language's library, by the names of its
/// frames.
void find_library_call(snapshot::Thread& thread);

/// The native stacks of these tasks with functions and lines, and why some have none.
snapshot::NamedStacks symbolise_here(const snapshot::Snapshot& snapshot,
                                     const std::vector<snapshot::TaskRef>& tasks,
                                     Progress& progress);

}  // namespace ipcdoctor::collect
