#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kUnfinishedTasks;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::Access;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

/// A main process in join() and one consumer that waits for more.
void build_join(Builder& b) {
  auto queue = made("multiprocessing.JoinableQueue", "q", {{snapshot::Number::Unfinished, 1}});
  queue.objects.set(snapshot::End::Reader, pipe(7));
  b.area(5, {40, 42});
  b.process(40)
      .python()
      .fd(4, pipe(7), Access::Write)
      .thread()
      .shared_futex(5, LockKind::SharedSemaphore);
  b.process(40).activity("multiprocessing.JoinableQueue.join", queue);
  auto taker = b.process(42).child_of(40).python().fd(3, pipe(7), Access::Read).thread().reads(3);
  taker.activity("multiprocessing.Queue.get", queue);
}

TEST(UnfinishedTasks, BlamesTheConsumersThatDidNotCallTaskDone) {
  Builder b;
  build_join(b);

  const auto answer = ask(kUnfinishedTasks, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42");
}

TEST(UnfinishedTasks, FindsACoroutineInJoin) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto loop = b.process(40).python().fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread();
  loop.polls_in({3}).activity("asyncio.Queue.join", made("asyncio.Queue", "jobs"));

  const auto answer = ask(kUnfinishedTasks, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_NE(answer.findings[0].title.find("task_done()"), std::string::npos);
}

TEST(UnfinishedTasks, BlamesTheProcessWhoseOwnConsumersHaveEnded) {
  Builder b;
  b.process(40).python().thread().futex(0x10, LockKind::UnownedLock);
  b.process(40).activity("queue.Queue.join",
                         made("queue.Queue", "jobs", {{snapshot::Number::Unfinished, 3}}));

  EXPECT_EQ(blamed(ask(kUnfinishedTasks, b.build())), "40");
}

TEST(UnfinishedTasks, BlamesADeadConsumerInstead) {
  Builder b;
  build_join(b);
  b.process(41).child_of(40).zombie();

  const auto answer = ask(kUnfinishedTasks, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "41");
}

TEST(UnfinishedTasks, IgnoresAJoinWhoseConsumerWorks) {
  Builder b;
  build_join(b);
  b.process(42).runs();

  EXPECT_EQ(ask(kUnfinishedTasks, b.build()).outcome, Outcome::NotFound);
}

TEST(UnfinishedTasks, IsInconclusiveWithoutThePythonStacks) {
  Builder b;
  b.process(40).python().thread().futex(0x1000, LockKind::UnownedLock);

  EXPECT_EQ(ask(kUnfinishedTasks, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
