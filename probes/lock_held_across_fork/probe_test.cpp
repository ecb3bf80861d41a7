#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLockHeldAcrossFork;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using snapshot::Ownership;
using testing::ask;
using testing::blamed;

TEST(LockHeldAcrossFork, FindsAnOwnerThatWasLeftInTheParent) {
  Builder b;
  auto parent = b.process(40).thread().waits_for_child(42);
  parent.thread(41).sleeps();
  auto child = b.process(42).child_of(40).thread().futex(0x1000, LockKind::Mutex);
  child.process().forked_copy = true;
  child.lock().ownership = Ownership::LeftInParent;
  child.lock().owners = {task(40, 41)};
  child.lock().checked = true;

  const auto answer = ask(kLockHeldAcrossFork, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40 42");
  EXPECT_EQ(answer.findings[0].culprits[0].task.tid.value, 41);
}

TEST(LockHeldAcrossFork, FindsTheOnlyThreadOfAForkThatWaitsForALockWithoutOwner) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  auto child = b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);
  child.process().forked_copy = true;

  const auto answer = ask(kLockHeldAcrossFork, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40 42");
}

TEST(LockHeldAcrossFork, NamesTheParentsThreadThatIsInsideTheLock) {
  Builder b;
  auto parent = b.process(40).thread().waits_for_child(42);
  parent.thread(41).sleeps().at("/app/app.py", 7, "update");
  parent.last().held_locks = {RemoteAddr{0x1000}};
  auto child = b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);
  child.process().forked_copy = true;

  const auto answer = ask(kLockHeldAcrossFork, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].where, "app.py:7");
}

TEST(LockHeldAcrossFork, IgnoresAForkedCopyThatTookTheLockItself) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  auto child = b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);
  child.process().forked_copy = true;
  child.last().held_locks = {RemoteAddr{0x1000}};

  EXPECT_EQ(ask(kLockHeldAcrossFork, b.build()).outcome, Outcome::NotFound);
}

TEST(LockHeldAcrossFork, IgnoresAProcessThatRunsItsOwnProgram) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);

  EXPECT_EQ(ask(kLockHeldAcrossFork, b.build()).outcome, Outcome::NotFound);
}

TEST(LockHeldAcrossFork, IsInconclusiveWhenTheFutexIsUnknown) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().futex(0x1000);

  const auto answer = ask(kLockHeldAcrossFork, b.build());

  EXPECT_EQ(answer.outcome, Outcome::Inconclusive);
  EXPECT_EQ(answer.missing.size(), 1U);
}

}  // namespace
}  // namespace ipcdoctor::probes
