#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// The graph algorithm alone: nodes that need k of their inputs, a least fixpoint, strong
/// components. It knows nothing of tasks or waits.
namespace ipcdoctor::graph {

using Node = std::uint32_t;

/// Nodes and the edges "if `from` can progress, that helps `to`".
class Network {
 public:
  static constexpr std::uint32_t kAll = ~std::uint32_t{0};

  struct Edge {
    Node node = 0;   ///< the other end
    int label = -1;  ///< of parallel edges the lowest that is not -1
  };

  /// @param need  0 live, 1 OR, k of n, kAll AND. An OR node without inputs is never live.
  Node add(std::uint32_t need);
  void connect(Node from, Node to, int label = -1);

  /// Merges parallel edges (each input counts once) and makes the edges readable; nothing may be
  /// added after.
  void freeze();

  std::size_t size() const { return need_.size(); }
  std::uint32_t need(Node node) const { return need_[node]; }
  std::span<const Edge> inputs(Node node) const { return edges_of(inputs_, input_start_, node); }
  std::span<const Edge> outputs(Node node) const { return edges_of(outputs_, output_start_, node); }

 private:
  struct Link {
    Node from = 0, to = 0;
    int label = -1;
  };
  static std::span<const Edge> edges_of(const std::vector<Edge>& edges,
                                        const std::vector<std::size_t>& start, Node node) {
    return {edges.data() + start[node], start[node + 1] - start[node]};
  }

  std::vector<std::uint32_t> need_;
  std::vector<Link> links_;
  std::vector<Edge> inputs_, outputs_;
  std::vector<std::size_t> input_start_, output_start_;
};

/// One flag a node; not vector<bool>, which is slow to index.
using Flags = std::vector<std::uint8_t>;

/// Which nodes can progress: the least set that is closed under the nodes' needs. O(V+E).
/// @param off  nodes that do not count as live although they need nothing; may be empty
/// @param on   nodes that count as live whatever they need; may be empty
Flags reduce(const Network& network, const Flags& off = {}, const Flags& on = {});

/// Strong components of the members, along inputs (from a node to what it waits for).
struct Components {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<std::uint32_t>
      of;  ///< component of each node, kNone outside; successors have lower numbers
  std::uint32_t count = 0;
};

/// @param member  the subgraph
/// @param closed  members whose inputs are not followed; may be empty
Components strong_components(const Network& network, const Flags& member, const Flags& closed = {});

}  // namespace ipcdoctor::graph
