#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The first look: status of the process, its threads with their state, switch counts and calls.
void examine(System& system, ProcessEntry& process);

/// What the threads of an examined process wait for. Needs the descriptor tables.
void decode_waits(System& system, ProcessEntry& process);

/// The second look: Thread::stable, final state and switch counts.
void look_again(ProcessEntry& process);

/// A thread by its id in the PID namespace of `near`. Empty: no such thread lives.
std::optional<snapshot::TaskRef> find_task(System& system, const ProcessEntry& near, int ns_tid);

}  // namespace ipcdoctor::collect
