#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnosis/probe.h"
#include "snapshot/testing.h"

/// What every probe test does: build a snapshot, ask one probe about it.
namespace ipcdoctor::probes::testing {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder
using diagnosis::Outcome;
using diagnosis::Strength;

inline diagnosis::Answer ask(const diagnosis::Probe& probe, const Builder& builder) {
  const Snapshot snapshot = builder.build();
  const graph::WaitGraph graph(snapshot);
  return probe.run({snapshot, graph});
}

/// The pids of the culprits of the first finding; empty without one.
inline std::vector<int> culprits(const diagnosis::Answer& answer) {
  std::vector<int> pids;
  if (answer.findings.empty()) return pids;
  for (const diagnosis::Culprit& culprit : answer.findings.front().culprits)
    pids.push_back(culprit.task.pid.value);
  return pids;
}

/// The first process's wait could not be read: nothing can be said.
inline Builder blind() {
  Builder b;
  auto process = b.process(40).thread();
  process.last().wait = Error{Cause::Denied, 13, "read /proc/40/syscall"};
  return b;
}

}  // namespace ipcdoctor::probes::testing
