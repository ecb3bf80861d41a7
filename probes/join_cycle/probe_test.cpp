#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kJoinCycle;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::ObjectKind;
using testing::ask;

TEST(JoinCycle, FindsTwoThreadsThatJoinEachOther) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::ThreadJoin).owned_by({task(40)});

  EXPECT_EQ(ask(kJoinCycle, b.build()).outcome, Outcome::Found);
}

TEST(JoinCycle, FindsAChildThatWaitsForItsParentsEnd) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42)
      .child_of(40)
      .fd(3, object(ObjectKind::PidFd, 40), Access::Read)
      .thread()
      .polls_in({3});

  const auto answer = ask(kJoinCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits.size(), 2U);
}

TEST(JoinCycle, IgnoresAJoinOfAThreadThatWaitsForALock) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});

  EXPECT_EQ(ask(kJoinCycle, b.build()).outcome, Outcome::NotFound);
}

TEST(JoinCycle, IsInconclusiveWhenTheFutexIsUnknown) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().futex(0x1000);

  EXPECT_EQ(ask(kJoinCycle, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
