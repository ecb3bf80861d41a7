#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "diagnosis/probe.h"

/// A program of ten thousand alike tasks is explained by some of each kind. Who is dead is decided
/// on the whole snapshot; the probes see a smaller one, and what they say of the few is said of all
/// that are alike.
namespace ipcdoctor::diagnosis {

/// Some of each kind of task: a snapshot that names what it leaves out, and its graph.
struct Fold {
  std::unique_ptr<Snapshot> snapshot;
  std::unique_ptr<graph::WaitGraph> graph;
  std::vector<int> whole_set_of;  ///< of each stuck set of `graph`: the one it is a part of
  /// Of each, the whole sets that are like it and of which nothing is in `graph`.
  std::vector<std::vector<int>> alike_sets;
  std::vector<TaskRef> shortened;  ///< tasks that wait for more than is left in `snapshot`
};

/// Empty where little would be left out: of small programs, and where all tasks are different.
/// Of those that a kept task waits for some of each kind are kept too, and every kept task has the
/// level, and is in the set, that it has in the whole.
std::optional<Fold> fold(const Context& whole);

/// Says of all what was said of the few: stuck tasks and culprits are listed each.
void unfold(const Fold& fold, const Context& whole, Diagnosis& diagnosis);

}  // namespace ipcdoctor::diagnosis
