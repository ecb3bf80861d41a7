#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kMissingSentinel;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::WaitKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(MissingSentinel, FindsThreadsOfAnyLanguageThatAreJoinedWhileTheyTake) {
  Builder b;
  auto p = b.process(40).thread().futex(0x900, LockKind::ThreadJoin);
  p.owned_by({task(40, 41)});
  for (const int tid : {41, 42}) {
    p.thread(tid).futex(0x2000, LockKind::Unknown).activity("Queue#pop");
    p.last().activity.operation = snapshot::Operation::Take;
  }

  const auto answer = ask(kMissingSentinel, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_NE(answer.findings[0].title.find("2 sentinels missing"), std::string::npos)
      << answer.findings[0].title;
}

TEST(MissingSentinel, GivesWayWhereAConsumerKeepsALockFromSomebody) {
  Builder b;
  auto p = b.process(40).python().thread().futex(0x900, LockKind::ThreadJoin);
  p.owned_by({task(40, 41)});
  p.thread(41)
      .futex(0x2000, LockKind::UnownedLock)
      .activity("queue.Queue.get", made("queue.Queue"));
  EXPECT_EQ(ask(kMissingSentinel, b.build()).findings.at(0).strength, diagnosis::Strength::Clear);

  p.thread(42).futex(0x3000, LockKind::Mutex).owned_by({task(40, 41)});
  EXPECT_LT(ask(kMissingSentinel, b.build()).findings.at(0).strength,
            diagnosis::Strength::Possible);
}

TEST(MissingSentinel, CountsTheConsumersThatNobodyWillTellToStop) {
  Builder b;
  b.process(40)
      .python()
      .fd(4, pipe(7), Access::Write)
      .thread()
      .waits_for_children({42, 43})
      .at("/app/app.py", 20, "main");
  for (const int pid : {42, 43}) {
    auto consumer = b.process(pid)
                        .child_of(40)
                        .python()
                        .fd(3, pipe(7), Access::Read)
                        .thread()
                        .reads(3)
                        .at("/app/app.py", 7, "work");
    auto queue = made("multiprocessing.SimpleQueue", "jobs");
    queue.objects.set(snapshot::End::Reader, pipe(7));
    consumer.activity("multiprocessing.SimpleQueue.get", queue);
  }

  const auto answer = ask(kMissingSentinel, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_NE(answer.findings[0].title.find("2 sentinels missing"), std::string::npos);
}

TEST(MissingSentinel, BlamesAConsumerThatCatchesTermOnlyWhereItGoesOn) {
  const auto blames = [](std::uint32_t effects) {
    Builder b;
    b.process(40).python().fd(4, pipe(7), Access::Write).thread().waits_for_child(42);
    auto consumer = b.process(42).child_of(40).python().fd(3, pipe(7), Access::Read).thread();
    auto queue = made("multiprocessing.SimpleQueue", "jobs");
    queue.objects.set(snapshot::End::Reader, pipe(7));
    consumer.reads(3).activity("multiprocessing.SimpleQueue.get", queue);
    consumer.last().signals->caught = std::uint64_t{1} << (SIGTERM - 1);
    snapshot::Handler handler;
    handler.signal = SIGTERM;
    handler.any_thread = false;
    handler.effects = snapshot::effects_of(effects, "");
    consumer.process().handlers = std::vector{handler};
    return blamed(ask(kMissingSentinel, b.build()));
  };

  EXPECT_EQ(blames(0), "40 42");
  EXPECT_EQ(blames(snapshot::kLeaves), "40");
}

TEST(MissingSentinel, FindsReceiversOfAMessageQueueThatOnlyTheyHave) {
  Builder b;
  b.process(40).thread().waits_for_children({42, 43});
  for (const int pid : {42, 43})
    b.process(pid)
        .child_of(40)
        .fd(3, queue(1))
        .thread()
        .waits(WaitKind::MqReceive, "mq_timedreceive")
        .on(3, true, false);

  const auto answer = ask(kMissingSentinel, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42 43");
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Possible);
}

TEST(MissingSentinel, BlamesWhoCouldSendAndJoinsTheReceiversOfAMessageQueue) {
  Builder b;
  b.process(40).fd(3, queue(1)).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, queue(1), Access::Read).thread();
  b.process(42).waits(WaitKind::MqReceive, "mq_timedreceive").on(3, true, false);

  EXPECT_EQ(blamed(ask(kMissingSentinel, b.build())), "40");
}

