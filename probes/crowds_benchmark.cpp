#include <benchmark/benchmark.h>

#include <chrono>
#include <sstream>

#include "diagnosis/probe.h"
#include "probes/all_probes.h"
#include "probes/internal/crowds_for_tests.h"
#include "report/report.h"

/// How the time of graph, diagnosis and report grows with the number of alike tasks.
namespace ipcdoctor::probes::testing {
namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

void look_at(benchmark::State& state, const Snapshot& snapshot) {
  for ([[maybe_unused]] auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    const graph::WaitGraph graph(snapshot);
    state.counters["graph_ms"] = milliseconds_since(start);
    start = std::chrono::steady_clock::now();
    const diagnosis::Diagnosis diagnosis = diagnosis::diagnose({snapshot, graph}, all_probes());
    state.counters["diagnosis_ms"] = milliseconds_since(start);
    start = std::chrono::steady_clock::now();
    std::ostringstream out;
    report::write_text(out, {snapshot, graph, diagnosis}, {});
    state.counters["text_ms"] = milliseconds_since(start);
    state.counters["text_bytes"] = static_cast<double>(out.str().size());
    state.counters["findings"] = static_cast<double>(diagnosis.findings.size());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void readers(benchmark::State& state) {
  look_at(state, readers_of_a_pipe(static_cast<int>(state.range(0))));
}
void threads(benchmark::State& state) {
  look_at(state, threads_at_a_mutex(static_cast<int>(state.range(0))));
}
void consumers(benchmark::State& state) {
  look_at(state, consumers_of_a_queue(static_cast<int>(state.range(0))));
}
void thousand_kinds(benchmark::State& state) {
  look_at(state, many_kinds(static_cast<int>(state.range(0)), 1000));
}
void in_a_ring(benchmark::State& state) {
  look_at(state, ring(static_cast<int>(state.range(0))));
}

constexpr int kThousand = 1000, kMillion = 1'000'000;
#define SIZES \
  RangeMultiplier(10)->Range(kThousand, kMillion)->Unit(benchmark::kMillisecond)->Iterations(1)
BENCHMARK(readers)->SIZES;
BENCHMARK(threads)->SIZES;
BENCHMARK(consumers)->SIZES;
BENCHMARK(thousand_kinds)->SIZES;
BENCHMARK(in_a_ring)
    ->RangeMultiplier(2)
    ->Range(250, 4000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace
}  // namespace ipcdoctor::probes::testing
