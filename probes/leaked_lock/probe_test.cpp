#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLeakedLock;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The installer took the lock and ended; the agent that it started inherited the descriptor.
Builder lock_of_a_daemon() {
  Builder b;
  auto waiter = b.process(40).thread();
  waiter.file_lock(file(5), "flock");
  waiter.process().sid = Pid{40};
  waiter.process().ppid = Pid{30};
  auto agent =
      b.process(44).comm("agent").scope(Scope::Related).child_of(1).fd(9, file(5)).thread();
  agent.sleeps();
  agent.process().sid = Pid{40};
  b.lock({file(5), "flock", true, 0, ~std::uint64_t{0}, Pid{41}, {{Pid{44}, 9}}});
  return b;
}

TEST(LeakedLock, FindsALockThatOnlyAnOrphanStillHolds) {
  const auto answer = ask(kLeakedLock, lock_of_a_daemon());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), ElementsAre(44));
  EXPECT_EQ(answer.findings[0].culprits[0].fd, 9);
}

TEST(LeakedLock, IgnoresAnOrphanThatIsMerelySlow) {
  Builder b = lock_of_a_daemon();
  b.raw().uptime_ticks = 1000;
  b.process(44).process().start_ticks = 400;  // six seconds old
  b.process(44).sleeps(std::chrono::seconds(9));
  EXPECT_EQ(ask(kLeakedLock, b).outcome, Outcome::NotFound);

  b.process(44).sleeps(std::chrono::seconds(1));  // not for the first time
  EXPECT_EQ(ask(kLeakedLock, b).outcome, Outcome::Found);
}

TEST(LeakedLock, IgnoresAHolderThatTookItItself) {
  Builder b = lock_of_a_daemon();
  b.raw().file_locks[0].taker = Pid{44};

  EXPECT_EQ(ask(kLeakedLock, b).outcome, Outcome::NotFound);
}

TEST(LeakedLock, IgnoresALockThatAChildOfTheTreeHolds) {
  Builder b;
  b.process(40).thread().waits_for_children({41, 42});
  b.process(41).child_of(40).fd(9, file(5)).thread().sleeps();
  b.process(42).child_of(40).fd(9, file(5)).thread().file_lock(file(5), "flock");
  b.lock({file(5), "flock", true, 0, ~std::uint64_t{0}, Pid{43}, {{Pid{41}, 9}}});

  EXPECT_EQ(ask(kLeakedLock, b).outcome, Outcome::NotFound);
}

TEST(LeakedLock, FindsALockThatTheWaiterItselfLeftToItsChild) {
  Builder b;
  b.process(40).thread().file_lock(file(5), "flock");
  b.process(41).child_of(40).fd(3, file(5)).fd(4, pipe(7)).thread().reads(4);
  b.process(40).fd(6, pipe(7), Access::Write);
  b.lock({file(5), "flock", true, 0, ~std::uint64_t{0}, Pid{40}, {{Pid{41}, 3}}});

  const auto answer = ask(kLeakedLock, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
  EXPECT_THAT(answer.findings[0].explanation, HasSubstr("took it itself"));
}

TEST(LeakedLock, IgnoresALockThatMayHaveBeenHandedOver) {
  Builder b;
  b.process(40).thread().file_lock(file(5), "flock");
  b.process(41).child_of(40).fd(3, file(5)).fd(4, unix_socket(7)).thread().sleeps();
  b.lock({file(5), "flock", true, 0, ~std::uint64_t{0}, Pid{40}, {{Pid{41}, 3}}});

  EXPECT_EQ(ask(kLeakedLock, b).outcome, Outcome::NotFound);
}

TEST(LeakedLock, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kLeakedLock, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
