#include "diagnosis/repairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/testing.h"

namespace ipcdoctor::diagnosis {
namespace {

using namespace snapshot::testing;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::WaitKind;
using ::testing::IsEmpty;

std::string words(const Builder& b, const std::vector<graph::Event>& events) {
  return describe(b.build(), events);
}

TEST(Repairs, AlikeEventsAreOnePhrase) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).thread().reads(3);
  b.process(42).fd(3, pipe(7), Access::Read).thread().reads(3);
  Holder one, two;
  one.pid = Pid{40};
  two.pid = Pid{42};
  one.fd = two.fd = 4;

  EXPECT_EQ(words(b, {closes(one), closes(two)}), "fd 4 closed in app[40] and app[42]");
  EXPECT_EQ(words(b, {wakes(task(40)), wakes(task(42))}),
            "data or EOF on pipe:[7] for app[40] and app[42]");
  EXPECT_EQ(words(b, {closes(one), wakes(task(42))}),
            "fd 4 closed in app[40] and data or EOF on pipe:[7] for app[42]");
}

TEST(Repairs, SayWhatIsDoneInTheWordsOfTheWait) {
  Builder b;
  b.process(40).thread(40).futex(0x10, LockKind::Mutex);
  b.process(40).thread(41).waits(WaitKind::Stopped, "");
  b.process(40).thread(42).futex(0x20, LockKind::Condition);
  const snapshot::Snapshot snapshot = b.build();

  EXPECT_EQ(describe(snapshot, {wakes(task(40))}), "a mutex released to app[40]");
  EXPECT_EQ(action_of(snapshot, wakes(task(40))), "release");
  EXPECT_EQ(describe(snapshot, {wakes(task(40, 41))}), "SIGCONT for app[40/41]");
  EXPECT_EQ(action_of(snapshot, wakes(task(40, 41))), "continue");
  EXPECT_EQ(action_of(snapshot, wakes(task(40, 42))), "wake");
}

TEST(Repairs, WhatFreesNobodyIsDroppedAndWhatFreesAllIsFirst) {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Write).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread();
  b.process(42).reads(3);
  const snapshot::Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  const Context context(snapshot, graph);
  Holder one;
  one.pid = Pid{40};
  one.fd = 4;
  Finding finding;
  finding.set = 0;
  add_repair(finding, {closes(one)});
  add_repair(finding, {wakes(task(42))});

  check_repairs(context, finding);

  ASSERT_EQ(finding.repairs.size(), 1U);
  EXPECT_EQ(finding.repairs[0].what, "data or EOF on pipe:[7] for app[42]");
  EXPECT_TRUE(frees_the_core(finding));
}

TEST(Repairs, NoneForNoEvent) {
  Finding finding;

  add_repair(finding, {});

  EXPECT_THAT(finding.repairs, IsEmpty());
}

}  // namespace
}  // namespace ipcdoctor::diagnosis
