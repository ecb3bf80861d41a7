#include <sys/epoll.h>

#include <csignal>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kJoinBeforeDrain;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Builder join_then_recv() {
  Builder b;
  b.process(40)
      .python()
      .fd(3, pipe(7), Access::Read)
      .thread()
      .at("/src/app.py", 23, "main")
      .waits_for_child(41);
  b.process(41)
      .python()
      .child_of(40)
      .fd(4, pipe(7), Access::Write)
      .thread()
      .at("/src/app.py", 12, "parse")
      .writes(4);
  return b;
}

TEST(JoinBeforeDrain, FindsAParentThatJoinsTheChildWhosePipeItShouldRead) {
  const auto answer = ask(kJoinBeforeDrain, join_then_recv());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].fix, HasSubstr("app.py:23"));
}

TEST(JoinBeforeDrain, TellsTheFixInTheWordsOfTheLanguage) {
  for (const auto& [exe, words] :
       {std::pair{"/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "Read process.getInputStream()"},
        std::pair{"/usr/bin/node", "Read child.stdout"},
        std::pair{"/usr/bin/php8.2", "stream_get_contents"}}) {
    Builder b;
    b.process(40).fd(3, pipe(7), Access::Read).thread().waits_for_child(41);
    b.process(41).child_of(40).fd(4, pipe(7), Access::Write).thread().writes(4);
    b.process(40).process().exe = exe;

    const auto answer = ask(kJoinBeforeDrain, b);

    ASSERT_EQ(answer.outcome, Outcome::Found);
    EXPECT_THAT(answer.findings[0].fix, HasSubstr(words));
  }
}

TEST(JoinBeforeDrain, FindsAnEventLoopThatReadsNothingBeforeTheExit) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Read).thread().polls_in({4});
  b.process(40).fd(5, pipe(8), Access::Write);  // its own, for signals
  b.process(40).last().signals = snapshot::SignalSets{.caught = 1ULL << (SIGCHLD - 1)};
  b.process(41).child_of(40).fd(1, pipe(7), Access::Write).thread().writes(1);

  const auto answer = ask(kJoinBeforeDrain, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));

  b.process(40).last().signals = snapshot::SignalSets{};  // it never asks for exits
  EXPECT_NE(ask(kJoinBeforeDrain, b).outcome, Outcome::Found);

  b.process(40).last().signals = snapshot::SignalSets{.caught = 1ULL << (SIGCHLD - 1)};
  b.process(41).fd(2, pipe(8), Access::Write);  // what the loop waits for is the child's too
  EXPECT_NE(ask(kJoinBeforeDrain, b).outcome, Outcome::Found);

  const ObjectId set =
      object(snapshot::ObjectKind::Epoll, 9);  // of a loop that hears exits as well
  b.object(set).watched.push_back({4, pipe(8), EPOLLIN});
  b.process(40).fd(6, set).waits(WaitKind::Epoll, "epoll_wait").on(6, true, false);
  EXPECT_THAT(culprits(ask(kJoinBeforeDrain, b)), ElementsAre(40));
}

TEST(JoinBeforeDrain, FindsAWaitForThreadsWhoseResultsNobodyTakes) {
  Builder b;
  const auto at_channel = [](ProcessBuilder& p, snapshot::Operation operation) {
    p.last().activity.operation = operation;
    p.last().activity.object.kind = snapshot::Resource::Channel;
    p.last().activity.object.reach = snapshot::Reach::Memory;
  };
  auto p = b.process(40).thread().futex(0x900, snapshot::LockKind::SharedValue);
  p.last().activity.object.kind = snapshot::Resource::Thread;
  p.thread(41).futex(0x1000, snapshot::LockKind::Unknown);
  at_channel(p, snapshot::Operation::Put);

  const auto answer = ask(kJoinBeforeDrain, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));

  p.thread(42).futex(0x2000, snapshot::LockKind::Unknown);
  at_channel(p, snapshot::Operation::Receive);  // of another channel
  EXPECT_EQ(ask(kJoinBeforeDrain, b).outcome, Outcome::Found);

  p.thread(43).futex(0x1000, snapshot::LockKind::Unknown);
  at_channel(p, snapshot::Operation::Receive);  // somebody takes
  EXPECT_NE(ask(kJoinBeforeDrain, b).outcome, Outcome::Found);
}

