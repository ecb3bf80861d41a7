#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kFullQueueNoConsumer;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A client logs to a datagram socket; the log daemon waits for the client.
Builder log_daemon_waits() {
  Builder b;
  b.process(40)
      .fd(3, unix_socket(1))
      .fd(5, pipe(7), Access::Write)
      .thread()
      .at("/src/app.py", 31, "main")
      .writes(3);
  b.process(41)
      .comm("logd")
      .child_of(40)
      .fd(3, unix_socket(2))
      .fd(4, pipe(7), Access::Read)
      .thread()
      .reads(4);
  b.object(unix_socket(1)).socket->type = "dgram";
  b.object(unix_socket(2)).socket->type = "dgram";
  b.object(unix_socket(1)).socket->peer = unix_socket(2);
  return b;
}

TEST(FullQueueNoConsumer, FindsADatagramSocketWhoseReaderIsStuck) {
  const auto answer = ask(kFullQueueNoConsumer, log_daemon_waits());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
}

TEST(FullQueueNoConsumer, FindsABoundedQueueWhoseConsumerIsDead) {
  Builder b;
  b.process(40)
      .python()
      .thread()
      .activity("multiprocessing.Queue.put", {})
      .shared_futex(9, LockKind::SharedSemaphore);
  b.process(41).child_of(40).zombie();
  b.area(9, {40});

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("whose consumer is dead"));
}

TEST(FullQueueNoConsumer, FindsAQueueFromWhichNobodyTakes) {
  Builder b;
  RuntimeObject jobs;
  jobs.type = "queue.Queue";
  jobs.name = "jobs";
  jobs.address = RemoteAddr{0x50};
  b.process(40)
      .python()
      .thread()
      .activity("queue.Queue.put", jobs)
      .futex(0x1000, LockKind::UnownedLock);

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("queue.Queue `jobs`, from which nobody takes"));

  b.process(40).thread(41).activity("queue.Queue.put", {}).futex(0x2000, LockKind::UnownedLock);
  EXPECT_EQ(ask(kFullQueueNoConsumer, b).outcome, Outcome::NotFound) << "it puts into another one";
}

TEST(FullQueueNoConsumer, CountsWhoTakesFromAnotherQueueAsNoTaker) {
  const auto outcome = [](std::uint64_t other) {
    Builder b;
    RuntimeObject full, empty;
    full.type = empty.type = "queue.Queue";
    full.address = RemoteAddr{0x50};
    empty.address = RemoteAddr{other};
    b.process(40)
        .python()
        .thread()
        .activity("queue.Queue.put", full)
        .futex(1, LockKind::UnownedLock);
    b.process(40).thread(41).activity("queue.Queue.get", empty).futex(2, LockKind::UnownedLock);
    return ask(kFullQueueNoConsumer, b).outcome;
  };

  EXPECT_EQ(outcome(0x60), Outcome::Found);
  EXPECT_EQ(outcome(0), Outcome::NotFound) << "which one is not known";
}

TEST(FullQueueNoConsumer, BlamesWhoWaitsForTheProducersEndInsteadOfTaking) {
  Builder b;
  RuntimeObject jobs;
  jobs.type = "multiprocessing.Queue";
  jobs.name = "jobs";
  b.process(40).python().fd(3, pipe(7)).thread().waits_for_child(41);
  b.process(41)
      .child_of(40)
      .python()
      .fd(3, pipe(7))
      .thread()
      .activity("multiprocessing.Queue.put", jobs)
      .shared_futex(9, LockKind::SharedSemaphore);
  b.area(9, {40, 41});

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].fix, HasSubstr("before waiting for the producer's end"));
}

TEST(FullQueueNoConsumer, BlamesWhoWaitsForTheResultOfThoseWhoPut) {
  Builder b;
  RuntimeObject progress;
  progress.type = "multiprocessing.Queue";
  progress.address = RemoteAddr{0x7000};
  auto main = b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  main.activity("Pool.get").last().activity.operation = snapshot::Operation::AwaitResult;
  for (const int pid : {41, 42}) {
    b.process(pid).child_of(40).python().thread().shared_futex(9, LockKind::SharedSemaphore);
    b.process(pid).activity("multiprocessing.Queue.put", progress);
  }
  b.area(9, {40, 41, 42});

  EXPECT_THAT(culprits(ask(kFullQueueNoConsumer, b)), ElementsAre(40));
}

