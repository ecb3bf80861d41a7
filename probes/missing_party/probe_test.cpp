#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kMissingParty;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;

/// A launcher and two ranks at a barrier of three.
void build_barrier(Builder& b) {
  b.area(7, {40, 42, 43, 44}, "/dev/zero (deleted)");
  b.process(40).thread().waits_for_children({42, 43, 44});
  for (const int pid : {42, 43})
    b.process(pid).child_of(40).thread().shared_futex(7, LockKind::Barrier).lock().numbers = {
        {snapshot::LockNumber::Parties, 3}};
}

TEST(MissingParty, FindsABarrierWhoseThirdPartyIsDead) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).zombie();
  b.process(40).wait().children = {Pid{42}, Pid{43}};

  const auto answer = ask(kMissingParty, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "44");
  EXPECT_NE(answer.findings[0].title.find("2 of 3"), std::string::npos);
}

TEST(MissingParty, BlamesTheOneOfTheDeadThatFailed) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).zombie().process().wait_status = 0;
  b.process(45).child_of(40).zombie().process().wait_status = 9;
  b.process(40).wait().children = {Pid{42}, Pid{43}};

  const auto answer = ask(kMissingParty, b.build());

  EXPECT_EQ(blamed(answer), "45");
  EXPECT_NE(answer.findings[0].explanation.find("killed by signal 9"), std::string::npos);
}

TEST(MissingParty, LeavesAFutureToMissedWakeup) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Future);
  EXPECT_EQ(ask(kMissingParty, b.build()).outcome, Outcome::NotFound);

  b.process(40).lock().kind = LockKind::Latch;
  EXPECT_EQ(ask(kMissingParty, b.build()).outcome, Outcome::Found);
}

TEST(MissingParty, BlamesTheProcessWhereItsOwnThreadIsMissing) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Barrier).lock().numbers = {
      {snapshot::LockNumber::Parties, 2}};

  EXPECT_EQ(blamed(ask(kMissingParty, b.build())), "40");
}

TEST(MissingParty, BlamesALivingPartyThatWaitsElsewhere) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).thread().shared_futex(7, LockKind::Semaphore);

  const auto answer = ask(kMissingParty, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "44");
}

TEST(MissingParty, IgnoresABarrierWhoseThirdPartyStillComputes) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).thread().runs();

  EXPECT_EQ(ask(kMissingParty, b.build()).outcome, Outcome::NotFound);
}

TEST(MissingParty, BlamesWhoStartedFewerThanTheBarrierWaitsFor) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).thread().waits_for_child(42);  // came, and left
  b.process(40).wait().children = {Pid{42}, Pid{43}};

  EXPECT_EQ(blamed(ask(kMissingParty, b.build())), "42 40");
}

TEST(MissingParty, BlamesWhoStartedThePartiesOfAPool) {
  Builder b;
  build_barrier(b);
  b.process(44).child_of(40).thread().waits_for_child(42);  // came, and left
  b.process(40).python().futex(0x1000, LockKind::Condition).activity("Pool.get");
  b.process(40).last().activity.operation = snapshot::Operation::AwaitResult;

  EXPECT_EQ(blamed(ask(kMissingParty, b.build())), "42 40");
}

TEST(MissingParty, IsInconclusiveWhenTheFutexIsUnknown) {
  Builder b;
  b.process(40).thread().futex(0x1000);

  EXPECT_EQ(ask(kMissingParty, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
