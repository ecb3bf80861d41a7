#pragma once

#include <string>

#include "diagnosis/probe.h"
#include "snapshot/testing.h"

/// For tests of probes: run one on a hand-made snapshot.
namespace ipcdoctor::probes::testing {

inline diagnosis::Answer ask(const diagnosis::Probe& probe, const snapshot::Snapshot& snapshot) {
  const graph::WaitGraph graph(snapshot);
  return probe.run({snapshot, graph});
}

/// "40 42": the pids that the first finding blames, in its order.
inline std::string blamed(const diagnosis::Answer& answer) {
  std::string text;
  if (answer.findings.empty()) return text;
  for (const auto& culprit : answer.findings.front().culprits)
    text += (text.empty() ? "" : " ") + std::to_string(culprit.task.pid.value);
  return text;
}

/// An object of Python's library.
inline snapshot::RuntimeObject made(std::string type, std::string name = "",
                                    std::uint64_t address = 0x1000) {
  snapshot::RuntimeObject object;
  object.type = std::move(type);
  object.name = std::move(name);
  object.address = RemoteAddr{address};
  return object;
}

inline snapshot::RuntimeObject made(std::string type, std::string name,
                                    std::map<std::string, std::int64_t> numbers) {
  snapshot::RuntimeObject object = made(std::move(type), std::move(name));
  object.numbers = std::move(numbers);
  return object;
}

}  // namespace ipcdoctor::probes::testing
