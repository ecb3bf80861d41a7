#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <csignal>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kMissedWakeup;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using diagnosis::Strength;
using snapshot::Access;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(MissedWakeup, FindsAConditionThatNobodySignalsAnyMore) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x1000, LockKind::Condition);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(MissedWakeup, AnotherProcessCannotSignalWhatIsInTheWaitersOwnMemory) {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Write).thread().futex(0x1000, LockKind::Unknown);
  b.process(41).child_of(40).fd(0, pipe(7), Access::Read).thread().reads(0);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(MissedWakeup, BlamesTheWaiterTooWhereTheOtherSideHasEndedInPeace) {
  Builder b;
  b.process(40).thread().shared_futex(9, LockKind::Condition);
  b.area(9, {40});
  b.process(41).child_of(40).zombie().process().wait_status = 0;
  EXPECT_EQ(blamed(ask(kMissedWakeup, b.build())), "41 40");

  b.process(41).process().wait_status = SIGKILL;
  EXPECT_EQ(blamed(ask(kMissedWakeup, b.build())), "41");
}

TEST(MissedWakeup, FindsAnEventLoopThatOnlyWatchesItself) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto loop = b.process(40).python().fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread();
  loop.polls_in({3}).activity("asyncio.Queue.get", made("asyncio.Queue", "jobs"));

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_EQ(
      answer.findings[0].title.find("an item that no task is left to put") != std::string::npos,
      true);
}

/// An epoll set that watches a socket with data in it; the peer waits for the answer.
Builder unread_data(std::uint32_t events) {
  const snapshot::ObjectId set = object(snapshot::ObjectKind::Epoll, 9);
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40)
      .fd(3, unix_socket(1))
      .fd(5, set)
      .thread()
      .waits(snapshot::WaitKind::Epoll, "epoll_wait");
  b.process(40).on(5, true, false);
  b.process(41).child_of(40).fd(4, unix_socket(2)).thread().reads(4);
  b.object(set).watched = {{3, unix_socket(1), events}};
  b.object(unix_socket(1)).socket->receive_queue = 3;
  return b;
}

TEST(MissedWakeup, FindsDataWhoseOneShotEventWasNotArmedAgain) {
  const auto answer = ask(kMissedWakeup, unread_data(EPOLLONESHOT).build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_NE(answer.findings[0].title.find("EPOLLONESHOT"), std::string::npos);
  EXPECT_NE(answer.findings[0].fix.find("EPOLL_CTL_MOD"), std::string::npos);
}

TEST(MissedWakeup, FindsDataWhoseEdgeHasPassed) {
  const auto answer = ask(kMissedWakeup, unread_data(EPOLLIN | EPOLLET).build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_NE(answer.findings[0].fix.find("EAGAIN"), std::string::npos);
}

TEST(MissedWakeup, LeavesTheEdgesOfEventLoopsAlone) {
  const auto go =
      ask(kMissedWakeup, unread_data(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET).build());
  EXPECT_NE(go.outcome, Outcome::Found);

  Builder woken = unread_data(EPOLLIN | EPOLLET);
  woken.object(unix_socket(1)).socket->receive_queue = 0;
  woken.object(eventfd(8)).queued = 1;
  woken.object(object(snapshot::ObjectKind::Epoll, 9))
      .watched.push_back({6, eventfd(8), EPOLLIN | EPOLLET});
  EXPECT_NE(ask(kMissedWakeup, woken.build()).outcome, Outcome::Found);
}

TEST(MissedWakeup, AnIdleWorkerOfAPoolDoesNotLead) {
  Builder b;
  auto p = b.process(40).fd(3, pipe(7)).thread().reads(3);
  p.thread(41).futex(0x1000, LockKind::Condition);
  for (const auto& finding : ask(kMissedWakeup, b.build()).findings)
    EXPECT_LT(finding.strength, Strength::Guess);

  Builder python;
  auto main = python.process(40).python().thread().futex(0x1000, LockKind::Condition);
  main.activity("queue.Queue.get", made("queue.Queue", "q"));
  main.thread(41).futex(0x2000, LockKind::Condition);
  for (const auto& finding : ask(kMissedWakeup, python.build()).findings)
    EXPECT_LT(finding.strength, Strength::Guess);
}

TEST(MissedWakeup, AnIdleWorkerOfAPoolIsNotToBlame) {
  Builder b;
  auto main = b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  main.activity("threading.Event.wait", made("threading.Event", "ready"));
  main.thread(41).futex(0x2000, LockKind::Condition);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  ASSERT_EQ(answer.findings[0].culprits.size(), 1U);
  EXPECT_EQ(answer.findings[0].culprits[0].task, task(40));
}

TEST(MissedWakeup, BlamesBothSidesOfASwappedHandshake) {
  Builder b;
  b.area(7, {40, 42}, "/dev/zero (deleted)").area(8, {40, 42}, "/dev/zero (deleted)");
  b.process(40).thread().shared_futex(7);
  b.process(42).child_of(40).thread().shared_futex(8);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits.size(), 2U);
}

TEST(MissedWakeup, FindsAnEventFdThatNobodyIsLeftToWrite) {
  Builder b;
  b.process(40).fd(3, eventfd(7)).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(3, eventfd(7)).thread().reads(3);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_TRUE(answer.findings[0].title.find("eventfd") != std::string::npos);
}

TEST(MissedWakeup, FindsAPromiseOfCxxThatNobodyKeeps) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Future);

  EXPECT_EQ(ask(kMissedWakeup, b.build()).findings.at(0).strength, Strength::Possible);
}

