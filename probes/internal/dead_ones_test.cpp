#include "probes/internal/dead_ones.h"

#include <gtest/gtest.h>

#include "snapshot/renumber.h"
#include "snapshot/testing.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::testing::Builder;

/// Two hosts, on each of which a process counts as 42, in namespaces that could not be read.
snapshot::Snapshot two_hosts() {
  Builder b;
  for (const int first : {snapshot::kFirstJoined, snapshot::kFirstJoined + 10}) {
    b.process(first).thread().sleeps();
    b.process(first).process().ns_pid = 42;
    snapshot::Host host;
    host.name = "h" + std::to_string(first);
    host.first = first;
    host.numbers = {42};
    b.raw().hosts.push_back(host);
  }
  return b.build();
}

TEST(LivingProcess, IsOnTheHostOfWhoKnowsTheNumber) {
  const snapshot::Snapshot snapshot = two_hosts();
  const graph::WaitGraph graph(snapshot);

  for (const snapshot::Process& viewer : snapshot.processes) {
    const snapshot::Process* found = living_process({snapshot, graph}, viewer, 42);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->pid, viewer.pid);
  }
}

TEST(LivingProcess, OneThatIsLeftOutMayBeLikeOneOfAnotherHost) {
  snapshot::Snapshot snapshot = two_hosts();
  const Pid left_out{snapshot.hosts[1].first + 1};
  snapshot.hosts[1].numbers.push_back(43);
  snapshot.left_out.push_back({left_out, Pid{}, 43, snapshot.processes[0].pid});
  const graph::WaitGraph graph(snapshot);

  EXPECT_NE(living_process({snapshot, graph}, snapshot.processes[1], 43), nullptr);
  EXPECT_EQ(living_process({snapshot, graph}, snapshot.processes[0], 43), nullptr);
}

}  // namespace
}  // namespace ipcdoctor::probes
