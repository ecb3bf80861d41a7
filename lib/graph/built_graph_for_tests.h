#pragma once

#include <utility>

#include "graph/wait_graph.h"
#include "snapshot/testing.h"

/// The graph of a hand-made snapshot, in one expression.
namespace ipcdoctor::graph::testing {

struct KeptSnapshot {
  Snapshot snapshot;
};

/// A graph that keeps its snapshot alive.
struct BuiltGraph : private KeptSnapshot, public WaitGraph {
  explicit BuiltGraph(Snapshot built)
      : KeptSnapshot{std::move(built)}, WaitGraph(KeptSnapshot::snapshot) {}
  BuiltGraph(BuiltGraph&&) = delete;
};

inline BuiltGraph graph_of(const snapshot::testing::Builder& builder) {
  return BuiltGraph(builder.build());
}

inline Level level_of(const snapshot::testing::Builder& builder, TaskRef who) {
  return graph_of(builder).level(who);
}

}  // namespace ipcdoctor::graph::testing
