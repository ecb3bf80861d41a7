#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLostToken;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;

Builder pool_of_tokens() {
  Builder b;
  auto a = b.process(40)
               .fd(3, pipe(1), Access::Read)
               .fd(4, pipe(1), Access::Write)
               .fd(6, pipe(2), Access::Write)
               .thread();
  a.reads(3);
  a.wait().size = 1;
  auto other = b.process(41)
                   .child_of(40)
                   .fd(3, pipe(1), Access::Read)
                   .fd(4, pipe(1), Access::Write)
                   .fd(5, pipe(2), Access::Read)
                   .thread();
  other.reads(5);
  return b;
}

TEST(LostToken, FindsTheOtherHolderOfBothEnds) {
  const auto answer = ask(kLostToken, pool_of_tokens());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
}

TEST(LostToken, GivesWayWhereOnlyAParentWaitsForTheReader) {
  const auto pool = ask(kLostToken, pool_of_tokens()).findings.at(0).strength;
  Builder b = pool_of_tokens();
  b.process(40).process().ppid = Pid{41};
  b.process(41).process().ppid = Pid{1};
  b.process(41).waits_for_child(40);

  EXPECT_LT(ask(kLostToken, b).findings.at(0).strength, pool);
}

TEST(LostToken, LeadsWhereTheReaderOfAParentNeverGotAByte) {
  Builder b = pool_of_tokens();
  b.process(40).process().ppid = Pid{41};
  b.process(41).process().ppid = Pid{1};
  b.process(41).waits_for_child(40);
  const auto before = ask(kLostToken, b).findings.at(0).strength;
  b.process(40).wait().is_first = true;

  EXPECT_GT(ask(kLostToken, b).findings.at(0).strength, before);
}

TEST(LostToken, BlamesTheTakersOfAJobserverForWhichMakeWaits) {
  Builder b;
  const auto add = [&b](int pid) {
    return b.process(pid).fd(3, pipe(1), Access::Read).fd(4, pipe(1), Access::Write).thread();
  };
  add(40).comm("make").waits_for_children({41, 42});
  for (const int pid : {41, 42}) add(pid).child_of(40).polls_in({3});

  const auto answer = ask(kLostToken, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41, 42));
  b.process(40).comm("app");
  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound) << "who polls may wait for the end";
}

TEST(LostToken, IgnoresAVforkChildThatSharesTheTable) {
  Builder b = pool_of_tokens();
  b.process(40).process().fd_group = b.process(41).process().fd_group = Pid{40};

  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound);
}

TEST(LostToken, IgnoresAPipeThatCarriesData) {
  Builder b = pool_of_tokens();
  b.process(40).wait().size = 4096;

  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound);
}

TEST(LostToken, FindsADeadChildThatHadACountOfAnEventfd) {
  Builder b;
  b.process(40).fd(3, eventfd(1)).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, eventfd(1)).thread().reads(3);
  b.process(42).wait().size = 8;
  b.process(41).child_of(40).zombie();
  b.process(41).process().wait_status = 6;  // SIGABRT
  b.object(eventfd(1)).queued = 0;
  b.object(eventfd(1)).semaphore = true;

  const auto answer = ask(kLostToken, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
}
TEST(LostToken, IgnoresAnEventfdThatIsNoSemaphore) {
  Builder b;
  b.process(40).fd(3, eventfd(1)).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, eventfd(1)).thread().reads(3);
  b.object(eventfd(1)).queued = 0;
  b.object(eventfd(1)).semaphore = false;

  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound);
}
TEST(LostToken, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kLostToken, blind()).outcome, Outcome::Inconclusive);
}

/// Two threads that wait for a semaphore of Python, and the main one that waits for their results.
Builder semaphore_of(std::int64_t initial) {
  Builder b;
  auto process = b.process(40).python();
  process.thread(40).futex(0x10, LockKind::UnownedLock).activity("Executor.result");
  for (const int tid : {41, 42})
    process.thread(tid)
        .futex(static_cast<std::uint64_t>(tid), LockKind::UnownedLock)
        .activity("threading.Semaphore.acquire",
                  made("threading.Semaphore", "slots", {{snapshot::Number::Initial, initial}}));
  return b;
}

TEST(LostToken, BlamesThoseWhoTookTheSlotsOfABoundedSemaphore) {
  const auto answer = ask(kLostToken, semaphore_of(2));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(LostToken, BlamesAllWhoTookSlotsOfABoundedSemaphoreOfProcesses) {
  Builder b;
  b.area(5, {40, 41, 42});
  b.process(40).thread().waits_for_children({41, 42});
  for (const int pid : {41, 42}) {
    auto p =
        b.process(pid).child_of(40).python().thread().shared_futex(5, LockKind::SharedSemaphore);
    p.activity("multiprocessing.Semaphore.acquire",
               made("multiprocessing.BoundedSemaphore", "slots",
                    {{snapshot::Number::Value, 0}, {snapshot::Number::Initial, 2}}));
    p.wait().futex.lock.likely_owners = {{Pid{41}, Tid{41}}, {Pid{42}, Tid{42}}};
  }

  EXPECT_THAT(culprits(ask(kLostToken, b)), ElementsAre(41, 42));

  b.process(41).last().held_locks = {RemoteAddr{0x1234}};
  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound) << "one is in a `with` of some lock";
}

TEST(LostToken, IgnoresASemaphoreThatMayBeASignal) {
  EXPECT_EQ(ask(kLostToken, semaphore_of(0)).outcome, Outcome::NotFound);
}

TEST(LostToken, LeavesASlotWhoseOwnerIsKnownToOthers) {
  Builder b = semaphore_of(2);
  for (snapshot::Thread& thread : b.process(40).process().threads)
    thread.wait->futex.lock.likely_owners = {{Pid{40}, Tid{42}}};

  EXPECT_EQ(ask(kLostToken, b).outcome, Outcome::NotFound);
}

}  // namespace
}  // namespace ipcdoctor::probes
