#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/build.h"

namespace ipcdoctor::graph {

/// Answers for people: who could wake a task, why one is alive, how a deadlock closes on itself.
/// Keeps references to what it is made from.
class Explainer {
 public:
  Explainer(const Snapshot& snapshot, const Gates& gates, const std::vector<Level>& levels)
      : snapshot_(snapshot), gates_(gates), levels_(levels) {}

  std::vector<Waker> wakers(TaskRef task, std::size_t limit) const;
  std::vector<Leaf> reasons(TaskRef task, std::size_t limit) const;
  std::vector<Edge> chain(const StuckSet& set, std::size_t limit) const;

 private:
  /// How a task was come to: the innermost gate that has a name, and the descriptor.
  struct Way {
    const char* by = "";
    ObjectId object;
    int fd = -1;
    Node gate = Gate::kNoGuard;  ///< the gate of that name
  };
  struct Step {
    Node node;
    Way way;
  };
  /// The tasks that are next to a task, each with the first way to it.
  std::vector<Step> next_tasks(Node from, Level level) const;
  Waker waker(Node from, const Step& step) const;
  std::string evidence(Node from, const Step& step) const;
  std::vector<Node> shortest_cycle(const std::vector<Node>& core, Level level) const;
  std::vector<Node> cycle_through(Node start, const Flags& core, Level level) const;
  bool add_edge(std::vector<Edge>& edges, Node from, Node to, Level level, std::size_t limit) const;
  void add_self_edge(std::vector<Edge>& edges, Node task, Level level) const;

  const Snapshot& snapshot_;
  const Gates& gates_;
  const std::vector<Level>& levels_;
};

}  // namespace ipcdoctor::graph
