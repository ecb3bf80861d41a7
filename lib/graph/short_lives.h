#pragma once

#include "snapshot/snapshot.h"

namespace ipcdoctor::graph {

/// Whether a process is one of the workers that a pool starts for those that end, of which none
/// lives for more than some seconds: it is younger than the pool's own threads, nothing says that a
/// worker is to end after some tasks, and by the number of processes that the pool's owner has
/// started, those live that short one with another, and this one has not lived longer.
/// Numbers of threads and processes grow, but for a wrap: it is good for a claim under a condition.
bool is_short_lived_worker(const snapshot::Snapshot& snapshot, const snapshot::Process& owner,
                           const snapshot::RuntimeObject& pool, const snapshot::Process& worker);

}  // namespace ipcdoctor::graph
