#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "graph/built_graph_for_tests.h"

/// Who lives beside a deadlock, what it could do, and what is at rest.
namespace ipcdoctor::graph {
namespace {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder
using testing::BuiltGraph;
using ::testing::ElementsAre;
using testing::graph_of;
using ::testing::IsEmpty;

Effects effects(std::uint32_t mask) {
  return effects_of(mask, "sleeps");
}

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

/// Two threads that want each other's lock, whose owners are not stored.
Builder two_threads() {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::UnownedLock).activity("threading.Lock.acquire");
  b.process(40).last().activity.operation = Operation::Acquire;
  b.process(40).thread(41).futex(0x2000, LockKind::UnownedLock).activity("threading.Lock.acquire");
  b.process(40).last().activity.operation = Operation::Acquire;
  return b;
}

TEST(Helper, OneThatWasReadAndOnlySleepsIsNoWaker) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  b.process(40).last().next = effects(0);
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("app[40/42] does nothing for the others (its code was read, only "
                          "sleeps)"));
}

TEST(Helper, OneThatMayReleaseIsAWaker) {
  for (const std::uint32_t mask : {std::uint32_t{kReleases}, std::uint32_t{kForks},
                                   std::uint32_t{kEndsThread}, std::uint32_t{kSignals}}) {
    Builder b = two_threads();
    b.process(40).thread(42).sleeps();
    b.process(40).last().next = effects(mask);
    EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << mask;
  }
}

TEST(Helper, OneThatWasNotUnderstoodIsAsGoodAsUnread) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  b.process(40).last().next = effects(kUnknown);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
}

TEST(Helper, OneThatWasNotReadMakesAClaimUnderACondition) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Conditional);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Conditional);
  EXPECT_THAT(graph.stuck_sets()[0].unless,
              ElementsAre(::testing::Field(
                  &Leaf::text, "app[40/42] (it sleeps and goes on by itself in at most 3600 s)")));
}

TEST(Helper, TheMainThreadThatWaitsForClientsOnlyIsOne) {
  Builder b;
  b.object(inet_socket(5)).socket->state = "listen";
  b.process(40).fd(3, inet_socket(5)).fd(4, pipe(9), Access::Read).thread().polls_in({3});
  for (const int tid : {41, 42}) {
    b.process(40).thread(tid).futex(0x1000, LockKind::UnownedLock);
    b.process(40).last().activity.operation = Operation::Acquire;
  }
  EXPECT_EQ(graph_of(b).level(task(40, 41)), Level::Conditional);
  b.process(40).process().threads[0].wait->objects.push_back({4, pipe(9), true, false});
  EXPECT_EQ(graph_of(b).level(task(40, 41)), Level::Live) << "somebody gives it orders";
}

/// A parent that asks for the end of a child, which reads what only the parent may send.
Builder asks_for_a_reader() {
  Builder b;
  b.process(40).fd(4, pipe(9), Access::Write).thread().waits_for_child(41).asked();
  b.process(41).child_of(40).fd(3, pipe(9), Access::Read).thread().reads(3);
  return b;
}

TEST(EventLoop, ATimerOfTheLoopMayHelpTasksThatHaveEachOthersLocks) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto loop = b.process(40).fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread();
  loop.polls_in({3}).timed().activity("asyncio.Lock.acquire");
  loop.last().activity.operation = snapshot::Operation::Acquire;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "one may have it and go on";
  loop.last().activity.object.numbers.set(Number::Ring, 2);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
}

TEST(Question, WaitsForTheEndOfTheChild) {
  const Builder b = asks_for_a_reader();
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("app[40] only asks again and again: its code was read"));
}

TEST(Question, AnyOfThemLetsItGoOn) {
  Builder b = asks_for_a_reader();
  b.process(42).child_of(40).thread().sleeps();
  Wait other;
  other.kind = WaitKind::Child;
  other.asked = other.untimed = true;
  other.children = {Pid{42}};
  b.process(40).last().asks.push_back(other);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Question, AThreadBesideItMayChangeWhatItLooksAt) {
  Builder b = asks_for_a_reader();
  b.process(40).thread(43).sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
}