TEST(MissedWakeup, FindsAnEventThatAManagerAwaitsForItsClient) {
  Builder b;
  auto event = made("threading.Event");
  event.texts.set(snapshot::Text::Method, "wait");
  b.process(40)
      .python()
      .thread()
      .activity("Manager.serve.method", event)
      .futex(0x1000, LockKind::UnownedLock);

  const auto answer = ask(kMissedWakeup, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].strength, Strength::Possible);
}

TEST(MissedWakeup, BlamesNoClientForWhatAManagerAwaitsInItsName) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto event = made("threading.Event");
  event.texts.set(snapshot::Text::Method, "wait");
  auto manager = b.process(41).child_of(40).python().fd(3, unix_socket(1)).thread();
  manager.activity("Manager.serve.method", event).futex(0x1000, LockKind::UnownedLock);
  b.process(40).thread().waits_for_child(42);
  b.process(42)
      .child_of(40)
      .python()
      .fd(3, unix_socket(2))
      .thread()
      .reads(3)
      .activity("Manager.call");

  EXPECT_EQ(blamed(ask(kMissedWakeup, b.build())), "40");
}

TEST(MissedWakeup, FindsAFutureThatNobodySets) {
  Builder b;
  b.process(40)
      .python()
      .thread()
      .activity("Executor.result", made("concurrent.futures.Future"))
      .futex(0x1000, LockKind::UnownedLock);

  EXPECT_EQ(ask(kMissedWakeup, b.build()).outcome, Outcome::Found);
}

TEST(MissedWakeup, IgnoresAConditionThatALivingThreadMaySignal) {
  Builder b;
  auto p = b.process(40).thread().sleeps();
  p.thread(41).futex(0x1000, LockKind::Condition);

  EXPECT_EQ(ask(kMissedWakeup, b.build()).outcome, Outcome::NotFound);
}

TEST(MissedWakeup, IgnoresAMutexWithAnOwner) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40)});

  EXPECT_EQ(ask(kMissedWakeup, b.build()).outcome, Outcome::NotFound);
}

TEST(MissedWakeup, BlamesBothOfTwoProcessesThatWaitForTheSame) {
  Builder b;
  b.area(7, {40, 41});
  b.process(40).thread().shared_futex(7, LockKind::Condition);
  b.process(41).child_of(40).thread().shared_futex(7, LockKind::Condition);

  EXPECT_EQ(blamed(ask(kMissedWakeup, b.build())), "40 41");
}

/// As the workers of a test runner do, each of which has a thread that hears the runner.
TEST(MissedWakeup, OfAlikeWaitersTellsTheOneThatIsOverItsTime) {
  Builder b;
  auto idle = b.process(40).fd(3, pipe(7)).fd(4, pipe(8), Access::Write);
  idle.thread().futex(0x1000, LockKind::Condition).thread(45).reads(3);
  auto test = b.process(41).child_of(40).fd(3, pipe(8)).fd(4, pipe(7), Access::Write);
  test.thread().futex(0x1000, LockKind::Condition).thread(46).reads(3);
  snapshot::Snapshot snapshot = b.build();
  snapshot.targets = {Pid{41}};
  ASSERT_EQ(blamed(ask(kMissedWakeup, snapshot)), "40");

  snapshot.overdue = true;

  EXPECT_EQ(blamed(ask(kMissedWakeup, snapshot)), "41");
}

TEST(MissedWakeup, IsInconclusiveWhenTheOwnerCannotBeRead) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Mutex).lock().ownership =
      snapshot::Ownership::Unreadable;

  EXPECT_EQ(ask(kMissedWakeup, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
