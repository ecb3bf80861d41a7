#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kMutualReceive;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Builder dialogue() {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().at("/src/client.py", 5, "ask").reads(3);
  b.process(41).child_of(40).fd(3, unix_socket(2)).thread().reads(3);
  b.connect(unix_socket(1), unix_socket(2));
  return b;
}

TEST(MutualReceive, FindsTwoThatBothWaitForTheFirstMessage) {
  const auto answer = ask(kMutualReceive, dialogue());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), UnorderedElementsAre(40, 41));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("each wait for the other to send first"));
}

TEST(MutualReceive, IsAGuessWhereWhoWouldSendWaitsForALock) {
  Builder b = dialogue();
  b.process(40).thread(42).futex(0x1000, snapshot::LockKind::Mutex);

  const auto answer = ask(kMutualReceive, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Guess);
  EXPECT_EQ(ask(kMutualReceive, dialogue()).findings[0].strength, diagnosis::Strength::Clear);
}

TEST(MutualReceive, BlamesTheOneThatAllOthersWaitFor) {
  Builder b;
  auto master = b.process(40).fd(3, pipe(1), Access::Write).fd(4, pipe(2), Access::Read).thread();
  master.reads(4);
  for (const int pid : {41, 42, 43})
    b.process(pid)
        .child_of(40)
        .fd(0, pipe(1), Access::Read)
        .fd(1, pipe(2), Access::Write)
        .thread()
        .reads(0);

  EXPECT_THAT(culprits(ask(kMutualReceive, b)), ElementsAre(40));
}

TEST(MutualReceive, IgnoresACycleInWhichOneWrites) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Write).thread().reads(3);
  b.process(41)
      .child_of(40)
      .fd(0, pipe(8), Access::Read)
      .fd(1, pipe(7), Access::Write)
      .thread()
      .writes(1);
  b.process(41).fd(2, pipe(8), Access::Read);

  EXPECT_NE(ask(kMutualReceive, b).outcome, Outcome::Found);
}

TEST(MutualReceive, IgnoresAPeerThatSleeps) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().reads(3);
  b.process(41).child_of(40).fd(3, unix_socket(2)).thread().sleeps();
  b.connect(unix_socket(1), unix_socket(2));

  EXPECT_EQ(ask(kMutualReceive, b).outcome, Outcome::NotFound);
}

Builder asks_its_own_server() {
  Builder b;
  b.process(40).fd(3, unix_socket(9)).fd(4, unix_socket(1)).thread().reads(4);
  b.object(unix_socket(9)).socket->state = "listen";
  b.object(unix_socket(1)).socket->peer_in_backlog = true;
  b.object(unix_socket(1)).socket->listener = unix_socket(9);
  return b;
}

TEST(MutualReceive, FindsOneThatWaitsForAnAnswerOfItsOwnServer) {
  const auto answer = ask(kMutualReceive, asks_its_own_server());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(MutualReceive, IgnoresAServerOfWhichAnotherProcessAccepts) {
  Builder b = asks_its_own_server();
  b.process(41).child_of(40).fd(3, unix_socket(9)).thread().waits_for_child(42);
  b.process(42).child_of(41).thread().futex(0x1000);

  EXPECT_EQ(ask(kMutualReceive, b).outcome, Outcome::NotFound);
}

TEST(MutualReceive, IgnoresCopiesOfOneEndThatKeepTheOtherOpen) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).thread().waits_for_children({41, 42});
  for (const int pid : {41, 42})
    b.process(pid).child_of(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread().reads(3);

  EXPECT_EQ(ask(kMutualReceive, b).outcome, Outcome::NotFound);
}

/// A client and its forked child at one end, the server at the other.
Builder asks_over_a_copied_end(snapshot::Resource kind) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).fd(3, unix_socket(1)).thread().reads(3);
  b.process(41).child_of(40).fd(3, unix_socket(1)).thread().reads(3);
  b.process(41).process().forked_copy = true;
  for (const int pid : {40, 41}) b.process(pid).last().activity.object.kind = kind;
  b.process(42).child_of(40).fd(5, unix_socket(2)).thread().reads(5);
  return b;
}

TEST(MutualReceive, BlamesTheChildThatAsksOverItsParentsConnection) {
  const auto answer = ask(kMutualReceive, asks_over_a_copied_end(snapshot::Resource::Proxy));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("over one connection, which fork() copied"));
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Read);

  const auto plain = ask(kMutualReceive, asks_over_a_copied_end(snapshot::Resource::Unknown));
  ASSERT_EQ(plain.outcome, Outcome::Found);
  EXPECT_THAT(plain.findings[0].title, ::testing::Not(HasSubstr("fork()")));
}

TEST(MutualReceive, IgnoresAnEndThatTheParentKeptForItself) {
  EXPECT_EQ(ask(kMutualReceive, beside_a_reader(6)).outcome, Outcome::NotFound);
  EXPECT_EQ(ask(kMutualReceive, beside_a_reader(8)).outcome, Outcome::Found) << "made for it";

  Builder both = beside_a_reader(6);
  both.process(40).fd(4, pipe(7), Access::Write);
  EXPECT_EQ(ask(kMutualReceive, both).outcome, Outcome::Found) << "the parent closed nothing";
}

TEST(MutualReceive, FindsTwoThreadsOfOneProcessAtTheEndsOfAConnection) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread(40).reads(3);
  b.process(40).thread(41).reads(4);

  const auto answer = ask(kMutualReceive, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40, 40));
  b.process(40).thread(42).reads(3);
  b.process(40).process().threads.erase(b.process(40).process().threads.begin() + 1);
  EXPECT_EQ(ask(kMutualReceive, b).outcome, Outcome::NotFound) << "both take from one end";
}

TEST(MutualReceive, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kMutualReceive, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
