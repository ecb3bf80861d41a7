#pragma once

#include "graph/wait_graph.h"

/// The reasons to live, each with what takes it away: one table for graph, probes and `run`.
namespace ipcdoctor::graph {

struct LifeRule {
  Life life;
  /// The strongest level at which it no longer counts; Live: it always does.
  Level off_at;
};

/// The row of that life.
const LifeRule& rule_of(Life life);

inline Level switched_off_at(Life life) {
  return rule_of(life).off_at;
}

}  // namespace ipcdoctor::graph