TEST(Question, WhatItDoesBetweenTwoMayHelp) {
  Builder b = asks_for_a_reader();
  b.process(40).last().meanwhile = effects(kWrites);
  b.process(40).last().meanwhile->fds = {1};
  b.process(40).fd(1, pipe(10), Access::Write);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming) << "nobody waits for it";
  b.process(40).last().meanwhile->fds = {4};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.process(40).last().meanwhile = effects(kReleases);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Question, OneThatIsAnsweredIsNoWait) {
  Builder b;
  b.process(40).fd(4, pipe(9), Access::Read).thread().reads(4).asked();
  b.process(41).fd(3, pipe(9), Access::Write).thread().waits_for_child(40);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "how much is in the pipe is not known";
  b.object(pipe(9)).queued = std::uint64_t{0};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
  b.object(pipe(9)).queued = std::uint64_t{1};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Helper, OneThatHelpsOnlyOnceAClientComesMakesAClaimUnderACondition) {
  Builder b = two_threads();
  b.process(40).fd(3, inet_socket(5)).thread(42).accepts(3);
  b.object(inet_socket(5)).socket->state = "listen";
  b.process(40).last().next = effects(kReleases);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
}

/// As the thread of a library that waits for orders of another process.
TEST(Helper, OneThatReadsFromAProcessThatLivesMakesAClaimUnderACondition) {
  Builder b = two_threads();
  b.process(50).fd(3, pipe(7), Access::Write).thread().sleeps();
  b.process(40).fd(3, pipe(7), Access::Read).thread(42).reads(3);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
  b.process(40).last().next = effects(kReleases);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "its code says that it helps";
}

TEST(Helper, TheConditionIsToldWhereItDoesNotCountForTheOneWhoHelpsEither) {
  Builder b = two_threads();
  b.process(40).fd(3, pipe(7), Access::Read).thread(42).reads(3);  // for orders of 50
  b.process(50).fd(3, pipe(7), Access::Write).thread().futex(0x900, LockKind::UnownedLock);
  b.process(50).fd(4, pipe(8), Access::Read).thread(51).reads(4);  // for orders of 60
  b.process(60).fd(3, pipe(8), Access::Write).thread().sleeps();
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.level(task(40)), Level::Conditional);
  for (const StuckSet& set : graph.stuck_sets()) EXPECT_FALSE(set.unless.empty());
}

TEST(Helper, OneWhoseEndIsAwaitedIsNoBystander) {
  Builder b;
  b.process(50).fd(3, pipe(7), Access::Write).thread().sleeps();
  b.process(40).fd(3, pipe(7), Access::Read);
  b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 42)});
  b.process(40).thread(42).reads(3);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Helper, AMainThreadThatLivesIsNoBystander) {
  Builder b;
  b.process(40).thread().sleeps();
  b.process(40).thread(41).futex(0x1000, LockKind::UnownedLock).activity("threading.Lock.acquire");
  b.process(40).last().activity.operation = Operation::Acquire;
  EXPECT_EQ(graph_of(b).level(task(40, 41)), Level::Live);
}

TEST(Helper, WhatItWritesCountsOnlyWhereSomebodyWaitsForIt) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7), Access::Read);
  b.process(42).fd(5, pipe(8), Access::Write).thread().reads(4);
  b.process(42).thread(43).sleeps();
  b.process(42).last().next = effects(kWrites);
  b.process(42).last().next->fds = {5};
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Assuming) << "nobody waits for what it writes";
  b.process(42).last().next->fds = {3};
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Live);
  b.process(42).last().next->fds.clear();
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Live) << "it may be any descriptor";
}

