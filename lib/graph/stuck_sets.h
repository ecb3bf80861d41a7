#pragma once

#include <vector>

#include "graph/build.h"

namespace ipcdoctor::graph {

/// The first level at which each node is dead; Live for those that never are.
std::vector<Level> find_levels(const Gates& gates);

/// At this level nothing comes through the node: its guard is switched off.
bool is_closed(const Gates& gates, const std::vector<Level>& levels, Node node, Level level);

std::vector<StuckSet> find_stuck_sets(const Gates& gates, const std::vector<Level>& levels);

}  // namespace ipcdoctor::graph
