#pragma once

#include <span>
#include <vector>

#include "graph/build.h"

namespace ipcdoctor::graph {

/// Those of `tasks` that could go on if all of this happened: whose wait it ends, and whom they may
/// help then. The leaves that are switched off at `level` stay so; at
/// Level::Live all are.
///
/// A reader has its end-of-file when the last copy of the other end is closed, a writer its error;
/// so what stays open elsewhere, or is on its way through a socket, counts.
std::vector<TaskRef> freed_by(const Snapshot& snapshot, const Gates& gates,
                              std::span<const Event> events, std::span<const TaskRef> tasks,
                              Level level);

}  // namespace ipcdoctor::graph