TEST(FullQueueNoConsumer, CountsTheIdleFeederOfAQueueAsNoTaker) {
  Builder b;
  auto main = b.process(40)
                  .python()
                  .fd(3, pipe(7))
                  .thread()
                  .activity("multiprocessing.Queue.put", {})
                  .shared_futex(9, LockKind::SharedSemaphore);
  main.thread(41)
      .activity("multiprocessing.Queue.feeder_idle", {})
      .futex(0x1000, LockKind::UnownedLock);
  b.area(9, {40});

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(answer.findings[0].title, HasSubstr("from which nobody takes"));
}

TEST(FullQueueNoConsumer, LeavesTwoThatWaitForRoomToFullBufferCycle) {
  const auto send = [](Builder& b, int pid, int fd) {
    b.process(pid).waits(WaitKind::MqSend, "mq_timedsend").on(fd, false, true);
  };
  Builder b;
  b.process(40).fd(3, queue(1)).fd(4, queue(2)).thread();
  b.process(41).child_of(40).fd(3, queue(1)).fd(4, queue(2)).thread().waits_for_child(40);
  send(b, 40, 3);
  const auto consumer_waits = ask(kFullQueueNoConsumer, b).findings.at(0).strength;
  send(b, 41, 4);

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_LT(answer.findings[0].strength, Strength::Possible) << "that of full-buffer-cycle";
  EXPECT_GT(consumer_waits, Strength::Guess);
}

TEST(FullQueueNoConsumer, BlamesTheLastOfSeveralStagesThatFailed) {
  const auto ends_with = [](int wait_status) {
    Builder b;
    const auto put = [&](int pid, int page) {
      b.process(pid).python().thread().shared_futex(static_cast<std::uint64_t>(page),
                                                    LockKind::SharedSemaphore);
      b.process(pid).activity("multiprocessing.Queue.put");
      b.process(pid).last().activity.object.address = RemoteAddr{0x1000U * page};
    };
    put(40, 8);
    put(41, 9);
    b.process(41).child_of(40);
    b.process(42).child_of(40).zombie().process().wait_status = wait_status;
    b.area(8, {40, 41}).area(9, {40, 41});
    return ask(kFullQueueNoConsumer, b);
  };

  const auto failed = ends_with(1 << 8);
  ASSERT_EQ(failed.outcome, Outcome::Found);
  EXPECT_THAT(culprits(failed), ElementsAre(42));
  EXPECT_EQ(failed.findings[0].stuck.size(), 2U);
  EXPECT_NE(ends_with(0).outcome, Outcome::Found) << "one may take from the other's queue";
}

TEST(FullQueueNoConsumer, FindsAQueueOfAnEventLoopWithoutATaker) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).python().fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread().polls_in({3});
  b.process(40).activity("asyncio.Queue.put", {});

  EXPECT_THAT(culprits(ask(kFullQueueNoConsumer, b)), ElementsAre(40));
}

TEST(FullQueueNoConsumer, FindsAConnectionToTheOwnBacklog) {
  Builder b;
  b.process(40)
      .fd(3, unix_socket(1))
      .fd(4, unix_socket(2))
      .thread()
      .waits(WaitKind::Connect, "connect");
  b.process(40).on(4, false, true);
  b.object(unix_socket(1)).socket->state = "listen";
  b.object(unix_socket(2)).socket->listener = unix_socket(1);

  EXPECT_THAT(culprits(ask(kFullQueueNoConsumer, b)), ElementsAre(40));
}

TEST(FullQueueNoConsumer, FindsAMessageQueueThatNobodyElseHas) {
  Builder b;
  b.process(40).fd(3, queue(5)).thread().waits(WaitKind::MqSend, "mq_timedsend");
  b.process(40).on(3, false, true);

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(answer.findings[0].title, HasSubstr("from which nobody takes"));
}

TEST(FullQueueNoConsumer, IgnoresAStreamSocket) {
  Builder b = log_daemon_waits();
  b.object(unix_socket(1)).socket->type = "stream";
  b.object(unix_socket(2)).socket->type = "stream";
  b.connect(unix_socket(1), unix_socket(2));

  EXPECT_EQ(ask(kFullQueueNoConsumer, b).outcome, Outcome::NotFound);
}

TEST(FullQueueNoConsumer, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kFullQueueNoConsumer, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
