#include <gtest/gtest.h>

#include "probes/internal/answers_for_tests.h"

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
