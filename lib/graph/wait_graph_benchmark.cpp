#include <benchmark/benchmark.h>

#include <random>

#include "graph/reduction.h"
#include "graph/wait_graph.h"
#include "snapshot/testing.h"

namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Access;

/// Random OR and AND nodes with four inputs each.
void reduce_random_graph(benchmark::State& state) {
  const auto nodes = static_cast<Node>(state.range(0));
  std::mt19937 random(1);
  Network network;
  for (Node n = 0; n < nodes; ++n) {
    network.add(random() % 100 == 0 ? 0 : static_cast<std::uint32_t>(1 + random() % 3));
  }
  for (Node n = 0; n < nodes; ++n) {
    for (int i = 0; i < 4; ++i) network.connect(static_cast<Node>(random() % nodes), n);
  }
  network.freeze();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(reduce(network));
  state.SetItemsProcessed(state.iterations() * state.range(0) * 4);
}
BENCHMARK(reduce_random_graph)->Range(1 << 10, 1 << 20)->Unit(benchmark::kMillisecond);

/// A pool: one parent, workers that share every pipe of it, as many pipes as workers.
void graph_of_a_pool(benchmark::State& state) {
  const int workers = static_cast<int>(state.range(0));
  Builder b;
  for (int w = 0; w <= workers; ++w) {
    auto process = b.process(100 + w);
    for (int p = 0; p < workers; ++p) {
      const auto ino = static_cast<std::uint64_t>(p) + 1;
      process.fd(3 + 2 * p, pipe(ino), Access::Read).fd(4 + 2 * p, pipe(ino), Access::Write);
    }
    process.thread();
    if (w == 0) {
      process.waits_for_child(101);
    } else {
      process.child_of(100).reads(3 + 2 * (w - 1));
    }
  }
  const Snapshot snapshot = b.build();
  for ([[maybe_unused]] auto _ : state) {
    const WaitGraph graph(snapshot);
    benchmark::DoNotOptimize(graph.chain(graph.stuck_sets().at(0)));
  }
  state.SetItemsProcessed(state.iterations() * workers * workers * 2);
}
BENCHMARK(graph_of_a_pool)->Range(8, 512)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ipcdoctor::graph