TEST(Helper, OneThatWakesKnownOnesHelpsNobodyElse) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  b.process(40).last().next = effects(kReleases);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "it may wake anybody";
  b.process(40).last().next->releases = {0x999};  // what joins it waits for
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
  b.process(40).thread(43).futex(0x999, LockKind::UnownedLock);
  EXPECT_EQ(graph_of(b).level({Pid{40}, Tid{43}}), Level::Live);
}

TEST(Helper, OneOfAnotherProcessThatWakesKnownOnesPostsNothingThatIsShared) {
  Builder b;
  b.process(40).thread().shared_futex(9, LockKind::SharedSemaphore);
  b.process(42).child_of(40).fd(2, file(5)).fd(3, pipe(7)).thread().waits_for_child(43);
  b.process(43).child_of(42).fd(4, pipe(7), Access::Read).thread().reads(4);
  b.area(9, {40, 42});
  b.process(42).thread(44).sleeps();
  b.process(42).last().next = effects(kReleases | kFinishes | kWrites);
  b.process(42).last().next->releases = {0x999};
  b.process(42).last().next->fds = {2};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
  b.process(42).last().next->fds = {3};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "it may be waited for";
  b.process(42).last().next->fds = {2};
  b.process(42).last().next->releases.clear();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "it may post";
}

TEST(Helper, HousekeepingThatRestsIsAnAssumption) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  b.process(40).last().housekeeping = "thread of libuv";
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets().at(0).assumptions,
              ElementsAre("app[40/42] does nothing for the others (a thread of libuv)"));
}

TEST(Helper, AThreadThatOnlyCarriesIsNoTask) {
  Builder b = two_threads();
  b.process(40).thread(42).sleeps();
  b.process(40).last().carries = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(Helper, ATaskOfARuntimeThatAcceptsMakesAClaimUnderACondition) {
  Builder b = two_threads();
  b.process(40).fd(3, inet_socket(9)).thread(kFirstFiber + 7).accepts(3);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
}

TEST(Helper, ATaskOfARuntimeThatReadsHandsOnWhatItGets) {
  Builder b = two_threads();
  b.process(40).fd(3, inet_socket(9)).thread(kFirstFiber + 7).reads(3);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Helper, ATaskOfARuntimeThatSleepsMakesAClaimUnderACondition) {
  Builder b = two_threads();
  b.process(40).thread(kFirstFiber + 7).sleeps();
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Conditional);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_EQ(graph.stuck_sets()[0].unless[0].text,
            "app[40#7] (it sleeps and goes on by itself in at most 3600 s)");
}

TEST(Helper, HousekeepingAtWorkIsAWaker) {
  Builder b = two_threads();
  b.process(40).thread(42).runs();  // a garbage collector, for which the others wait
  b.process(40).last().housekeeping = "thread of the JVM";
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

Builder reader_with_handler(std::uint32_t mask, bool restarts) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7), Access::Read);
  b.process(42).thread().reads(4);
  b.process(42).last().signals = SignalSets{.caught = bit(SIGTERM)};
  b.process(42).process().handlers =
      std::vector<Handler>{{SIGTERM, restarts, true, "note", effects(mask)}};
  return b;
}

TEST(Handlers, OneThatSetsAFlagAndRestartsHelpsNobody) {
  const BuiltGraph graph = graph_of(reader_with_handler(0, true));
  EXPECT_EQ(graph.level(task(42)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("no handler for SIGTERM of app[42] helps: their code was read"));
}

TEST(Handlers, OneThatInterruptsTheCallMayHelp) {
  EXPECT_EQ(graph_of(reader_with_handler(0, false)).level(task(42)), Level::Conditional);
}

TEST(Handlers, OneThatTheRuntimeDropsIsNotSentToInterruptTheCall) {
  Builder b = reader_with_handler(0, false);
  b.process(42).process().handlers->front().idle = true;
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(42)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("nobody sends SIGTERM of app[42], which has a handler for it"));
  b.process(42).process().handlers->front().effects = effects(kCloses);
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Conditional);
}

