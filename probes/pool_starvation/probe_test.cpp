#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kPoolStarvation;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::Frame;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

/// A ThreadPoolExecutor of one thread, which runs a task; the main thread waits for its result.
ProcessBuilder build_executor(Builder& b) {
  auto p = b.process(40).python().thread().futex(0x2000, LockKind::Condition);
  p.process().interpreter.objects = {
      made("ThreadPoolExecutor", "ex", {{snapshot::Number::Threads, 1}})};
  p.activity("Executor.result").at("/app/app.py", 20, "main");
  p.thread(41)
      .futex(0x3000, LockKind::Condition)
      .activity("Executor.result")
      .as(snapshot::Part::Worker)
      .at("/app/app.py", 5, "outer");
  return p;
}

TEST(PoolStarvation, FindsAWorkerThatWaitsForATaskOfItsOwnPool) {
  Builder b;
  build_executor(b);

  const auto answer = ask(kPoolStarvation, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].task.tid.value, 41);
}

/// Two workers of a ThreadPool in whose tasks `call` waits, at the same line.
/// @param maps  in all of which one function was asked for
Builder pool_that_waits_in(const char* call, int maps) {
  Builder b;
  auto p = b.process(40).python().thread().futex(0x2000, LockKind::Condition);
  auto pool = made("multiprocessing.Pool", "pool",
                   {{snapshot::Number::Queued, 3}, {snapshot::Number::Maps, maps}});
  pool.reach = snapshot::Reach::Memory;
  p.activity("Pool.get", pool).at("/app/app.py", 20, "main");
  for (const int tid : {41, 42})
    p.thread(tid)
        .futex(0x3000, LockKind::Condition)
        .activity(call)
        .as(snapshot::Part::Worker)
        .at("/app/app.py", 5, "task");
  return b;
}

TEST(PoolStarvation, IgnoresTasksOfOneMapThatAllComeToWaitForANotice) {
  const char* notice = "threading.Event.wait";
  ASSERT_EQ(ask(kPoolStarvation, pool_that_waits_in(notice, 0).build()).outcome, Outcome::Found);

  EXPECT_EQ(ask(kPoolStarvation, pool_that_waits_in(notice, 1).build()).outcome, Outcome::NotFound);
  EXPECT_EQ(ask(kPoolStarvation, pool_that_waits_in("Pool.get", 1).build()).outcome,
            Outcome::Found);
}

/// A thread of a pool in C++ or Java, in a task that waits for the result of another.
void add_worker(ProcessBuilder& p, int tid, const char* runs) {
  p.thread(tid).futex(0x1000 + static_cast<std::uint64_t>(tid), LockKind::Unknown);
  p.as(snapshot::Part::Worker).last().activity.operation = snapshot::Operation::AwaitResult;
  std::vector<Frame> frames(3);
  frames[0].function = "depth(int)", frames[0].user_code = true;
  frames[1].function = runs;
  frames[2].function = "Pool::work()", frames[2].user_code = true;
  p.last().native = frames;
}

TEST(PoolStarvation, FindsThreadsWhoseTasksAllWaitForATask) {
  for (const char* runs :
       {"std::packaged_task<int ()>::operator()()",
        "std::__future_base::_Task_state<f, std::allocator<int>, int ()>::_M_run()",
        "java.util.concurrent.ThreadPoolExecutor.runWorker"}) {
    Builder b;
    auto p = b.process(40).thread().futex(0x900, LockKind::Unknown);
    add_worker(p, 41, runs);
    add_worker(p, 42, runs);

    const auto answer = ask(kPoolStarvation, b.build());

    ASSERT_EQ(answer.outcome, Outcome::Found);
    EXPECT_EQ(blamed(answer), "40");
  }
}

TEST(PoolStarvation, ATaskOfTheLibraryItselfOccupiesNoWorkerOfTheProgram) {
  Builder b;
  auto p = b.process(40).thread().futex(0x900, LockKind::Unknown);
  add_worker(p, 41, "java.util.concurrent.ThreadPoolExecutor.runWorker");
  p.thread(42).waits_for_child(43);
  Frame reaper;
  reaper.function = "java.util.concurrent.ThreadPoolExecutor.runWorker";
  p.last().native = std::vector<Frame>{reaper};
  b.process(43).child_of(40).fd(0, pipe(1), snapshot::Access::Read).thread().reads(0);
  b.process(40).fd(3, pipe(1), snapshot::Access::Write);

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::Found);
}

TEST(PoolStarvation, IgnoresAPoolWithAFreeThread) {
  Builder b;
  auto p = b.process(40).thread().futex(0x900, LockKind::Unknown);
  add_worker(p, 41, "std::packaged_task<int ()>::operator()()");
  p.thread(42).futex(0x2000, LockKind::Condition);
  Frame loop;
  loop.function = "Pool::work()", loop.user_code = true;
  p.last().native = std::vector<Frame>{loop};

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::NotFound);
}

TEST(PoolStarvation, IgnoresAWorkerThatIsInItsInitializerStill) {
  Builder b;
  build_executor(b).last().activity.object.numbers.set(snapshot::Number::Initializes, 1);

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::NotFound);
}

TEST(PoolStarvation, IgnoresAnExecutorWithNothingQueued) {
  Builder b;
  auto p = build_executor(b);
  auto& executor = p.process().interpreter.objects.front();
  executor.numbers.set(snapshot::Number::Queued, 1);
  executor.numbers.set(snapshot::Number::Shutdown, 1);
  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::NotFound);

  executor.numbers.set(snapshot::Number::Queued, 2);
  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::Found);
}

TEST(PoolStarvation, GivesWayToADeadlockAmongTheJobs) {
  Builder b;
  auto launcher = b.process(40).comm("xargs").thread().waits_for_children({41, 42});
  launcher.process().args = {"xargs", "-P", "2", "-n", "1", "job"};
  b.process(41).child_of(40).thread().waits(snapshot::WaitKind::OpenFifo, "openat");
  b.process(42).child_of(40).thread().waits(snapshot::WaitKind::OpenFifo, "openat");
  const auto starved = ask(kPoolStarvation, b.build()).findings.at(0).strength;

  b.process(41).waits_for_child(42);
  b.process(42).waits_for_child(41);
  EXPECT_LT(ask(kPoolStarvation, b.build()).findings.at(0).strength, starved);
}

TEST(PoolStarvation, FindsALauncherOfWhichAllSlotsWait) {
  Builder b;
  auto launcher = b.process(40).comm("xargs").thread().waits_for_children({41, 42});
  launcher.process().args = {"xargs", "-P", "2", "-n", "1", "job"};
  for (const int pid : {41, 42})
    b.process(pid).child_of(40).thread().futex(0x1000, LockKind::Condition);

  const auto answer = ask(kPoolStarvation, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(PoolStarvation, IgnoresALauncherWithAFreeSlot) {
  Builder b;
  auto launcher = b.process(40).comm("xargs").thread().waits_for_child(41);
  launcher.process().args = {"xargs", "-P", "2", "job"};
  b.process(41).child_of(40).thread().futex(0x1000, LockKind::Condition);

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::NotFound);
}

TEST(PoolStarvation, IgnoresAnIdlePool) {
  Builder b;
  build_executor(b).activity("Executor.worker.get");

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::NotFound);
}

TEST(PoolStarvation, IsInconclusiveWithoutThePythonStacks) {
  Builder b;
  b.process(40).python().thread().futex(0x1000, LockKind::UnownedLock);

  EXPECT_EQ(ask(kPoolStarvation, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
