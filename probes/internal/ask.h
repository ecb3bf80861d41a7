#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

/// What was read of an object of Python's library.
using Numbers = Facts<Number, std::int64_t>;

inline RuntimeObject made(std::string type, std::string name, Numbers numbers) {
  RuntimeObject object = made(std::move(type), std::move(name));
  object.numbers = std::move(numbers);
  return object;
}

/// 42 reads what 40 tells it, and has an end of what 41 reads; 41 got its copy of 40's end by fork.
/// @param copy  its number in 41: 6 as in 40, another for one that was made for it
inline Builder beside_a_reader(int copy) {
  Builder b;
  b.process(40).fd(6, pipe(9), Access::Write).thread().waits_for_child(41);
  b.process(41)
      .child_of(40)
      .fd(3, pipe(7), Access::Read)
      .fd(copy, pipe(9), Access::Write)
      .thread()
      .reads(3);
  b.process(42)
      .child_of(40)
      .fd(4, pipe(7), Access::Write)
      .fd(5, pipe(9), Access::Read)
      .thread()
      .reads(5);
  return b;
}

/// The first process's wait could not be read: nothing can be said.
inline Builder blind() {
  Builder b;
  auto process = b.process(40).thread();
  process.last().wait = Error{Cause::Denied, 13, "read /proc/40/syscall"};
  return b;
}

}  // namespace ipcdoctor::probes::testing