TEST(Handlers, OneThatClosesMayHelp) {
  EXPECT_EQ(graph_of(reader_with_handler(kCloses, true)).level(task(42)), Level::Conditional);
}

TEST(Handlers, OneThatEndsTheProgramDoesWhatTheSignalWouldHaveDone) {
  EXPECT_EQ(graph_of(reader_with_handler(kExits | kSignals, false)).level(task(42)), Level::Proved);
}

TEST(Handlers, OneThatAsksTheProgramToEndIsNotSent) {
  const BuiltGraph graph = graph_of(reader_with_handler(kLeaves, false));
  EXPECT_EQ(graph.level(task(42)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("nobody sends SIGTERM of app[42], which ends by it"));
  EXPECT_EQ(graph_of(reader_with_handler(kLeaves | kReleases, false)).level(task(42)),
            Level::Conditional);
}

/// Threads of one process that wait for locks at 0x1000 and 0x2000; the handler runs on the first.
Builder two_waiters(std::vector<std::uint64_t> released) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::UnownedLock);
  b.process(40).last().is_interpreted = true;
  b.process(40).last().signals = SignalSets{.caught = bit(SIGTERM)};
  b.process(40).thread(41).futex(0x2000, LockKind::UnownedLock);
  for (snapshot::Thread& thread : b.process(40).process().threads)
    thread.activity = {"queue.Queue.put", Operation::Put, {}};
  Effects sets = effects(kReleases);
  sets.releases = std::move(released);
  b.process(40).process().handlers =
      std::vector<Handler>{{SIGTERM, false, false, "on_term", std::move(sets)}};
  return b;
}

TEST(Handlers, OneThatWakesThoseOfOneEventHelpsNobodyElse) {
  const BuiltGraph nobody = graph_of(two_waiters({0x3000}));
  EXPECT_EQ(nobody.level(task(40, 41)), Level::Assuming);
  EXPECT_THAT(nobody.stuck_sets()[0].assumptions,
              ElementsAre("no handler for SIGTERM of app[40] jumps out of its wait"));
  const BuiltGraph other = graph_of(two_waiters({0x3000, 0x2000}));
  EXPECT_EQ(other.level(task(40, 41)), Level::Conditional);
  EXPECT_EQ(graph_of(two_waiters({0x1000})).level(task(40)), Level::Conditional);
  EXPECT_EQ(graph_of(two_waiters({})).level(task(40)), Level::Conditional) << "whom is not known";
}

TEST(Handlers, WhoLooksAtAnEventAgainAndAgainMaySeeThatAHandlerSetIt) {
  Builder b = two_waiters({0x3000});
  b.process(40).asked();
  b.process(40).last().meanwhile = effects(0);
  b.process(40).last().wait->futex.word = std::uint32_t{0};
  b.process(40).last().activity = {"threading.Event.wait", Operation::AwaitSignal, {}};
  b.process(40).process().threads[0].activity = {"Thread.join", Operation::AwaitEnd, {}};
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40, 41)), Level::Conditional);
  EXPECT_TRUE(graph.is_at_rest(task(40, 41)));
  b.process(40).process().threads[0].activity.operation = Operation::Acquire;
  EXPECT_FALSE(graph_of(b).is_at_rest(task(40, 41))) << "somebody wants a lock meanwhile";
}

TEST(Handlers, OfALanguageRunInTheMainThreadOnly) {
  Builder b = reader_with_handler(kCloses, false);
  b.process(42).process().handlers->front().any_thread = false;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Conditional) << "this is the main thread";
  b.process(42).last().tid = Tid{43};
  b.process(42).last().is_interpreted = true;
  EXPECT_EQ(graph_of(b).level(task(42, 43)), Level::Proved);
}

