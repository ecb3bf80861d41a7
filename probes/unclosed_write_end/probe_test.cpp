#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kUnclosedWriteEnd;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The parent waits for a filter whose standard input it keeps open itself.
Builder parent_keeps_stdin_open() {
  Builder b;
  b.process(40)
      .python()
      .fd(5, pipe(7), Access::Write)
      .thread()
      .at("/src/app.py", 16, "main")
      .waits_for_child(42);
  b.process(42).comm("sort").child_of(40).fd(0, pipe(7), Access::Read).thread().reads(0);
  return b;
}

TEST(UnclosedWriteEnd, FindsAHolderThatWaitsForTheReader) {
  const auto answer = ask(kUnclosedWriteEnd, parent_keeps_stdin_open());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_EQ(answer.findings[0].culprits[0].fd, 5);
  EXPECT_EQ(answer.findings[0].culprits[0].where, "app.py:16");
  EXPECT_THAT(answer.findings[0].title, HasSubstr("sort[42] waits for EOF"));
}

TEST(UnclosedWriteEnd, NamesTheVariableOfAPythonConnection) {
  Builder b = parent_keeps_stdin_open();
  RuntimeObject connection;
  connection.type = "multiprocessing.Connection";
  connection.name = "sender";
  connection.numbers.set(snapshot::Number::HandleFd, 5);
  b.process(40).process().interpreter.objects = {connection};

  EXPECT_THAT(ask(kUnclosedWriteEnd, b).findings[0].fix,
              HasSubstr("Close the write end (`sender`, fd 5) in main()"));
}

TEST(UnclosedWriteEnd, FindsAReaderThatHoldsTheWriteEndItself) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42)
      .child_of(40)
      .fd(3, pipe(7), Access::Write)
      .fd(4, pipe(7), Access::Read)
      .thread()
      .reads(4);

  const auto answer = ask(kUnclosedWriteEnd, b);

  EXPECT_THAT(culprits(answer), ElementsAre(42));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("keeps open itself"));
}

/// Nobody closes the other side of a pair, but both wait for a message, not for its end.
TEST(UnclosedWriteEnd, GivesWayWhereBothWaitToHearFromEachOther) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread().reads(3);
  b.process(41).child_of(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread().reads(4);
  b.connect(unix_socket(1), unix_socket(2));
  b.connect(unix_socket(2), unix_socket(1));
  const auto both_wait = ask(kUnclosedWriteEnd, b);
  ASSERT_EQ(both_wait.outcome, Outcome::Found);

  b.process(40).last().wait = Error{};
  b.process(40).waits_for_child(41);
  const auto one_joins = ask(kUnclosedWriteEnd, b);

  ASSERT_EQ(one_joins.outcome, Outcome::Found);
  EXPECT_LT(both_wait.findings[0].strength, one_joins.findings[0].strength);
}

TEST(UnclosedWriteEnd, BlamesTheProgramThatInheritedTheEndNotTheOneThatWaits) {
  Builder b;
  b.process(40).fd(6, pipe(8), Access::Write).thread().waits_for_child(41);
  b.process(41).comm("sort").child_of(40).fd(0, pipe(7), Access::Read).thread().reads(0);
  b.process(42)
      .comm("helper")
      .child_of(40)
      .fd(5, pipe(7), Access::Write)
      .fd(0, pipe(8), Access::Read)
      .thread()
      .reads(0);

  EXPECT_THAT(culprits(ask(kUnclosedWriteEnd, b)), ElementsAre(42));
}

/// `x=$(daemon &)`: the daemon was adopted by init and sleeps.
Builder daemon_keeps_stdout() {
  Builder b;
  auto shell = b.process(40).comm("bash").fd(3, pipe(7), Access::Read).thread();
  shell.reads(3);
  shell.process().ppid = Pid{30};
  shell.process().sid = Pid{40};
  auto daemon = b.process(44)
                    .comm("sleep")
                    .scope(Scope::Related)
                    .child_of(1)
                    .fd(1, pipe(7), Access::Write)
                    .thread();
  daemon.sleeps();
  daemon.process().sid = Pid{40};
  return b;
}

