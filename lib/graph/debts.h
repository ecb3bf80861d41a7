#pragma once

#include <vector>

#include "graph/build.h"
#include "graph/wait_graph.h"

namespace ipcdoctor::graph {

/// Passes data between those who hold its ends.
bool is_channel(snapshot::ObjectKind kind);

/// Fills StuckSet::debts, and takes out the sets that owe nothing to anybody while others of the
/// tree live: @return those, which are at rest. What may wait for the first client of a service
/// becomes Conditional, in `levels` too.
std::vector<StuckSet> take_out_rest(const Snapshot& snapshot, const Gates& gates,
                                    std::vector<Level>& levels, std::vector<StuckSet>& sets);

}  // namespace ipcdoctor::graph