/// "The first SIGTERM sets the event, the second one ends the program."
TEST(Handlers, OfALanguageThatMayEndTheProgramMayAlsoHelp) {
  Builder b = reader_with_handler(kReleases | kExits | kRaises, false);
  b.process(42).last().is_interpreted = true;
  b.process(42).process().handlers->front().any_thread = false;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Conditional);
  b.process(42).process().handlers->front().effects = effects(kExits | kRaises);
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Proved);
}

TEST(Handlers, OfALanguageWriteIntoTheWakeupPipeOnAnyThread) {
  Builder b = reader_with_handler(kWrites, false);
  b.process(42).process().handlers->front().any_thread = false;
  b.process(42).process().handlers->front().effects->fds = {3};
  b.process(42).last().tid = Tid{43};
  b.process(42).last().is_interpreted = true;
  EXPECT_EQ(graph_of(b).level(task(42, 43)), Level::Conditional);
}

TEST(Handlers, OneThatWasNotReadMayDoAnything) {
  Builder b = reader_with_handler(0, true);
  b.process(42).process().handlers = Error{Cause::Denied, EPERM, "read the handlers"};
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(42)), Level::Conditional);
  EXPECT_EQ(graph.stuck_sets().at(0).unless.at(0).text,
            "a handler for SIGTERM of app[42] (it was not read)");
}

/// A process that lives as long as somebody may connect.
Builder server() {
  Builder b;
  b.process(40).fd(3, inet_socket(5)).thread().accepts(3);
  b.object(inet_socket(5)).socket->state = "listen";
  return b;
}

TEST(Rest, AHelperThatIsParkedUntilItIsEndedIsNoHang) {
  Builder b = server();
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);
  b.process(42).last().activity = {"threading.Event.wait", Operation::AwaitSignal, {}};
  const BuiltGraph graph = graph_of(b);
  EXPECT_THAT(graph.stuck_sets(), IsEmpty());
  EXPECT_TRUE(graph.is_at_rest(task(42)));
  EXPECT_FALSE(graph.is_at_rest(task(40)));
}

/// Such as `signal.signal(SIGTERM, lambda *_: sys.exit())` before `Event().wait()`.
TEST(Rest, AProgramThatIsParkedUntilItsHandlerEndsItIsNoHang) {
  Builder b;
  b.process(42).thread().futex(0x1000, LockKind::UnownedLock);
  b.process(42).last().activity = {"threading.Event.wait", Operation::AwaitSignal, {}};
  b.process(42).last().signals = SignalSets{.caught = bit(SIGTERM)};
  b.process(42).process().handlers =
      std::vector<Handler>{{SIGTERM, false, false, "leave", effects(kLeaves)}};
  const BuiltGraph graph = graph_of(b);
  EXPECT_TRUE(graph.is_at_rest(task(42)));
  b.process(42).last().activity.operation = Operation::Put;
  EXPECT_FALSE(graph_of(b).is_at_rest(task(42)));
}

TEST(Rest, OfAProgramThatIsOverdueTheMainThreadHangs) {
  Builder b = server();
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::UnownedLock);
  b.process(42).thread(43).futex(0x2000, LockKind::Condition);
  Snapshot snapshot = b.build();
  snapshot.targets = {Pid{42}};
  snapshot.overdue = true;
  const WaitGraph graph(snapshot);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_FALSE(graph.is_at_rest(task(42)));
}

TEST(Rest, WhoseEndIsAwaitedIsNot) {
  Builder b = server();
  b.process(41).child_of(40).thread().waits_for_child(42);
  b.process(42).child_of(41).thread().futex(0x1000, LockKind::UnownedLock);
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  ASSERT_EQ(graph.stuck_sets()[0].debts.size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].debts[0].kind, Debt::Kind::End);
}

/// A parent that waits for a child whose code was read: it sleeps, again and again.
Builder parent_of_a_loop() {
  Builder b;
  b.process(40).thread().waits_for_children({41});
  b.process(41).child_of(40).thread().sleeps();
  b.process(41).last().next = effects(0);
  return b;
}