TEST(UnclosedWriteEnd, SaysStuckWhereOnlyAnOrphanHoldsTheEnd) {
  const auto answer = ask(kUnclosedWriteEnd, daemon_keeps_stdout());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_EQ(answer.findings[0].set, -1);
  EXPECT_THAT(culprits(answer), ElementsAre(44));
}

TEST(UnclosedWriteEnd, IgnoresAnOrphanThatCouldNotBeLookedInto) {
  Builder b = daemon_keeps_stdout();
  b.process(44).process().threads.clear();

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

/// A program collects what a command writes; a server that the command left behind has its output.
Builder server_keeps_the_output(bool command_is_over) {
  Builder b = daemon_keeps_stdout();
  auto popen = made("subprocess.Popen", "proc");
  popen.numbers.set(snapshot::Number::Pid, 42);
  b.process(40).python().activity("subprocess.communicate", popen);
  b.process(44).fd(5, unix_socket(1)).accepts(5);
  b.object(unix_socket(1)).socket->state = "listen";
  b.object(unix_socket(1)).socket->local = "index.sock";
  auto command = b.process(42).child_of(40);
  command.process().ns_pid = 42;
  if (command_is_over)
    command.zombie();
  else
    command.thread().waits(WaitKind::Signal, "pause");
  return b;
}

TEST(UnclosedWriteEnd, SaysStuckWhereOnlyAServerKeepsTheOutputOfACommandThatIsOver) {
  const auto answer = ask(kUnclosedWriteEnd, server_keeps_the_output(true));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), ElementsAre(44));
}

TEST(UnclosedWriteEnd, WhoSleepsMayEndThoughAThreadOfItListens) {
  Builder b = server_keeps_the_output(true);
  b.process(44).last().tid = Tid{45};
  b.process(44).thread(44).sleeps(std::chrono::seconds(9));
  b.raw().uptime_ticks = 1000;
  b.process(44).process().start_ticks = 400;  // six seconds old

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, WhoCollectsOfACommandThatLivesMayReadTheLogOfItsServer) {
  const auto answer = ask(kUnclosedWriteEnd, server_keeps_the_output(false));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Waiting);
}

/// `x=$(helper &)`
TEST(UnclosedWriteEnd, IgnoresAnOrphanThatIsMerelySlow) {
  Builder b = daemon_keeps_stdout();
  b.raw().uptime_ticks = 1000;
  b.process(44).process().start_ticks = 400;  // six seconds old
  b.process(44).sleeps(std::chrono::seconds(9));
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.process(44).wait().kind = WaitKind::Poll;  // of nothing, as select(2) sleeps
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.process(44).sleeps(std::chrono::seconds(3));
  b.process(44).wait().sleep_from_now = true;  // how long it has slept is not known
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.raw().uptime_ticks = 800000;  // as old as that, it sleeps again and again
  Result<snapshot::Effects>& next = b.process(44).process().threads.back().next;
  next = Error{Cause::Other, 0, "read what its code does next"};
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);  // it may do anything then
  next = Error{};
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::Found);
}

TEST(UnclosedWriteEnd, IgnoresAnOrphanThatWaitsForTheTree) {
  Builder b = daemon_keeps_stdout();
  b.process(40).fd(4, pipe(8), Access::Write);
  b.process(44).fd(0, pipe(8), Access::Read).reads(0);
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::Found);  // a deadlock: both wait

  b.process(41).child_of(40).fd(1, pipe(8), Access::Write).thread().sleeps();
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.process(44).file_lock(file(5), "flock");
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, IgnoresAnOrphanWhoseChildIsMerelySlow) {
  Builder b = daemon_keeps_stdout();
  b.raw().uptime_ticks = 1000;
  b.process(44).process().start_ticks = 400;
  b.process(44).waits_for_child(45);
  b.process(45).child_of(44).thread().sleeps(std::chrono::seconds(9));
  b.process(45).process().start_ticks = 400;
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.process(45).sleeps();
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::Found);
}

TEST(UnclosedWriteEnd, SaysStuckWhereTheOrphanWaitsForASignal) {
  Builder b = daemon_keeps_stdout();
  b.process(44).waits(WaitKind::Signal, "pause");

  const auto answer = ask(kUnclosedWriteEnd, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
}

TEST(UnclosedWriteEnd, SaysStuckWhereAnEventLoopWaitsForTheOrphansEnd) {
  Builder b = daemon_keeps_stdout();
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).fd(4, unix_socket(1)).fd(5, unix_socket(2)).polls_in({3, 4});

  const auto answer = ask(kUnclosedWriteEnd, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(44));
}

