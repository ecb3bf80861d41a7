#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLostWorker;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::Access;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

/// A Pool of one worker whose result the main thread waits for.
ProcessBuilder build_pool(Builder& b, testing::Numbers numbers) {
  snapshot::RuntimeObject pool = made("multiprocessing.Pool", "pool", std::move(numbers));
  pool.worker_pids = {42};
  auto main =
      b.process(40).python().fd(4, pipe(7), Access::Write).fd(5, pipe(8), Access::Read).thread();
  main.futex(0x2000, LockKind::Condition).activity("Pool.get", pool).at("/app/app.py", 9, "main");
  main.thread(41).reads(5).activity("Pool.result_handler", pool);
  main.last().activity.operation = snapshot::Operation::Serve;
  return b.process(42)
      .child_of(40)
      .python()
      .fd(3, pipe(7), Access::Read)
      .fd(6, pipe(8), Access::Write)
      .thread()
      .reads(3);
}

TEST(LostWorker, FindsAPoolWhoseWorkersAreAllIdle) {
  Builder b;
  build_pool(b, {}).activity("Pool.worker.get");

  EXPECT_EQ(ask(kLostWorker, b.build()).outcome, Outcome::Found);
}

TEST(LostWorker, TellsAPoolWhoseWorkersEndAsSoonAsTheyStart) {
  const auto ask_of = [](testing::Numbers numbers, std::uint64_t age_of_worker) {
    Builder b;
    build_pool(b, std::move(numbers)).runs();
    b.raw().uptime_ticks = 2000;
    b.process(40).process().start_ticks = 1000;
    b.process(42).process().start_ticks = 2000 - age_of_worker;
    return ask(kLostWorker, b.build());
  };
  using snapshot::Number;

  const auto answer = ask_of({{Number::Workers, 1}, {Number::StartedWorkers, 50}}, 5);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(answer.findings[0].title,
              ::testing::HasSubstr("for 1 at a time 50 have been started"));
  EXPECT_NE(ask_of({{Number::Workers, 1}, {Number::StartedWorkers, 50}}, 900).outcome,
            Outcome::Found)
      << "this one stays";
  EXPECT_NE(ask_of({{Number::Workers, 1}, {Number::StartedWorkers, 2}}, 5).outcome, Outcome::Found);
  EXPECT_NE(ask_of({{Number::Workers, 1}, {Number::StartedWorkers, 50}, {Number::TasksEach, 1}}, 5)
                .outcome,
            Outcome::Found)
      << "as it was told to do";
}

TEST(LostWorker, BlamesTheOwnerForAResultThreadThatDied) {
  Builder b;
  build_pool(b, {{snapshot::Number::ResultHandlerExists, 0}}).activity("Pool.worker.get");

  const auto answer = ask(kLostWorker, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(LostWorker, FindsAnExecutorThatHasNoWorkerForItsWork) {
  const auto executor = [](std::int64_t workers) {
    Builder b;
    auto made_executor =
        made("ProcessPoolExecutor", "pool",
             {{snapshot::Number::Workers, workers}, {snapshot::Number::Pending, 3}});
    made_executor.address = RemoteAddr{0x7000};
    auto future = made("concurrent.futures.Future", "job", {{snapshot::Number::Doer, 0x7000}});
    auto main = b.process(40).python().thread().futex(0x2000, LockKind::Condition);
    main.activity("Executor.result", future);
    main.process().interpreter.objects = {made_executor};
    return ask(kLostWorker, b.build());
  };

  const auto answer = executor(0);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Read);
  EXPECT_NE(answer.findings[0].title.find("no worker left"), std::string::npos);
  EXPECT_NE(executor(1).outcome, Outcome::Found);
}

TEST(LostWorker, SuspectsAResultThreadThatDiedWhileOthersStillSpin) {
  Builder b;
  build_pool(b, {{snapshot::Number::ResultHandlerExists, 0}}).activity("Pool.worker.get");
  b.process(40).thread(43).runs();

  const auto answer = ask(kLostWorker, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].grade, diagnosis::Grade::Suspected);
}

TEST(LostWorker, IgnoresALivePoolWhoseResultThreadExists) {
  Builder b;
  build_pool(b, {{snapshot::Number::ResultHandlerExists, 1}}).activity("Pool.worker.get");
  b.process(40).thread(43).runs();

  EXPECT_EQ(ask(kLostWorker, b.build()).outcome, Outcome::NotFound);
}

TEST(LostWorker, IgnoresAPoolWhoseWorkerIsInATask) {
  Builder b;
  build_pool(b, {}).activity("multiprocessing.Event.wait").at("/app/app.py", 3, "task");

  EXPECT_EQ(ask(kLostWorker, b.build()).outcome, Outcome::NotFound);
}

