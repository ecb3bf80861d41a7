#pragma once

#include <vector>

#include "collect/collect.h"
#include "collect/progress.h"
#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The stacks of the blocked threads of all examined processes, what their futexes are, and what their
/// language's runtime says about them.
void read_stacks(System& system, const Options& options);

/// Adds functions and lines to the stacks of these tasks.
void symbolise_here(snapshot::Snapshot& snapshot, const std::vector<snapshot::TaskRef>& tasks, Progress& progress);

}  // namespace ipcdoctor::collect
