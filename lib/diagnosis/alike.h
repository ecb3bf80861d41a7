#pragma once

#include <cstdint>
#include <vector>

#include "diagnosis/relations.h"
#include "graph/wait_graph.h"

/// Which tasks nothing tells apart: the same program, the same call on the same kind of object in
/// the same role, the same place in its code, the same liveness.
namespace ipcdoctor::diagnosis {

/// How much of a stack tells tasks apart.
enum class Detail { UserFrames, InnermostFrame, NoFrames };

/// Equal numbers: alike. By place in Relations. A process is alike to another if its threads are
/// too.
struct Colours {
  std::vector<std::uint64_t> processes;
  std::vector<std::uint64_t> threads;
  std::vector<std::uint64_t> objects;
};

/// Partition refinement with a few rounds: at first by what a task or an object is by itself, then
/// by the colours of those that it has to do with. One pass over the relations a round.
Colours colours_of(const Relations& relations, const graph::WaitGraph& graph, Detail detail);

}  // namespace ipcdoctor::diagnosis