TEST(LostWorker, FindsAParentThatTakesResultsOfADeadChild) {
  Builder b;
  b.process(40)
      .python()
      .fd(3, pipe(7), Access::Read)
      .fd(4, pipe(7), Access::Write)
      .thread()
      .reads(3);
  b.process(40).activity("multiprocessing.Queue.get", made("multiprocessing.Queue", "results"));
  b.process(42).child_of(40).zombie();

  const auto answer = ask(kLostWorker, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42");
}

TEST(LostWorker, FindsADeadThreadBesideOneThatServesAnotherQueue) {
  const auto outcome = [](const char* beside) {
    Builder b;
    auto results = made("queue.Queue", "results"), jobs = made("queue.Queue", "jobs");
    results.address = RemoteAddr{0x50};
    jobs.address = RemoteAddr{0x60};
    auto main = b.process(40).python().thread();
    main.futex(0x1000, LockKind::UnownedLock).activity("queue.Queue.get", results);
    main.thread(41).futex(0x2000, LockKind::UnownedLock).activity(beside, jobs);
    main.process().interpreter.objects = {
        made("threading.Thread", "worker",
             {{snapshot::Number::Started, 1}, {snapshot::Number::Alive, 0}})};
    return ask(kLostWorker, b.build()).outcome;
  };

  EXPECT_EQ(outcome("queue.Queue.get"), Outcome::Found);
  EXPECT_EQ(outcome("queue.Queue.put"), Outcome::NotFound) << "it works";
}

TEST(LostWorker, CountsAManagerAsNoSender) {
  const auto outcome = [](const char* call) {
    Builder b;
    auto get = made("Manager.proxy");
    get.texts.set(snapshot::Text::Method, "get");
    b.connect(unix_socket(1), unix_socket(2));
    b.process(40).python().fd(3, unix_socket(1)).thread().reads(3).activity("Manager.call", get);
    b.process(41).child_of(40).python().fd(3, unix_socket(2)).thread().reads(3).activity(call);
    b.process(42).child_of(40).zombie();
    return ask(kLostWorker, b.build()).outcome;
  };

  EXPECT_EQ(outcome("Manager.serve"), Outcome::Found);
  EXPECT_EQ(outcome("Connection.recv"), Outcome::NotFound) << "a worker";
}

TEST(LostWorker, BlamesAKilledWorkerBesideOneThatWaitsForItsNextWork) {
  const auto blames = [](int wait_status) {
    Builder b;
    auto jobs = made("multiprocessing.Queue", "jobs"), results = made("multiprocessing.Queue", "r");
    jobs.objects.set(snapshot::End::Reader, pipe(8));
    jobs.objects.set(snapshot::End::Writer, pipe(8));
    results.objects.set(snapshot::End::Reader, pipe(7));
    results.objects.set(snapshot::End::Writer, pipe(7));
    b.process(40).python().fd(3, pipe(7), Access::Both).fd(4, pipe(8), Access::Both);
    b.process(40).thread().reads(3).activity("multiprocessing.Queue.get", results);
    b.process(41).child_of(40).python().fd(3, pipe(7), Access::Both).fd(4, pipe(8), Access::Both);
    b.process(41).thread().reads(4).activity("multiprocessing.Queue.get", jobs);
    b.process(42).child_of(40).zombie().process().wait_status = wait_status;
    return blamed(ask(kLostWorker, b.build()));
  };

  EXPECT_EQ(blames(9), "42") << "killed";
  EXPECT_EQ(blames(0), "") << "the other one may send as well";
}

TEST(LostWorker, BlamesTheCollectorWhereAllSendersEndedInPeace) {
  Builder b;
  b.process(40)
      .python()
      .fd(3, pipe(7), Access::Both)
      .thread()
      .reads(3)
      .activity("multiprocessing.Queue.get", made("multiprocessing.Queue", "results"));
  for (const int pid : {42, 43}) b.process(pid).child_of(40).zombie().process().wait_status = 0;

  const auto answer = ask(kLostWorker, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(LostWorker, IgnoresAPoolWhoseIterableHoldsTheWorkBack) {
  Builder b;
  build_pool(b, {}).activity("Pool.worker.get");
  auto feeder = b.process(40).thread(43).futex(0x3000, LockKind::UnownedLock);
  feeder.activity("queue.Queue.get").as(snapshot::Part::Helper);

  EXPECT_EQ(ask(kLostWorker, b.build()).outcome, Outcome::NotFound);
}

TEST(LostWorker, IsInconclusiveWithoutThePythonStacks) {
  Builder b;
  b.process(40).python().thread().futex(0x1000, LockKind::UnownedLock);

  EXPECT_EQ(ask(kLostWorker, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