TEST(Rest, WhoWaitsForALoopWithoutAnEndOnlySupervisesIt) {
  const BuiltGraph graph = graph_of(parent_of_a_loop());
  EXPECT_THAT(graph.stuck_sets(), IsEmpty());
  EXPECT_TRUE(graph.is_at_rest(task(40)));
}

TEST(Rest, WhoSupervisesASupervisorToo) {
  Builder b = parent_of_a_loop();
  b.process(39).thread().waits_for_children({40});
  b.process(40).child_of(39);
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
}

TEST(Rest, WhoseMainThreadIsDeadIsAwaitedWhateverElseBeatsInIt) {
  Builder b = parent_of_a_loop();
  b.process(41).thread(42).sleeps();
  b.process(41).last().next = effects(0);
  b.process(41).process().threads.at(0).wait->kind = WaitKind::Futex;
  b.process(41).process().threads.at(0).wait->untimed = true;
  b.process(41).process().threads.at(0).next = Error{};
  const BuiltGraph graph = graph_of(b);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_GE(graph.level(task(40)), Level::Assuming);
  EXPECT_FALSE(graph.is_at_rest(task(40)));
}

/// The child waits for signals, and its parent for it.
Builder parent_of_a_signalled(std::uint32_t next) {
  Builder b = parent_of_a_loop();
  b.process(41).waits(WaitKind::Signal, "pause");
  b.process(41).last().next = effects(next);
  b.process(41).last().signals = SignalSets{.caught = bit(SIGUSR1)};
  b.process(41).process().handlers =
      std::vector<Handler>{{SIGUSR1, true, true, "count", effects(0)}};
  return b;
}

TEST(Rest, AServiceThatTakesSignalsForEverRestsUntilOneComes) {
  EXPECT_THAT(graph_of(parent_of_a_signalled(0)).stuck_sets(), IsEmpty());
}

TEST(Rest, WhoIsParkedWithoutHandlersRestsUntilASignalEndsIt) {
  Builder b = parent_of_a_signalled(0);
  b.process(41).last().signals = SignalSets{};
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
}

TEST(Rest, WhoGoesOnToItsEndAfterASignalAwaitsThatOne) {
  const BuiltGraph graph = graph_of(parent_of_a_signalled(kExits));
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Stuck);
}

TEST(Rest, WhoOnlyStandsByUntilAThreadEndsIsOwedNothing) {
  Builder b = server();
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::ThreadJoin);
  b.process(42).thread(43).futex(0x2000, LockKind::Condition);
  EXPECT_EQ(graph_of(b).stuck_sets().size(), 1U);
  b.process(42).process().threads.at(0).activity.operation = Operation::Serve;
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
}

TEST(Rest, WhenAllIsDeadNothingIsAtRest) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Condition);
  EXPECT_EQ(graph_of(b).stuck_sets().size(), 1U);
}

/// As `queue.Queue().get()` of a main thread that is parked beside its helpers.
TEST(Rest, WhoTakesFromAQueueThatNobodyHasPutIntoIsParked) {
  Builder b = server();
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::Condition);
  snapshot::Activity& activity = b.process(42).last().activity;
  activity.operation = Operation::Take;
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
  activity.object.numbers.set(snapshot::Number::Unfinished, 3);
  EXPECT_EQ(graph_of(b).stuck_sets().size(), 1U) << "items came, and nobody is left to put one";
  b.process(42).thread(43).futex(0x2000, LockKind::Condition);
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty()) << "the other thread puts";
}

TEST(Rest, UnreadDataIsOwedToItsSender) {
  Builder b = server();
  b.process(42)
      .child_of(40)
      .fd(4, pipe(7), Access::Read)
      .thread()
      .futex(0x1000, LockKind::Condition);
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
  b.object(pipe(7)).queued = 12;
  EXPECT_EQ(graph_of(b).stuck_sets().size(), 1U);
}

}  // namespace
}  // namespace ipcdoctor::graph
