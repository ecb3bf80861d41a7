#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "diagnosis/probe.h"
#include "snapshot/testing.h"

/// What every probe test does: build a snapshot, ask one probe about it.
namespace ipcdoctor::probes::testing {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder
using diagnosis::Outcome;
using diagnosis::Strength;

inline diagnosis::Answer ask(const diagnosis::Probe& probe, const Snapshot& snapshot) {
  const graph::WaitGraph graph(snapshot);
  return probe.run({snapshot, graph});
}
inline diagnosis::Answer ask(const diagnosis::Probe& probe, const Builder& builder) {
  return ask(probe, builder.build());
}

/// The pids of the culprits of the first finding; empty without one.
inline std::vector<int> culprits(const diagnosis::Answer& answer) {
  std::vector<int> pids;
  if (answer.findings.empty()) return pids;
  for (const diagnosis::Culprit& culprit : answer.findings.front().culprits)
    pids.push_back(culprit.task.pid.value);
  return pids;
}

/// The same as "40 42".
inline std::string blamed(const diagnosis::Answer& answer) {
  std::string text;
  for (const int pid : culprits(answer)) text += (text.empty() ? "" : " ") + std::to_string(pid);
  return text;
}

/// An object of Python's library.
inline RuntimeObject made(std::string type, std::string name = "", std::uint64_t address = 0x1000) {
  RuntimeObject object;
  object.type = std::move(type);
  object.name = std::move(name);
  object.address = RemoteAddr{address};
  return object;
}

inline RuntimeObject made(std::string type, std::string name,
                          std::map<std::string, std::int64_t> numbers) {
  RuntimeObject object = made(std::move(type), std::move(name));
  object.numbers = std::move(numbers);
  return object;
}

/// The first process's wait could not be read: nothing can be said.
inline Builder blind() {
  Builder b;
  auto process = b.process(40).thread();
  process.last().wait = Error{Cause::Denied, 13, "read /proc/40/syscall"};
  return b;
}

}  // namespace ipcdoctor::probes::testing