TEST(MissingSentinel, FindsReceiversOfASystemVQueue) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().waits(WaitKind::SysvReceive, "msgrcv").wait().sysv.id = 7;
  b.sysv("msg", 7, 0);  // IPC_PRIVATE

  const auto answer = ask(kMissingSentinel, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_THAT(answer.findings[0].title, ::testing::HasSubstr("an item of System V queue 7"));
}

/// A fork server is the parent of such a child, and its end is told by a pipe.
TEST(MissingSentinel, BlamesWhoJoinsAChildOfAForkServer) {
  Builder b;
  b.process(40)
      .python()
      .fd(4, pipe(7), Access::Write)
      .fd(5, pipe(8), Access::Read)
      .thread()
      .polls_in({5});
  b.process(40).activity("multiprocessing.Process.join",
                         made("multiprocessing.Process", "worker", {{snapshot::Number::Pid, 42}}));
  auto queue = made("multiprocessing.SimpleQueue", "jobs");
  queue.objects.set(snapshot::End::Reader, pipe(7));
  b.process(42)
      .child_of(41)
      .python()
      .fd(3, pipe(7), Access::Read)
      .fd(6, pipe(8), Access::Write)
      .thread()
      .reads(3)
      .activity("multiprocessing.SimpleQueue.get", queue);

  const auto answer = ask(kMissingSentinel, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(MissingSentinel, GivesWayWhereTheMainThreadWaitsForAnotherProcess) {
  const auto strength_of = [](bool elsewhere) {
    Builder b;
    auto main = b.process(40).python().fd(3, pipe(7), Access::Both).thread();
    if (elsewhere)
      main.reads(3);
    else
      main.futex(0x2000, LockKind::UnownedLock);
    main.thread(41).futex(0x1000, LockKind::UnownedLock);
    main.activity("queue.Queue.get", made("queue.Queue", "records"));
    return ask(kMissingSentinel, b.build()).findings.at(0).strength;
  };

  EXPECT_LT(strength_of(true), strength_of(false));
}

TEST(MissingSentinel, GivesWayWhereAForkedCopyTakesFromAQueueOfThreads) {
  const auto strength_of = [](bool forked) {
    Builder b;
    b.process(40).python().thread().waits_for_child(42);
    auto consumer = b.process(42).child_of(40).python().thread();
    consumer.futex(0x1000, LockKind::UnownedLock).activity("queue.Queue.get", made("queue.Queue"));
    consumer.process().forked_copy = forked;
    return ask(kMissingSentinel, b.build()).findings.at(0).strength;
  };

  EXPECT_LT(strength_of(true), strength_of(false));
}

TEST(MissingSentinel, IgnoresConsumersOfAProducerThatSleeps) {
  Builder b;
  b.process(40).python().fd(4, pipe(7), Access::Write).thread().sleeps();
  auto consumer =
      b.process(42).child_of(40).python().fd(3, pipe(7), Access::Read).thread().reads(3);
  consumer.activity("multiprocessing.SimpleQueue.get").at("/app/app.py", 7, "work");

  EXPECT_EQ(ask(kMissingSentinel, b.build()).outcome, Outcome::NotFound);
}

TEST(MissingSentinel, IgnoresTheIdleWorkersOfAPool) {
  Builder b;
  b.process(40)
      .python()
      .fd(4, pipe(7), Access::Write)
      .thread()
      .waits_for_child(42)
      .activity("multiprocessing.Process.join");
  b.process(42)
      .child_of(40)
      .python()
      .fd(3, pipe(7), Access::Read)
      .thread()
      .reads(3)
      .activity("Pool.worker.get");

  EXPECT_EQ(ask(kMissingSentinel, b.build()).outcome, Outcome::NotFound);
}

TEST(MissingSentinel, IsInconclusiveWithoutThePythonStacks) {
  Builder b;
  b.process(40).python().fd(4, pipe(7), Access::Write).thread().waits_for_child(42);
  b.process(42).child_of(40).python().fd(3, pipe(7), Access::Read).thread().reads(3);

  EXPECT_EQ(ask(kMissingSentinel, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