TEST(UnclosedWriteEnd, SaysOnAConditionWhereTheOrphanIsAServerThatTicks) {
  Builder b = daemon_keeps_stdout();
  b.process(44).fd(7, unix_socket(1)).polls_in({7}).timed();
  b.process(44).last().stable = false;
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);

  b.object(unix_socket(1)).socket->state = "listen";
  b.object(unix_socket(1)).socket->local = "127.0.0.1:80";
  const auto answer = ask(kUnclosedWriteEnd, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Waiting);
  EXPECT_EQ(answer.findings[0].unless.size(), 1U);
}

TEST(UnclosedWriteEnd, IgnoresAServerThatAlsoReadsFromADaemon) {
  Builder b = daemon_keeps_stdout();
  b.process(40).fd(4, unix_socket(1)).fd(5, pipe(8)).fd(6, pipe(9)).polls_in({3, 4, 5, 6});
  b.object(unix_socket(1)).socket->state = "listen";
  b.process(45).fd(5, pipe(8)).fd(6, pipe(9)).thread().sleeps();

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, IgnoresAServerThatReadsFromADaemonAlone) {
  Builder b = daemon_keeps_stdout();
  b.process(40).fd(4, unix_socket(1)).polls_in({3, 4});
  b.object(unix_socket(1)).socket->state = "listen";
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, IgnoresTheLogWriterOfADaemonThatStartedIt) {
  Builder b = daemon_keeps_stdout();
  b.process(40).child_of(44);
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, IgnoresALeftBehindReaderThatNobodyWaitsFor) {
  Builder b = daemon_keeps_stdout();
  b.process(40).thread(41).runs();
  b.process(40).scope(Scope::Related).child_of(1);
  b.process(46).scope(Scope::Target).thread().sleeps();
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, BlamesWhoeverDoesNotReceiveTheEndThatIsInFlightToIt) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(5, pipe(7), Access::Read).thread().reads(5);
  b.process(42).child_of(40).fd(4, unix_socket(2)).thread().waits_for_child(41);
  b.connect(unix_socket(1), unix_socket(2));
  b.object(unix_socket(2)).socket->fds_in_flight = 1;
  b.process(99).scope(Scope::Outsider).fd(4, unix_socket(3));
  b.object(unix_socket(3)).socket->fds_in_flight = 1;
  b.raw().unknown_fds_in_flight = true;

  EXPECT_THAT(culprits(ask(kUnclosedWriteEnd, b)), ElementsAre(42));
}

/// main keeps the input of the first of two chained filters open and reads the second to its end.
TEST(UnclosedWriteEnd, FindsTheInputOfAChainThatCommunicateDoesNotClose) {
  Builder b;
  b.process(40)
      .python()
      .fd(3, pipe(1), Access::Write)
      .fd(4, pipe(3), Access::Read)
      .thread()
      .activity("subprocess.communicate")
      .reads(4);
  b.process(41).comm("cat").child_of(40).fd(0, pipe(1), Access::Read).fd(1, pipe(2), Access::Write);
  b.process(41).thread().reads(0);
  b.process(42)
      .comm("sort")
      .child_of(40)
      .fd(0, pipe(2), Access::Read)
      .fd(1, pipe(3), Access::Write);
  b.process(42).thread().reads(0);

  const auto answer = ask(kUnclosedWriteEnd, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("cat[41] waits for EOF"));
}

TEST(UnclosedWriteEnd, IgnoresAPipelineWhoseWriterIsASibling) {
  Builder b;
  b.process(40).comm("bash").thread().waits_for_children({41, 42});
  b.process(41).comm("sleep").child_of(40).fd(1, pipe(7), Access::Write).thread().sleeps();
  b.process(42).comm("cat").child_of(40).fd(0, pipe(7), Access::Read).thread().reads(0);

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, IgnoresTwoThatWaitForEachOthersMessage) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Write).thread().reads(3);
  b.process(41)
      .child_of(40)
      .fd(0, pipe(8), Access::Read)
      .fd(1, pipe(7), Access::Write)
      .thread()
      .reads(0);

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, FindsTheCopyOfASiblingThatWaitsForTheParent) {
  const auto answer = ask(kUnclosedWriteEnd, beside_a_reader(6));

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(42));
}

