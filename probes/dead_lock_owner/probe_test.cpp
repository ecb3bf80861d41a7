#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kDeadLockOwner;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using snapshot::Ownership;
using snapshot::WaitKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(DeadLockOwner, FindsAMutexWhoseOwnerIsGone) {
  Builder b;
  b.area(7, {40, 42});
  b.process(40).thread().waits_for_child(42);
  auto client = b.process(42).child_of(40).thread().shared_futex(7, LockKind::Mutex);
  client.lock().ownership = Ownership::Dead;
  client.lock().dead_owner = 41;
  client.lock().checked = true;

  const auto answer = ask(kDeadLockOwner, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "41");
  EXPECT_TRUE(answer.findings[0].culprits[0].dead);
}

TEST(DeadLockOwner, FindsAMultiprocessingLockThatNobodyAliveCounts) {
  Builder b;
  b.area(7, {40, 42});
  b.process(40).thread().waits_for_child(42);
  auto client = b.process(42).child_of(40).thread().shared_futex(7, LockKind::SharedSemaphore);
  client.lock().numbers = {{snapshot::LockNumber::Max, 1},
                           {snapshot::LockNumber::Kind, 1},
                           {snapshot::LockNumber::Value, 0}};
  client.activity("multiprocessing.Lock.acquire", made("multiprocessing.Lock", "lock"));

  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::Found);
}

TEST(DeadLockOwner, IgnoresAMultiprocessingLockThatALivingProcessCounts) {
  Builder b;
  b.area(7, {40, 42, 43});
  auto semaphore = made("multiprocessing.SemLock", "lock",
                        {{snapshot::Number::Count, 1}, {snapshot::Number::Maxvalue, 1}});
  semaphore.texts.set(snapshot::Text::Semaphore, "/mp-x");
  auto wanted = made("multiprocessing.Lock", "lock");
  wanted.texts.set(snapshot::Text::Semaphore, "/mp-x");
  b.process(40).thread().waits_for_children({42, 43});
  auto client = b.process(42).child_of(40).thread().shared_futex(7, LockKind::SharedSemaphore);
  client.lock().numbers = {{snapshot::LockNumber::Max, 1},
                           {snapshot::LockNumber::Kind, 1},
                           {snapshot::LockNumber::Value, 0}};
  client.activity("multiprocessing.Lock.acquire", wanted);
  b.process(43).child_of(40).thread().waits_for_child(42).process().interpreter.objects = {
      semaphore};

  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::NotFound);
}

/// A child that waits for a slot of a semaphore, the only child left of those that were started.
Builder waiter_for_a_slot(const char* name) {
  Builder b;
  b.area(7, {40, 43});
  auto child = made("multiprocessing.Process", "p",
                    {{snapshot::Number::Pid, 43}, {snapshot::Number::ParentPid, 40}});
  child.texts.set(snapshot::Text::Process, name);
  b.process(40).python().thread().waits_for_child(43).process().interpreter.objects = {child};
  auto waiter =
      b.process(43).child_of(40).python().thread().shared_futex(7, LockKind::SharedSemaphore);
  waiter.process().forked_copy = true;
  waiter.lock().numbers = {{snapshot::LockNumber::Max, 0x7fffffff},
                           {snapshot::LockNumber::Kind, 1},
                           {snapshot::LockNumber::Value, 0}};
  waiter.activity("multiprocessing.Semaphore.acquire", made("multiprocessing.Semaphore", "slots"));
  return b;
}

TEST(DeadLockOwner, FindsSlotsThatSiblingsTookAlongWhenTheyEnded) {
  EXPECT_EQ(ask(kDeadLockOwner, waiter_for_a_slot("Process-3").build()).outcome, Outcome::Found);
}

TEST(DeadLockOwner, IgnoresASemaphoreOfTheFirstChild) {
  EXPECT_EQ(ask(kDeadLockOwner, waiter_for_a_slot("Process-1").build()).outcome, Outcome::NotFound);
}

TEST(DeadLockOwner, FindsASysvSemaphoreWhoseLastOperatorIsGone) {
  Builder b;
  b.raw().sysv = {{"sem", 3, 0, {0}, {Pid{41}}, {Pid{42}}}};
  b.process(40).thread().waits_for_child(42);
  auto client = b.process(42).child_of(40).thread().waits(WaitKind::SysvSem, "semop");
  client.wait().sysv = {3, {{0, -1}}};

  const auto answer = ask(kDeadLockOwner, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "41");
}

TEST(DeadLockOwner, IgnoresAHandshakeOfTwoSemaphores) {
  Builder b;
  b.area(7, {40, 42}, "/dev/zero (deleted)").area(8, {40, 42}, "/dev/zero (deleted)");
  b.process(40).thread().shared_futex(7);
  b.process(42).child_of(40).thread().shared_futex(8);

  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::NotFound);
}

TEST(DeadLockOwner, SuspectsAThreadThatEndedWithALock) {
  Builder b;
  auto waiter = b.process(42).python().thread().futex(0x1000, LockKind::UnownedLock);
  waiter.lock().ownership = Ownership::NotStored;
  waiter.at("/app/app.py", 6, "main");
  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::NotFound);

  waiter.process().interpreter.ended_threads = 2;
  const auto answer = ask(kDeadLockOwner, b.build());
  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_NE(answer.findings[0].explanation.find("2 threads of its process have ended"),
            std::string::npos);
  EXPECT_EQ(answer.findings[0].explanation.find("shared memory"), std::string::npos);
}

TEST(DeadLockOwner, FindsARwlockWhoseReaderIsGone) {
  Builder b;
  b.area(7, {40});
  auto writer = b.process(40).thread().shared_futex(7, LockKind::RwlockWrite);
  writer.lock().numbers.set(snapshot::LockNumber::Readers, 1);
  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::Found);

  writer.lock().numbers.set(snapshot::LockNumber::Readers, 0);
  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::NotFound);
}

TEST(DeadLockOwner, IgnoresARwlockOfWhichOneWhoWaitsForSomethingElseMayBeTheReader) {
  Builder b;
  b.area(7, {40, 41});
  auto writer = b.process(40).thread().shared_futex(7, LockKind::RwlockWrite);
  writer.lock().numbers.set(snapshot::LockNumber::Readers, 1);
  b.process(41).child_of(40).fd(3, pipe(7), snapshot::Access::Both).thread().reads(3);

  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::NotFound);
}

TEST(DeadLockOwner, IsInconclusiveWhenTheOwnerCannotBeRead) {
  Builder b;
  b.process(42).thread().futex(0x1000, LockKind::Mutex).lock().ownership = Ownership::Unreadable;

  EXPECT_EQ(ask(kDeadLockOwner, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
