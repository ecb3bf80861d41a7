#include "graph/wait_graph.h"

#include <algorithm>
#include <set>

#include "graph/debts.h"
#include "graph/explain.h"
#include "graph/stuck_sets.h"
#include "graph/what_if.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::graph {

namespace {

/// Somebody of the programs looked at is in it, or behind it. What only strangers wait for is
/// theirs: those of the same session that are nobody's children any more, or who holds something.
bool concerns_the_tree(const Snapshot& snapshot, const StuckSet& set) {
  const auto is_inside = [&](const TaskRef& task) {
    const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
    return process != nullptr && snapshot::is_of_own_tree(snapshot, *process);
  };
  return std::ranges::any_of(set.core, is_inside) || std::ranges::any_of(set.behind, is_inside);
}

}  // namespace

struct WaitGraph::Impl {
  Impl(const Snapshot& of, Timed timed)
      : snapshot(of),
        gates(build_gates(snapshot, timed)),
        levels(find_levels(gates)),
        sets(find_stuck_sets(gates, levels)),
        explainer(snapshot, gates, levels) {
    std::erase_if(sets, [&](const StuckSet& set) { return !concerns_the_tree(snapshot, set); });
    for (const StuckSet& set : take_out_rest(snapshot, gates, levels, sets)) {
      resting.insert(set.core.begin(), set.core.end());
      resting.insert(set.behind.begin(), set.behind.end());
    }
  }

  const Snapshot& snapshot;
  Gates gates;
  std::vector<Level> levels;
  std::vector<StuckSet> sets;
  std::set<TaskRef> resting;
  Explainer explainer;
};

WaitGraph::WaitGraph(const Snapshot& snapshot, Timed timed)
    : impl_(std::make_unique<Impl>(snapshot, timed)) {}
WaitGraph::WaitGraph(WaitGraph&&) noexcept = default;
WaitGraph& WaitGraph::operator=(WaitGraph&&) noexcept = default;
WaitGraph::~WaitGraph() = default;

const std::vector<StuckSet>& WaitGraph::stuck_sets() const {
  return impl_->sets;
}

bool WaitGraph::is_at_rest(TaskRef task) const {
  return impl_->resting.contains(task);
}

Level WaitGraph::level(TaskRef task) const {
  const auto node = impl_->gates.node_of_task.find(task);
  return node == impl_->gates.node_of_task.end() ? Level::Live : impl_->levels[node->second];
}

std::vector<Waker> WaitGraph::wakers(TaskRef task, std::size_t limit) const {
  return impl_->explainer.wakers(task, limit);
}

std::vector<Leaf> WaitGraph::reasons(TaskRef task, std::size_t limit) const {
  return impl_->explainer.reasons(task, limit);
}

std::vector<Edge> WaitGraph::chain(const StuckSet& set, std::size_t limit) const {
  return impl_->explainer.chain(set, limit);
}

std::vector<TaskRef> WaitGraph::freed_by(std::span<const Event> events,
                                         std::span<const TaskRef> tasks) const {
  Level weakest = Level::Proved;
  for (const TaskRef& task : tasks) weakest = std::min(weakest, level(task));
  return graph::freed_by(impl_->snapshot, impl_->gates, events, tasks, weakest);
}

}  // namespace ipcdoctor::graph
