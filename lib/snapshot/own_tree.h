#pragma once

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// Whether the process is of what the user asked about for sure: a target, an ancestor of its job,
/// a descendant of these, or an orphan whom `run` has adopted. Others of the same session
/// (Scope::Related) may be strangers.
bool is_of_own_tree(const Snapshot& snapshot, const Process& process);

/// Whether it is a target or a descendant of one.
bool is_below_target(const Snapshot& snapshot, Pid pid);

}  // namespace ipcdoctor::snapshot