TEST(JoinBeforeDrain, FindsAParentThatDoesNotReadTheTerminalOfItsChild) {
  const ObjectId slave = object(snapshot::ObjectKind::Terminal, 0, 5),
                 master = object(snapshot::ObjectKind::TerminalMaster, 0, 5);
  Builder b;
  b.process(40).fd(3, master).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(1, slave).thread().waits(snapshot::WaitKind::Terminal, "write");
  b.process(41).on(1, false, true);

  const auto answer = ask(kJoinBeforeDrain, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(JoinBeforeDrain, BlamesTheCoroutineNotTheThreadThatWaitsOnItsBehalf) {
  Builder b = join_then_recv();
  b.process(40)
      .thread(44)
      .at("/src/app.py", 5, "main")
      .activity("asyncio.Process.wait")
      .waits_for_child(41);

  const auto answer = ask(kJoinBeforeDrain, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits.at(0).task.tid, Tid{44});
  EXPECT_THAT(answer.findings[0].fix, HasSubstr("communicate()"));
}

TEST(JoinBeforeDrain, FindsAThreadThatJoinsTheWriterOfItsOwnEventfd) {
  Builder b;
  auto process = b.process(40).fd(3, eventfd(1)).thread();
  process.futex(0x1000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  b.process(40).thread(41).writes(3);

  EXPECT_THAT(culprits(ask(kJoinBeforeDrain, b)), ElementsAre(40));
}

TEST(JoinBeforeDrain, BlamesTheParentNotTheChildThatWaitsForItsOwnFeeder) {
  Builder b;
  auto child = b.process(40).fd(3, pipe(7)).thread();
  child.futex(0x1000, LockKind::ThreadJoin).owned_by({task(40, 44)});
  b.process(40).thread(44).activity("multiprocessing.Queue.feed").writes(3);
  b.process(50).fd(3, pipe(7)).thread().waits_for_child(40);

  EXPECT_THAT(culprits(ask(kJoinBeforeDrain, b)), ElementsAre(50));
}

TEST(JoinBeforeDrain, BlamesTheParentThatJoinsTheChildWhoseTurnHasNotCome) {
  Builder b;
  b.process(40).fd(3, pipe(7)).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(3, pipe(7)).thread().futex(0x2000).owned_by({task(42)});
  b.process(42).child_of(40).fd(3, pipe(7)).thread().writes(3);

  EXPECT_THAT(culprits(ask(kJoinBeforeDrain, b)), ElementsAre(40));
}

/// The sentinel that join() polls is held by a fork server, which waits for clients.
Builder child_of_a_fork_server(const std::string& what_the_child_does) {
  Builder b;
  const RuntimeObject child =
      testing::made("multiprocessing.Process", "p", {{snapshot::Number::Pid, 42}});
  b.process(40)
      .fd(3, pipe(7), Access::Read)
      .fd(5, pipe(8), Access::Read)
      .thread()
      .activity("multiprocessing.Process.join", child)
      .polls_in({5});
  b.process(41)
      .child_of(40)
      .fd(3, inet_socket(9))
      .fd(6, pipe(8), Access::Write)
      .thread()
      .accepts(3);
  b.object(inet_socket(9)).socket->state = "listen";
  b.process(42)
      .child_of(41)
      .fd(4, pipe(7), Access::Write)
      .thread()
      .activity(what_the_child_does)
      .writes(4);
  return b;
}

TEST(JoinBeforeDrain, SeesThroughTheForkServer) {
  const auto answer = ask(kJoinBeforeDrain, child_of_a_fork_server("multiprocessing.Queue.feed"));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].grade, diagnosis::Grade::Assuming);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(JoinBeforeDrain, IgnoresAChildOfTheForkServerThatDoesSomethingElse) {
  EXPECT_EQ(ask(kJoinBeforeDrain, child_of_a_fork_server("Connection.send")).outcome,
            Outcome::NotFound);
}

TEST(JoinBeforeDrain, FindsAChildWhoseConnectionWaitsToBeAccepted) {
  Builder b;
  b.process(40).fd(3, inet_socket(1)).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(4, inet_socket(2)).thread().reads(4);
  b.object(inet_socket(1)).socket->state = "listen";
  b.object(inet_socket(2)).socket->state = "established";
  b.object(inet_socket(2)).socket->peer_in_backlog = true;
  b.object(inet_socket(2)).socket->listener = inet_socket(1);

  const auto answer = ask(kJoinBeforeDrain, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].explanation, HasSubstr("could accept it"));
}

/// A System V queue has no descriptor that would tell what it is.
TEST(JoinBeforeDrain, IgnoresAChildThatReceivesFromAQueue) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread();
  b.process(42).waits(snapshot::WaitKind::SysvReceive, "msgrcv").wait().sysv.id = 7;
  b.sysv("msg", 7, 0);  // IPC_PRIVATE

  EXPECT_EQ(ask(kJoinBeforeDrain, b.build()).outcome, Outcome::NotFound);
}

TEST(JoinBeforeDrain, IgnoresAChildThatWritesToSomebodyElse) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41)
      .child_of(40)
      .fd(1, pipe(7), Access::Write)
      .fd(3, pipe(7), Access::Read)
      .thread()
      .writes(1);

  EXPECT_EQ(ask(kJoinBeforeDrain, b).outcome, Outcome::NotFound);
}

TEST(JoinBeforeDrain, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kJoinBeforeDrain, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
