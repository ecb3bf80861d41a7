#include "graph/reduction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>

namespace ipcdoctor::graph {
namespace {

/// A graph small enough to try every set of its nodes.
struct Plain {
  std::vector<std::uint32_t> need;
  std::vector<std::vector<Node>> inputs;  // may hold the same node twice
};

Network network_of(const Plain& plain) {
  Network network;
  for (const std::uint32_t need : plain.need) network.add(need);
  for (Node to = 0; to < plain.need.size(); ++to) {
    for (const Node from : plain.inputs[to]) network.connect(from, to);
  }
  network.freeze();
  return network;
}

Plain random_graph(std::mt19937& random, std::uint32_t nodes) {
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  Plain plain;
  plain.inputs.resize(nodes);
  for (std::uint32_t n = 0; n < nodes; ++n) {
    const std::uint32_t edges = below(4);
    for (std::uint32_t e = 0; e < edges; ++e) plain.inputs[n].push_back(below(nodes));
    std::vector<Node> distinct = plain.inputs[n];
    std::ranges::sort(distinct);
    const auto size = static_cast<std::uint32_t>(std::unique(distinct.begin(), distinct.end()) -
                                                 distinct.begin());
    plain.need.push_back(below(8) == 0 ? 0 : 1 + below(std::max(size, 1U)));
  }
  return plain;
}

/// Every member of a dead set lacks help even if all who are not in it can progress.
bool is_dead_set(const Plain& plain, std::uint32_t set) {
  for (Node n = 0; n < plain.need.size(); ++n) {
    if ((set >> n & 1) == 0) continue;
    std::uint32_t helpers = 0;
    for (const Node from : plain.inputs[n]) {
      if ((set >> from & 1) == 0) helpers |= 1U << from;
    }
    if (static_cast<std::uint32_t>(std::popcount(helpers)) >= plain.need[n]) return false;
  }
  return true;
}

/// The union of all dead sets, which is the greatest.
std::uint32_t greatest_dead_set(const Plain& plain) {
  std::uint32_t greatest = 0;
  for (std::uint32_t set = 0; set < 1U << plain.need.size(); ++set) {
    if (is_dead_set(plain, set)) greatest |= set;
  }
  return greatest;
}

std::uint32_t dead(const Plain& plain) {
  const Flags live = reduce(network_of(plain));
  std::uint32_t set = 0;
  for (Node n = 0; n < live.size(); ++n) set |= live[n] == 0 ? 1U << n : 0U;
  return set;
}

TEST(Reduction, FindsTheGreatestDeadSetOfRandomGraphs) {
  std::mt19937 random(1);
  std::uint32_t with_dead = 0, with_live = 0;
  for (int round = 0; round < 10000; ++round) {
    const Plain plain = random_graph(random, 2 + static_cast<std::uint32_t>(random() % 7));
    const std::uint32_t expected = greatest_dead_set(plain);
    ASSERT_EQ(dead(plain), expected) << "round " << round;
    with_dead += expected != 0 ? 1 : 0;
    with_live += expected != (1U << plain.need.size()) - 1 ? 1 : 0;
  }
  EXPECT_GT(with_dead, 1000U);
  EXPECT_GT(with_live, 1000U);
}

TEST(Reduction, HelpNeverEnlargesTheDeadSet) {
  std::mt19937 random(2);
  for (int round = 0; round < 10000; ++round) {
    Plain plain = random_graph(random, 10);
    const std::uint32_t before = dead(plain);
    const auto node = static_cast<Node>(random() % 10);
    switch (round % 3) {
      case 0:
        plain.inputs[node].push_back(static_cast<Node>(random() % 10));
        break;
      case 1:
        plain.need[node] -= plain.need[node] > 0 ? 1 : 0;
        break;
      default:
        plain.need[node] = 0;
    }
    ASSERT_EQ(dead(plain) & ~before, 0U) << "round " << round;
  }
}

TEST(Reduction, ParallelEdgesCountOnce) {
  EXPECT_EQ(dead({{0, 2}, {{}, {0, 0}}}), 2U);
}

TEST(Reduction, AnOrWithoutInputsIsDead) {
  EXPECT_EQ(dead({{1, 0}, {{}, {}}}), 1U);
}

TEST(Reduction, AllMeansAsManyAsThereAreDistinctInputs) {
  Network network;
  const Node live = network.add(0), dead_node = network.add(1);
  const Node both = network.add(Network::kAll), one = network.add(Network::kAll);
  network.connect(live, both);
  network.connect(dead_node, both);
  network.connect(live, one);
  network.connect(live, one);
  network.freeze();
  const Flags flags = reduce(network);
  EXPECT_EQ(flags[both], 0);
  EXPECT_EQ(flags[one], 1);
}

TEST(Reduction, WhatIsSwitchedOffHelpsNobody) {
  Network network;
  const Node leaf = network.add(0), task = network.add(1);
  network.connect(leaf, task);
  network.connect(task, leaf);
  network.freeze();
  EXPECT_EQ(reduce(network)[task], 1);
  const Flags flags = reduce(network, {1, 0});
  EXPECT_EQ(flags[leaf], 0);
  EXPECT_EQ(flags[task], 0);
}

TEST(Reduction, MergedEdgesKeepTheLowestLabel) {
  Network network;
  const Node a = network.add(0), b = network.add(1);
  network.connect(a, b);
  network.connect(a, b, 9);
  network.connect(a, b, 4);
  network.freeze();
  ASSERT_EQ(network.inputs(b).size(), 1U);
  EXPECT_EQ(network.inputs(b)[0].label, 4);
}

/// Two nodes are in one component if and only if each reaches the other.
TEST(StrongComponents, AgreeWithReachability) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    const Plain plain = random_graph(random, 8);
    const Network network = network_of(plain);
    Flags member(8);
    for (auto& flag : member) flag = random() % 4 != 0;
    const Components components = strong_components(network, member);
    bool reach[8][8] = {};
    for (Node a = 0; a < 8; ++a) {
      if (member[a] == 0) continue;
      reach[a][a] = true;
      for (const Node b : plain.inputs[a]) reach[a][b] = member[b] != 0;
    }
    for (Node k = 0; k < 8; ++k) {
      for (Node a = 0; a < 8; ++a) {
        for (Node b = 0; b < 8; ++b) reach[a][b] = reach[a][b] || (reach[a][k] && reach[k][b]);
      }
    }
    for (Node a = 0; a < 8; ++a) {
      ASSERT_EQ(components.of[a] == Components::kNone, member[a] == 0);
      for (Node b = 0; b < 8; ++b) {
        if (member[a] == 0 || member[b] == 0) continue;
        ASSERT_EQ(components.of[a] == components.of[b], reach[a][b] && reach[b][a]);
        if (reach[a][b]) {
          ASSERT_GE(components.of[a], components.of[b]);
        }
      }
    }
  }
}

TEST(StrongComponents, AChainOfAMillionNodesNeedsNoDeepStack) {
  Network network;
  constexpr Node kNodes = 1'000'000;
  for (Node n = 0; n < kNodes; ++n) network.add(1);
  for (Node n = 0; n < kNodes; ++n) network.connect((n + 1) % kNodes, n);
  network.freeze();
  EXPECT_EQ(strong_components(network, Flags(kNodes, 1)).count, 1U);
}

}  // namespace
}  // namespace ipcdoctor::graph
