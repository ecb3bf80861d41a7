#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kThreadLostInFork;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(ThreadLostInFork, FindsAResultOfAnExecutorWhoseThreadsStayedInTheParent) {
  Builder b;
  auto parent = b.process(40).python().thread().waits_for_child(42);
  parent.thread(41).futex(0x3000, LockKind::UnownedLock).activity("Executor.worker.get");
  auto child = b.process(42)
                   .child_of(40)
                   .python()
                   .thread()
                   .futex(0x2000, LockKind::Condition)
                   .activity("Executor.result", made("concurrent.futures.Future", "",
                                                     {{snapshot::Number::Doer, 0x1000}}));
  child.process().forked_copy = true;
  child.process().interpreter.objects = {
      made("ThreadPoolExecutor", "executor",
           {{snapshot::Number::Threads, 1}, {snapshot::Number::ThreadsExist, 0}})};

  const auto answer = ask(kThreadLostInFork, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42 40");
}

TEST(ThreadLostInFork, FindsARecordThatOnlyTheListenerOfTheParentTakes) {
  Builder b;
  auto parent = b.process(40).python().thread().waits_for_child(42);
  parent.thread(41)
      .futex(0x3000, LockKind::Condition)
      .activity("QueueListener.get", made("queue.Queue", "q"));
  auto child = b.process(42).child_of(40).python().thread().futex(0x2000, LockKind::Condition);
  child.activity("queue.Queue.put", made("queue.Queue", "records"));
  child.at("/usr/lib/python3.11/logging/handlers.py", 1435, "QueueHandler.emit");
  child.at("/app/app.py", 9, "job");
  child.process().forked_copy = true;

  const auto answer = ask(kThreadLostInFork, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42 40");
}

TEST(ThreadLostInFork, NamesAllChildrenThatHangAloneInTheSameWay) {
  Builder b;
  b.process(40).python().thread().waits_for_children({42, 43});
  for (const int pid : {42, 43}) {
    auto child = b.process(pid).child_of(40).python().thread().futex(0x2000, LockKind::Condition);
    child.activity("Pool.get",
                   made("multiprocessing.Pool", "pool", {{snapshot::Number::ParentPid, 40}}));
    child.process().forked_copy = true;
  }

  const auto answer = ask(kThreadLostInFork, b.build());

  ASSERT_EQ(answer.findings.size(), 2U);
  EXPECT_EQ(blamed(answer), "42 40 43");
}

TEST(ThreadLostInFork, IgnoresAPoolThatTheProcessMadeItself) {
  Builder b;
  auto child = b.process(42).python().thread().futex(0x2000, LockKind::Condition);
  child.activity("Pool.get", made("multiprocessing.Pool", "pool",
                                  {{snapshot::Number::ParentPid, 42},
                                   {snapshot::Number::ResultHandlerExists, 1}}));
  child.process().forked_copy = true;
  child.thread(43).futex(0x4000, LockKind::Condition).activity("Pool.result_handler");

  EXPECT_EQ(ask(kThreadLostInFork, b.build()).outcome, Outcome::NotFound);
}

Builder child_of_a_program_with_a_worker(const char* what_the_worker_does) {
  Builder b;
  auto parent = b.process(40).python().thread().waits_for_child(42);
  parent.thread(41).futex(0x3000, LockKind::Condition).activity(what_the_worker_does);
  parent.at("/app/app.py", 4, "worker");
  auto child = b.process(42).child_of(40).python().thread().futex(0x2000, LockKind::Condition);
  child.activity("queue.Queue.get").at("/app/app.py", 9, "main");
  child.process().forked_copy = true;
  return b;
}

TEST(ThreadLostInFork, FindsAWaitForAWorkerThatOnlyTheParentHas) {
  const auto answer =
      ask(kThreadLostInFork, child_of_a_program_with_a_worker("queue.Queue.get").build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42 40");
}

TEST(ThreadLostInFork, IgnoresAThreadOfTheParentThatServesNobody) {
  EXPECT_EQ(ask(kThreadLostInFork,
                child_of_a_program_with_a_worker("multiprocessing.Queue.feeder_idle").build())
                .outcome,
            Outcome::NotFound);
}

TEST(ThreadLostInFork, IgnoresASemaphoreThatTheParentPostedInItsOwnCopy) {
  const auto outcome = [](std::int64_t value) {
    Builder b;
    b.process(40).thread().waits_for_child(42);
    b.process(40).thread(41).futex(0x2000, LockKind::Condition);
    auto child = b.process(42).child_of(40).thread();
    child.futex(0x1000, LockKind::Semaphore);
    child.process().forked_copy = true;
    child.process().threads[0].wait->futex.lock.numbers.set(snapshot::LockNumber::ParentsValue,
                                                            value);
    return ask(kThreadLostInFork, b.build()).outcome;
  };

  EXPECT_EQ(outcome(0), Outcome::Found);
  EXPECT_EQ(outcome(1), Outcome::NotFound);
}

TEST(ThreadLostInFork, FindsAWaitForALibrarysTeam) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  auto child = b.process(42).child_of(40).thread().futex(0x2000);
  child.last().activity.object.kind = snapshot::Resource::Team;
  EXPECT_EQ(ask(kThreadLostInFork, b.build()).outcome, Outcome::NotFound) << "no fork";

  child.process().forked_copy = true;
  EXPECT_EQ(ask(kThreadLostInFork, b.build()).outcome, Outcome::Found);
}

TEST(ThreadLostInFork, IsInconclusiveWhenTheStackOfTheForkCannotBeRead) {
  Builder b;
  auto child = b.process(42).python().thread().futex(0x2000, LockKind::UnownedLock);
  child.process().forked_copy = true;
  child.last().is_interpreted = true;

  EXPECT_EQ(ask(kThreadLostInFork, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
