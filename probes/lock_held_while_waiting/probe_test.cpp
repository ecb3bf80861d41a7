#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLockHeldWhileWaiting;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::FileLock;
using snapshot::LockKind;
using snapshot::Ownership;
using testing::ask;
using testing::blamed;

TEST(LockHeldWhileWaiting, FindsAJoinUnderTheMutexThatTheThreadNeeds) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});

  const auto answer = ask(kLockHeldWhileWaiting, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_EQ(answer.findings[0].culprits[0].task.tid.value, 40);
}

TEST(LockHeldWhileWaiting, TakesTheOnlyOtherThreadForWhoRunsAnInitialisation) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Once);

  const auto answer = ask(kLockHeldWhileWaiting, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].task.tid.value, 40);
}

TEST(LockHeldWhileWaiting, FindsAWaitForAChildThatNeedsTheFileLock) {
  Builder b;
  b.object(file(9));
  b.lock(FileLock{file(9), "posix", true, 0, ~std::uint64_t{0}, Pid{40}, {{Pid{40}, -1}}});
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().file_lock(file(9), "posix", false);

  const auto answer = ask(kLockHeldWhileWaiting, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

/// Process 40 took a manager's lock and joins 42, which asks the manager for it.
Builder lock_of_a_manager() {
  Builder b;
  auto lock = testing::made("Manager.proxy");
  lock.texts.set(snapshot::Text::Method, "acquire");
  b.process(40).python().thread().waits_for_child(42);
  b.process(41)
      .child_of(40)
      .python()
      .fd(5, unix_socket(1))
      .thread()
      .futex(0x1000, LockKind::UnownedLock);
  b.process(42)
      .child_of(40)
      .python()
      .fd(6, unix_socket(2))
      .thread()
      .reads(6)
      .activity("Manager.call", lock);
  b.connect(unix_socket(1), unix_socket(2));
  return b;
}

TEST(LockHeldWhileWaiting, FindsWhoMustHaveTheLockOfAManager) {
  const auto answer = ask(kLockHeldWhileWaiting, lock_of_a_manager().build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(LockHeldWhileWaiting, LeavesTheLockOfAManagerToTheDeadWhereOneDied) {
  Builder b = lock_of_a_manager();
  b.process(43).child_of(40).zombie();

  EXPECT_EQ(ask(kLockHeldWhileWaiting, b.build()).outcome, Outcome::NotFound);
}

TEST(LockHeldWhileWaiting, IgnoresARingOfLocksOnly) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});

  EXPECT_EQ(ask(kLockHeldWhileWaiting, b.build()).outcome, Outcome::NotFound);
}

TEST(LockHeldWhileWaiting, IsInconclusiveWhenTheOwnerCannotBeRead) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).lock().ownership = Ownership::Unreadable;

  EXPECT_EQ(ask(kLockHeldWhileWaiting, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