Builder forked_loop_over_its_own_pipe() {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  auto child = b.process(41)
                   .child_of(40)
                   .fd(3, pipe(7), Access::Read)
                   .fd(4, pipe(7), Access::Write)
                   .fd(5, object(ObjectKind::Epoll, 1))
                   .thread();
  child.waits(WaitKind::Epoll, "epoll_wait").on(5, true, false);
  child.process().forked_copy = true;
  b.object(object(ObjectKind::Epoll, 1)).watched = {{3, pipe(7), 1}};
  return b;
}

TEST(UnclosedWriteEnd, FindsAForkedCopyThatWatchesOnePipeOfWhichItHasBothEnds) {
  const auto answer = ask(kUnclosedWriteEnd, forked_loop_over_its_own_pipe());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
}

TEST(UnclosedWriteEnd, IgnoresThePipeByWhichAnEventLoopWakesItself) {
  Builder b = forked_loop_over_its_own_pipe();
  b.process(41).process().forked_copy = false;

  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, GivesWayToALockThatKeepsTheWriterWaiting) {
  Builder b;
  auto reader =
      b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread().reads(3);
  const auto alone = ask(kUnclosedWriteEnd, b).findings.at(0).strength;
  reader.thread(41).futex(0x1000, snapshot::LockKind::FileStream).owned_by({task(40)});

  EXPECT_LT(ask(kUnclosedWriteEnd, b).findings.at(0).strength, alone);
}

TEST(UnclosedWriteEnd, FindsAFilterThatAnswersAtTheEndOfItsInput) {
  const auto filter = [](const char* name) {
    Builder b;
    b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Write).thread().reads(3);
    b.process(41)
        .comm(name)
        .child_of(40)
        .fd(0, pipe(8), Access::Read)
        .fd(1, pipe(7), Access::Write)
        .thread()
        .reads(0);
    return ask(kUnclosedWriteEnd, b);
  };
  EXPECT_THAT(culprits(filter("sort")), ElementsAre(40));
  EXPECT_EQ(filter("bc").outcome, Outcome::NotFound);
}

TEST(UnclosedWriteEnd, FindsTheEmptySourceOfASplice) {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Write).thread().waits_for_child(41);
  auto pump = b.process(41)
                  .child_of(40)
                  .fd(3, pipe(7), Access::Read)
                  .fd(4, pipe(8), Access::Both)
                  .thread()
                  .waits(WaitKind::Poll, "splice");
  pump.on(3, true, false).on(4, false, true);
  b.object(pipe(7)).queued = 0;
  EXPECT_THAT(culprits(ask(kUnclosedWriteEnd, b)), ElementsAre(40));

  b.object(pipe(7)).queued = 10;
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound) << "it waits for room";
}

TEST(UnclosedWriteEnd, IgnoresASpliceFromASocketWithData) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).fd(4, unix_socket(2)).thread().waits_for_child(41);
  auto pump = b.process(41)
                  .child_of(40)
                  .fd(3, unix_socket(1))
                  .fd(4, pipe(8), Access::Both)
                  .thread()
                  .waits(WaitKind::Poll, "splice");
  pump.on(3, true, false).on(4, false, true);
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::Found);

  b.object(unix_socket(1)).socket->receive_queue = 10;
  EXPECT_EQ(ask(kUnclosedWriteEnd, b).outcome, Outcome::NotFound) << "it waits for room";
}

TEST(UnclosedWriteEnd, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kUnclosedWriteEnd, blind()).outcome, Outcome::Inconclusive);
}

TEST(UnclosedWriteEnd, GivesWayWhereAThreadThatHasTheOtherEndWantsALock) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto p = b.process(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread(41).reads(4);
  p.thread(40).futex(0x1000, LockKind::Condition);
  const auto alone = ask(kUnclosedWriteEnd, b).findings.at(0).strength;

  p.thread(42).futex(0x2000, LockKind::UnownedLock).owned_by({{Pid{40}, Tid{40}}});
  EXPECT_LT(ask(kUnclosedWriteEnd, b).findings.at(0).strength, alone);
}

}  // namespace
}  // namespace ipcdoctor::probes
