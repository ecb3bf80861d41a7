#include "graph/wait_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/built_graph_for_tests.h"

namespace ipcdoctor::snapshot {

/// Readable failures.
static void PrintTo(const TaskRef& t, std::ostream* out) {
  *out << t.pid.value << '/' << t.tid.value;
}

}  // namespace ipcdoctor::snapshot

namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::ObjectKind;
using snapshot::Ownership;
using snapshot::Scope;
using snapshot::SignalSets;
using snapshot::WaitKind;
using testing::BuiltGraph;
using ::testing::ElementsAre;
using testing::graph_of;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// A parent that waits for its child, which reads a pipe whose write ends only the two hold.
Builder forgotten_write_end() {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Write).thread().waits_for_child(42);
  b.process(42)
      .child_of(40)
      .fd(3, pipe(7), Access::Write)
      .fd(4, pipe(7), Access::Read)
      .thread()
      .reads(4);
  return b;
}

TEST(Pipe, AReaderThatHoldsTheWriteEndItselfIsDead) {
  const BuiltGraph graph = graph_of(forgotten_write_end());
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  const StuckSet& set = graph.stuck_sets()[0];
  EXPECT_EQ(set.level, Level::Proved);
  EXPECT_THAT(set.core, ElementsAre(task(40), task(42)));
  EXPECT_THAT(set.behind, IsEmpty());
  const auto wakers = graph.wakers(task(42));
  ASSERT_EQ(wakers.size(), 1U);
  EXPECT_EQ(wakers[0].task, task(40));
  EXPECT_EQ(wakers[0].by, "pipe-write-end");
  EXPECT_EQ(wakers[0].fd, 3);
  EXPECT_EQ(wakers[0].evidence, "fd 3 is open for writing");
  EXPECT_FALSE(wakers[0].live);
  const auto chain = graph.chain(set);
  ASSERT_EQ(chain.size(), 2U);
  EXPECT_EQ(chain[0].from, task(40));
  EXPECT_EQ(chain[0].to.by, "child-exit");
  EXPECT_EQ(chain[1].from, task(42));
  EXPECT_EQ(chain[1].to.task, task(40));
}

TEST(Pipe, AnOutsiderWithTheWriteEndKeepsAllAlive) {
  Builder b = forgotten_write_end();
  b.process(99).scope(Scope::Outsider).comm("daemon").fd(5, pipe(7), Access::Write);
  const BuiltGraph graph = graph_of(b);
  EXPECT_THAT(graph.stuck_sets(), IsEmpty());
  const auto reasons = graph.reasons(task(40));
  ASSERT_FALSE(reasons.empty());
  EXPECT_EQ(reasons[0].life, Life::NotSeen);
  EXPECT_EQ(reasons[0].task.pid, Pid{99});
}

TEST(Pipe, ALiveThreadOfAHolderKeepsAllAlive) {
  Builder b = forgotten_write_end();
  b.process(40).thread(41).sleeps();
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(42)), Level::Conditional);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  ASSERT_EQ(graph.stuck_sets()[0].unless.size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].unless[0].task, task(40, 41));
}

TEST(Pipe, AReaderWhoseOnlyWriterCannotBeSeenIsAlive) {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Read).thread().reads(4);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Pipe, ASingleTaskThatHoldsBothEndsIsACoreWithAnEdgeToItself) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7), Access::Read).thread().reads(4);
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_THAT(graph.stuck_sets()[0].core, ElementsAre(task(40)));
  EXPECT_THAT(graph.wakers(task(40)), IsEmpty());
  const auto chain = graph.chain(graph.stuck_sets()[0]);
  ASSERT_EQ(chain.size(), 1U);
  EXPECT_EQ(chain[0].to.task, task(40));
  EXPECT_EQ(chain[0].to.by, "pipe-write-end");
}

TEST(Pipe, WritersWaitForReaders) {
  Builder b;
  b.process(40).fd(3, pipe(1), Access::Write).fd(4, pipe(2), Access::Read).thread().writes(3);
  b.process(41).fd(3, pipe(2), Access::Write).fd(4, pipe(1), Access::Read).thread().writes(3);
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Proved);
  EXPECT_EQ(graph.wakers(task(40))[0].by, "pipe-read-end");
}

TEST(Pipe, AnUnreadableTableMayHoldTheEnd) {
  Builder b = forgotten_write_end();
  b.process(50).scope(Scope::Holder).thread().sleeps();
  b.process(50).process().fds = Error{Cause::Denied, 13, "read /proc/50/fd"};
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
}

TEST(Pipe, UnseenHoldersMakeItAnAssumption) {
  Builder b = forgotten_write_end();
  b.raw().all_holders_seen = false;
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("no process that could not be looked into holds pipe:[7]"));
}

TEST(Pipe, TheKernelsOwnCountSaysWhetherThereAreUnseenHolders) {
  Builder b = forgotten_write_end();
  b.raw().all_holders_seen = false;
  b.raw().unknown_fds_in_flight = true;
  b.object(pipe(7)).readers = snapshot::Counted::All;
  EXPECT_EQ(graph_of(b).stuck_sets().at(0).level, Level::Assuming) << "not of writers";

  b.object(pipe(7)).writers = snapshot::Counted::All;
  EXPECT_EQ(graph_of(b).stuck_sets().at(0).level, Level::Proved);

  b.object(pipe(7)).writers = snapshot::Counted::More;
  EXPECT_THAT(graph_of(b).stuck_sets(), IsEmpty());
}

TEST(Pipe, WhatCarriesAnEndIsNobodyUnseen) {
  Builder b = forgotten_write_end();
  b.process(40).fd(5, unix_socket(1));
  b.process(40).fd(6, unix_socket(2));
  b.connect(unix_socket(1), unix_socket(2));
  b.object(unix_socket(2)).in_flight = {pipe(7)};
  b.object(pipe(7)).writers = snapshot::Counted::More;
  EXPECT_FALSE(graph_of(b).stuck_sets().empty());
}

TEST(Pipe, UnseenHoldersOfSeveralAreOneAssumption) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Write).thread().reads(3);
  b.process(41).fd(3, pipe(8), Access::Read).fd(4, pipe(7), Access::Write).thread().reads(3);
  b.raw().all_holders_seen = false;
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("no process that could not be looked into holds pipe:[7] or pipe:[8]"));

  b.raw().all_holders_seen = true;
  b.raw().unknown_fds_in_flight = true;
  EXPECT_THAT(
      graph_of(b).stuck_sets()[0].assumptions,
      ElementsAre("no descriptor on its way through a socket refers to pipe:[7] or to pipe:[8]"));
}

TEST(Pipe, AnEndInFlightBelongsToWhoeverCanReceiveIt) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(5, unix_socket(1)).thread().reads(3);
  b.process(41).fd(6, unix_socket(2)).thread().sleeps();
  b.connect(unix_socket(1), unix_socket(2));
  b.object(unix_socket(2)).in_flight = {pipe(7)};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.process(41).waits(WaitKind::Child, "wait4").waits_for_child(40);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(Pipe, DescriptorsInFlightBetweenStrangersAreAnAssumption) {
  Builder b = forgotten_write_end();
  b.process(99).scope(Scope::Outsider).fd(5, unix_socket(1));
  b.object(unix_socket(1)).socket->fds_in_flight = 1;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Assuming);
  b.process(40).fd(9, unix_socket(2));
  b.connect(unix_socket(1), unix_socket(2));
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Live) << "99 may receive the write end from 40";
}

TEST(Thread, WhatRanOrIsNotUnderstoodOrWasNotReadLives) {
  const auto with = [](auto change) {
    Builder b = forgotten_write_end();
    change(b.process(40).last());
    return graph_of(b).level(task(42));
  };
  EXPECT_EQ(with([](auto& t) { t.comm = "same"; }), Level::Proved);
  EXPECT_EQ(with([](auto& t) { t.stable = false; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.state = 'R'; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.wait->untimed = false; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.wait->kind = WaitKind::Unknown; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.wait = Error{Cause::Denied, 13, "read"}; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.signals = Error{Cause::Denied, 13, "read"}; }), Level::Live);
  EXPECT_EQ(with([](auto& t) { t.wait->children.push_back(Pid{77}); }), Level::Live);
}

TEST(Thread, PollingIsOnlySuspected) {
  Builder b = forgotten_write_end();
  b.process(40).timed().last().polls = true;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Live);
  b.raw().observed_ms = 1000;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Suspected);
  b.raw().observed_briefly = true;
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Conditional);
}

TEST(Thread, WhetherWatchingMayTellIsKnownBefore) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(8), Access::Read).thread().reads(3).timed();
  b.process(42).child_of(40).fd(3, pipe(7), Access::Write).fd(5, pipe(8), Access::Write);
  b.process(42).thread().writes(5);
  const Snapshot snapshot = b.build();
  EXPECT_TRUE(WaitGraph(snapshot).stuck_sets().empty());
  const WaitGraph watched(snapshot, WaitGraph::Timed::AsWatched);
  ASSERT_EQ(watched.stuck_sets().size(), 1U);
  EXPECT_EQ(watched.stuck_sets()[0].level, Level::Conditional);
  EXPECT_EQ(watched.stuck_sets()[0].unless[0].life, Life::Watched);
}

TEST(Thread, WhoSleepsIsNoHelpWhereThatIsDoubted) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).thread().reads(3);
  b.process(42).child_of(40).fd(3, pipe(7), Access::Write).thread().sleeps();
  b.process(43).child_of(40).fd(4, pipe(8), Access::Read).fd(5, pipe(8), Access::Write);
  b.process(43).thread().reads(4).timed();
  const Snapshot snapshot = b.build();
  EXPECT_EQ(WaitGraph(snapshot).level(task(40)), Level::Live);

  const WaitGraph doubted(snapshot, WaitGraph::Timed::Doubted);
  EXPECT_EQ(doubted.level(task(40)), Level::Conditional);
  EXPECT_EQ(doubted.level(task(42)), Level::Live) << "it will wake";
  EXPECT_EQ(doubted.level(task(43)), Level::Conditional) << "what it waits for cannot come";

  b.process(42).last().state = 'R';
  const Snapshot awake = b.build();
  EXPECT_EQ(WaitGraph(awake, WaitGraph::Timed::Doubted).level(task(40)), Level::Live);
}

TEST(Signals, AChildsExitIsAnAlternativeIfItIsCaught) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7), Access::Read).thread().reads(4);
  b.process(41).child_of(40).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.process(40).last().signals = SignalSets{.caught = 1U << 16};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.process(40).last().signals = SignalSets{.blocked = 1U << 16, .caught = 1U << 16};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(Signals, AnAlarmThatCannotBeExcludedIsAnAssumption) {
  Builder b = forgotten_write_end();
  b.process(42).process().alarm_possible = true;
  b.process(42).last().signals = SignalSets{.caught = 1U << 13};
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(42)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions, ElementsAre("no alarm is set in app[42]"));
}

TEST(Signals, AHandlerMayPostWhatAServiceWaitsFor) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Semaphore);
  b.process(40).last().signals = SignalSets{.caught = 1U << 1};
  b.process(40).process().interpreter.version = "3.11.2";
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved) << "Python always handles SIGINT";
  b.process(40).last().signals = SignalSets{.caught = 1U << 14};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
  b.process(40).last().signals = SignalSets{.blocked = 1U << 14, .caught = 1U << 14};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(PidNamespace, EndsWithItsFirstProcess) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).thread().reads(3);
  b.process(41).child_of(40).thread().sleeps();
  b.process(42).child_of(41).fd(3, pipe(7), Access::Write);
  b.process(42).thread().futex(0x1000, LockKind::Mutex).owned_by({task(42)});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  for (const int pid : {41, 42}) b.process(pid).process().pid_ns = 7;
  b.process(41).process().inits_pid_ns = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "41 may end, and 42 with it";
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Proved) << "that frees nobody within";
  b.process(40).process().pid_ns = 7;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved) << "he ends, too";
}

TEST(Signals, AHandlerReleasesNoMutex) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40)});
  b.process(40).last().signals = SignalSets{.caught = 1U << 14};
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("nobody sends SIGTERM of app[40], which has a handler for it"))
      << "it was not read: it may help others";
}

TEST(Signals, AHandlerMayWriteIntoAPipeToItself) {
  Builder b = forgotten_write_end();
  b.process(44).fd(3, pipe(9), Access::Read).fd(4, pipe(9), Access::Write).thread().polls_in({3});
  EXPECT_EQ(graph_of(b).level(task(44)), Level::Proved);
  b.process(44).last().signals = SignalSets{.caught = 1U << 14};
  EXPECT_EQ(graph_of(b).level(task(44)), Level::Conditional);
}

TEST(Signals, AShellThatWaitsForAChildCatchesAlarmsByHabit) {
  Builder b = forgotten_write_end();
  auto& parent = b.process(40).process();
  parent.timer_possible = parent.alarm_possible = true;
  b.process(40).last().signals = SignalSets{.caught = 1U << 13};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  parent.comm = "bash";
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
}

TEST(Signals, AnAlarmMayEndOnlyWhoWaitsForASignal) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().waits(WaitKind::Signal, "pause");
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Stuck);
  b.process(42).process().alarm_possible = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.process(42).last().signals = SignalSets{.caught = 1U << 9};  // it waits for SIGUSR1
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Stuck);

  Builder pair = forgotten_write_end();
  pair.process(42).process().alarm_possible = true;
  EXPECT_EQ(graph_of(pair).level(task(42)), Level::Proved);
}

TEST(Socket, BothEndsMatter) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().reads(3);
  b.process(41).fd(3, unix_socket(2)).thread().reads(3);
  b.connect(unix_socket(1), unix_socket(2));
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Proved);
  EXPECT_EQ(graph.chain(graph.stuck_sets()[0])[0].to.by, "socket-peer");
  b.process(42).fd(9, unix_socket(1)).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Socket, APeerInABacklogBelongsToTheListener) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().reads(3);
  b.process(41).fd(3, unix_socket(9)).thread().waits_for_child(40);
  b.object(unix_socket(1)).socket->state = "established";
  b.object(unix_socket(1)).socket->peer_in_backlog = true;
  b.object(unix_socket(1)).socket->listener = unix_socket(9);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.process(41).accepts(3);
  b.object(unix_socket(9)).socket->state = "listen";
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Socket, RemotePeersListenersAndLostPeersLive) {
  const auto with = [](auto change) {
    Builder b;
    b.process(40).fd(3, inet_socket(1)).thread().reads(3);
    b.object(inet_socket(1)).socket->state = "established";
    change(b);
    return graph_of(b).level(task(40));
  };
  EXPECT_EQ(with([](Builder& b) { b.object(inet_socket(1)).socket->peer_is_remote = true; }),
            Level::Live);
  EXPECT_EQ(with([](Builder&) {}), Level::Live);
  EXPECT_EQ(with([](Builder& b) { b.object(inet_socket(1)).socket->state = "listen"; }),
            Level::Live);
  EXPECT_EQ(with([](Builder& b) {
              b.object(inet_socket(1)).socket = Error{Cause::Denied, 1, "sock_diag"};
            }),
            Level::Live);
}

TEST(Socket, ATcpSendEndsByATimerUnlessThePeerDoesNotRead) {
  Builder b;
  b.process(40).fd(3, inet_socket(1)).thread().writes(3);
  b.process(41).fd(3, inet_socket(2)).thread().waits_for_child(40);
  b.connect(inet_socket(1), inet_socket(2));
  b.object(inet_socket(1)).socket->kernel_timer = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.object(inet_socket(2)).socket->receive_queue = 65536;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
}

TEST(Epoll, AnyWatchedObjectAndTheSetItself) {
  Builder b;
  const ObjectId epoll = object(ObjectKind::Epoll, 5, 40);
  b.process(40).fd(3, pipe(1), Access::Read).fd(4, pipe(2), Access::Read).fd(5, epoll).thread();
  b.process(40).waits(WaitKind::Epoll, "epoll_wait").on(5, true, false);
  b.process(41)
      .fd(3, pipe(1), Access::Write)
      .fd(4, pipe(2), Access::Write)
      .thread()
      .waits_for_child(40);
  b.object(epoll).watched = {{3, pipe(1), 1}, {4, pipe(2), 1}};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.object(epoll).watched.push_back({6, epoll, 1});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved) << "a set that watches itself";
  b.process(42).fd(5, epoll).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "another holder may add to the set";
}

TEST(Epoll, AnArmedTimerLives) {
  Builder b;
  const ObjectId epoll = object(ObjectKind::Epoll, 5, 40),
                 timer = object(ObjectKind::TimerFd, 6, 40);
  b.process(40)
      .fd(5, epoll)
      .fd(6, timer)
      .thread()
      .waits(WaitKind::Epoll, "epoll_wait")
      .on(5, true, false);
  b.object(epoll).watched = {{6, timer, 1}};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.object(timer).armed = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Poll, AWriteEndWaitsForItsReaders) {
  Builder b;
  b.process(40).fd(3, pipe(1), Access::Write).thread().polls_in({3});
  b.process(41).fd(3, pipe(1), Access::Read).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Futex, APrivateOneIsWokenByItsOwnMemoryOnly) {
  Builder b;
  b.process(40).thread().futex(0x1000);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.process(41).shares_memory_with(40).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Futex, ACheckedOwnerReplacesTheOthers) {
  Builder b;
  b.process(40).thread(40).futex(0x1000, LockKind::Mutex).owned_by({task(40, 41)});
  b.process(40).thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40, 40)});
  b.process(40).thread(42).sleeps();
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(40)), Level::Proved);
  EXPECT_EQ(graph.level(task(40, 42)), Level::Live);
  EXPECT_THAT(graph.stuck_sets()[0].core, ElementsAre(task(40), task(40, 41)));
  b.process(40).process().threads[0].wait->futex.lock.checked = false;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming);
}

TEST(Futex, LikelyOwnersAreAnAssumptionThatIsNamed) {
  Builder b;
  b.process(40).thread(40).futex(0x1000, LockKind::UnownedLock).lock().likely_owners = {
      task(40, 41)};
  b.process(40).lock().name = "threading.Lock `a`";
  b.process(40).thread(41).waits(WaitKind::Futex, "futex").futex(0x2000, LockKind::UnownedLock);
  b.process(40).lock().likely_owners = {task(40, 40)};
  b.process(40).lock().name = "threading.Lock `b`";
  b.process(40).thread(42).sleeps();
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              UnorderedElementsAre("only its holder releases threading.Lock `a`",
                                   "only its holder releases threading.Lock `b`"));
  const auto wakers = graph.wakers(task(40));
  ASSERT_EQ(wakers.size(), 1U);
  EXPECT_EQ(wakers[0].by, "lock-owner");
}

// That only its holder releases it is needed only where somebody else who could lives.
TEST(Futex, OneOfTwoAssumptionsIsEnough) {
  Builder b;
  b.process(40).thread().shared_futex(5, LockKind::SharedSemaphore).lock().likely_owners = {
      task(41)};
  b.process(40).lock().name = "multiprocessing.Lock `a`";
  b.process(41).thread().waits_for_child(40);
  b.area(5, {40, 41}, "/dev/shm/sem.job", true);
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions, ElementsAre("nobody else opens /dev/shm/sem.job"));

  b.process(42).thread().sleeps();
  b.raw().shared_areas[0].mappers.push_back(Pid{42});
  const BuiltGraph other = graph_of(b);
  ASSERT_EQ(other.stuck_sets().size(), 1U);
  EXPECT_THAT(other.stuck_sets()[0].assumptions,
              ElementsAre("only its holder releases multiprocessing.Lock `a`"));
}

TEST(Futex, AReadersWriterLockNeedsAllItsReaders) {
  Builder b;
  b.process(40)
      .thread(40)
      .futex(0x1000, LockKind::RwlockWrite)
      .owned_by({task(40, 41), task(40, 42)});
  b.process(40).thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40, 40)});
  b.process(40).thread(42).sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(Futex, ADeadOwnerNeverReleases) {
  Builder b;
  b.process(40).thread(40).futex(0x1000, LockKind::Mutex).lock().ownership = Ownership::Dead;
  b.process(40).lock().checked = true;
  b.process(40).thread(41).sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(Futex, AnOwnerWordAcrossPidNamespacesNamesNobody) {
  Builder b;
  b.process(40).thread().shared_futex(5, LockKind::Mutex).owned_by({task(41)});
  b.process(41).thread().waits_for_child(40);
  b.process(42).thread().sleeps();
  b.area(5, {40, 41, 42});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.process(42).process().pid_ns = 7;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Futex, ASharedOneIsWokenByAllWhoMapThePage) {
  Builder b;
  b.process(40).thread().shared_futex(5);
  b.process(41).thread().waits_for_child(40);
  b.process(42).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "nobody knows who maps it";
  b.area(5, {40, 41});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.raw().shared_areas[0].has_name = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional);
  b.raw().shared_areas[0].mappers.push_back(Pid{42});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Futex, AnybodyMayPostANamedSemaphoreThatOneProcessHasAlone) {
  Builder b;
  b.process(40).thread().shared_futex(5, LockKind::Semaphore);
  b.area(5, {40});
  b.raw().shared_areas[0].has_name = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
  b.raw().shared_areas[0].path = "/dev/shm/sem.mp-x1y2z3";
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Assuming) << "only its own children know the name";
  b.raw().shared_areas[0].path = "/dev/shm/sem.job";
  b.process(41).thread().waits_for_child(40);
  b.raw().shared_areas[0].mappers.push_back(Pid{41});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Conditional) << "its parent only supervises it";
  b.process(41).waits(WaitKind::Poll, "poll");
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Stuck);
}

/// Such as `for (;;) { sem_wait(jobs); work(); }` in each child of a parent in wait(2).
TEST(Futex, WorkersAtANamedSemaphoreWaitForAClient) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().shared_futex(5, LockKind::Semaphore);
  b.process(42).child_of(40).thread().shared_futex(5, LockKind::Semaphore);
  b.area(5, {40, 41, 42}, "/dev/shm/sem.jobs", true);
  const BuiltGraph graph = graph_of(b);
  EXPECT_EQ(graph.level(task(41)), Level::Conditional);
  ASSERT_FALSE(graph.stuck_sets().empty());
  EXPECT_EQ(graph.stuck_sets()[0].unless[0].text, "a client that posts to /dev/shm/sem.jobs");
  b.process(42).thread(43).shared_futex(6, LockKind::Semaphore);
  b.area(6, {41, 42}, "/dev/shm/sem.done", true);
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Conditional) << "each may have one of its own";
  b.raw().shared_areas[1].has_name = false;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming) << "who waits for others of the program";
}

TEST(Futex, WhoPostsANamedSemaphoreAgainWantsItsTurnAndIsNoWorker) {
  Builder b;
  b.process(40).thread().waits_for_children({41, 42});
  for (const int pid : {41, 42}) {
    b.process(pid).child_of(40).thread().shared_futex(5, LockKind::Semaphore);
    b.process(pid).last().activity.operation = snapshot::Operation::Acquire;
  }
  b.area(5, {40, 41, 42}, "/dev/shm/sem.turn", true);
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming);
}

/// A condition variable of a named segment, or a word of a ring in it.
TEST(Futex, WorkersAtAConditionOrAWordInANamedSegmentWaitForAClientToo) {
  for (const LockKind kind : {LockKind::Condition, LockKind::Unknown}) {
    Builder b;
    b.process(40).thread().waits_for_children({41, 42});
    b.process(41).child_of(40).thread().shared_futex(5, kind);
    b.process(42).child_of(40).thread().shared_futex(5, kind);
    b.area(5, {40, 41, 42}, "/dev/shm/board", true);
    const BuiltGraph graph = graph_of(b);
    EXPECT_EQ(graph.level(task(41)), Level::Conditional);
    ASSERT_FALSE(graph.stuck_sets().empty());
    EXPECT_EQ(graph.stuck_sets()[0].unless[0].text, "a client that writes into /dev/shm/board");
    b.raw().shared_areas[0].has_name = false;
    EXPECT_GE(graph_of(b).level(task(41)), Level::Assuming) << "nobody new comes";
  }
}

TEST(Futex, WaitingForTheGilIsWaitingForItsOwnerHoweverOftenItWakes) {
  Builder b;
  b.process(40)
      .thread(40)
      .futex(0x1000, LockKind::InterpreterLock)
      .owned_by({task(40, 41)})
      .timed()
      .last()
      .stable = false;
  b.process(40).thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40, 40)});
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

TEST(FileLock, EveryLockInTheWayMustGo) {
  Builder b;
  b.process(40).fd(3, file(1)).thread().file_lock(file(1), "flock");
  b.process(41).fd(3, file(1)).thread().waits_for_child(40);
  b.process(42).fd(3, file(1)).thread().sleeps();
  const auto shared = [](int pid) {
    snapshot::FileLock lock;
    lock.file = file(1);
    lock.type = "flock";
    lock.taker = Pid{pid};
    lock.holders = {{Pid{pid}, 3}};
    return lock;
  };
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "no lock is in its way";
  b.lock(shared(41));
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.lock(shared(42));
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved) << "42 alone does not help";
  b.raw().file_locks.erase(b.raw().file_locks.begin());
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(FileLock, WhoeverElseMayHaveItCanReleaseIt) {
  Builder b;
  b.process(40).fd(3, file(1)).thread().file_lock(file(1), "flock");
  b.process(41).fd(3, file(1)).thread().waits_for_child(40);
  snapshot::FileLock lock;
  lock.file = file(1);
  lock.type = "flock";
  lock.holders = {{Pid{41}, 3}};
  b.lock(lock);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.object(file(1)).copies_unknown = true;
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(FileLock, OneThatItHasItselfIsConverted) {
  Builder b;
  b.process(40).fd(3, file(1)).thread().file_lock(file(1), "ofd").wait().file_lock.fd = 3;
  b.process(41).fd(3, file(1)).thread().sleeps();
  const auto shared = [](int pid) {
    snapshot::FileLock lock;
    lock.file = file(1);
    lock.type = "ofd";
    lock.holders = {{Pid{pid}, 3}};
    return lock;
  };
  b.lock(shared(40)).lock(shared(41));
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);

  Builder both;
  both.process(40).fd(3, file(1)).thread().file_lock(file(1), "ofd").wait().file_lock.fd = 3;
  both.process(41).fd(3, file(1)).thread().file_lock(file(1), "ofd").wait().file_lock.fd = 3;
  both.lock(shared(40)).lock(shared(41));
  EXPECT_EQ(graph_of(both).level(task(40)), Level::Proved);
}

TEST(FileLock, OfPosixBelongsToTheDescriptorTable) {
  Builder b;
  b.process(40).fd(3, file(1)).thread().file_lock(file(1), "posix");
  b.process(41).fd(3, file(1)).thread().waits_for_child(40);
  snapshot::FileLock lock;
  lock.file = file(1);
  lock.type = "posix";
  lock.exclusive = true;
  lock.taker = Pid{41};
  lock.holders = {{Pid{41}, -1}};
  b.lock(lock);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
  b.process(41).process().fd_group = Pid{40};
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live) << "it would only be converted";
}

TEST(Stuck, WhatAStoppedProcessKeepsWaiting) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().waits(WaitKind::Stopped, "read").wait().detail = "SIGTTIN";
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  const StuckSet& set = graph.stuck_sets()[0];
  EXPECT_EQ(set.level, Level::Stuck);
  EXPECT_THAT(set.core, ElementsAre(task(40), task(41)));  // it could continue its child
  ASSERT_EQ(set.causes.size(), 1U);
  EXPECT_EQ(set.causes[0].text, "stopped: SIGTTIN");
}

TEST(Stuck, AStoppedProcessThatSomebodyOfTheTreeMayContinue) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().waits(WaitKind::Stopped, "read");
  b.process(42).child_of(40).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Live);
  EXPECT_EQ(graph_of(b).level(task(40)), Level::Live);
}

TEST(Stuck, AFifoThatSomebodyOfTheTreeMayStillOpen) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().waits(WaitKind::OpenFifo, "openat").wait().detail = "/tmp/f";
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Stuck);
  b.process(42).thread().sleeps();
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Live);
}

TEST(Sets, TwoIndependentDeadlocksAreTwo) {
  Builder b;
  b.process(40).fd(3, pipe(1), Access::Write).fd(4, pipe(1), Access::Read).thread().reads(4);
  b.process(50).fd(3, pipe(2), Access::Write).fd(4, pipe(2), Access::Read).thread().reads(4);
  b.process(60).thread().waits_for_children({40, 50});
  b.process(61).thread().waits_for_child(60);
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 2U);
  EXPECT_THAT(graph.stuck_sets()[0].core, ElementsAre(task(40)));
  EXPECT_THAT(graph.stuck_sets()[0].behind, ElementsAre(task(60), task(61)));
  EXPECT_THAT(graph.stuck_sets()[1].core, ElementsAre(task(50)));
  EXPECT_THAT(graph.stuck_sets()[1].behind, IsEmpty());
  const auto chain = graph.chain(graph.stuck_sets()[0]);
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(chain[1].from, task(60));
  EXPECT_EQ(chain[1].to.task, task(40));
  EXPECT_EQ(chain[2].from, task(61));
}

TEST(Sets, OneBehindWithAnAssumptionOfItsOwnHasAWeakerLevel) {
  Builder b = forgotten_write_end();
  b.process(30).thread().waits_for_child(40);
  b.process(30).process().alarm_possible = true;
  b.process(30).last().signals = SignalSets{.caught = 1U << 13};
  const BuiltGraph graph = graph_of(b);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Proved);
  EXPECT_THAT(graph.stuck_sets()[0].behind, ElementsAre(task(30)));
  EXPECT_EQ(graph.level(task(30)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions,
              ElementsAre("for those behind: no alarm is set in app[30]"));
}

TEST(Outside, AnIdleServerIsAlive) {
  Builder b;
  b.process(40).fd(3, unix_socket(1)).thread().accepts(3);
  b.object(unix_socket(1)).socket->state = "listen";
  b.process(41)
      .fd(3, queue(1))
      .thread()
      .waits(WaitKind::MqReceive, "mq_timedreceive")
      .on(3, true, false);
  b.object(queue(1)).has_name = true;
  const BuiltGraph graph = graph_of(b);
  EXPECT_THAT(graph.stuck_sets(), IsEmpty());
  EXPECT_EQ(graph.reasons(task(40))[0].life, Life::Outside);
}

/// A service that reads commands from a FIFO which it opened in both directions, and a helper that
/// inherited it and waits for the service.
Builder service_of_a_fifo() {
  Builder b;
  b.process(40).fd(3, fifo(1)).fd(4, pipe(2), Access::Write).thread().reads(3);
  b.process(41).child_of(40).fd(3, fifo(1)).fd(0, pipe(2), Access::Read).thread().reads(0);
  b.object(fifo(1)).name = "/run/control";
  return b;
}

TEST(Outside, AServiceOfCommandsThatKeepsItsFifoOpenWaitsForClients) {
  Builder b = service_of_a_fifo();
  b.object(fifo(1)).has_name = true;

  const BuiltGraph graph = graph_of(b);

  EXPECT_EQ(graph.level(task(40)), Level::Conditional);
  EXPECT_EQ(graph.level(task(41)), Level::Conditional);
}

TEST(Outside, AScriptThatReadsAFifoInALoopWaitsForClientsWhoeverKeepsItOpen) {
  Builder b;
  b.process(40).fd(3, fifo(1), Access::Write).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(0, fifo(1), Access::Read).thread().reads(0);
  b.object(fifo(1)).name = "/run/control";
  b.object(fifo(1)).has_name = true;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming) << "such as cat, that reads to the end";

  b.process(41).wait().comes_back = true;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Conditional);

  b.object(fifo(1)).has_name = false;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Proved);
}

TEST(Outside, NobodyNewComesToAFifoWithoutItsName) {
  Builder b = service_of_a_fifo();
  b.object(fifo(1)).has_name = false;

  EXPECT_EQ(graph_of(b).level(task(40)), Level::Proved);
}

/// It waits in open() for the first command, and its worker for what it hands on.
Builder service_before_its_first_client(bool reads) {
  Builder b;
  b.process(40).fd(4, pipe(2), Access::Write).thread().waits(WaitKind::OpenFifo, "openat");
  b.process(40).wait().objects = {{.object = fifo(1), .in = reads, .out = !reads}};
  b.process(41).child_of(40).fd(0, pipe(2), Access::Read).thread().reads(0);
  b.object(fifo(1)).name = "/run/control";
  return b;
}

TEST(Outside, AServiceThatOpensItsFifoWaitsForTheFirstClient) {
  const BuiltGraph graph = graph_of(service_before_its_first_client(true));

  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_EQ(graph.stuck_sets()[0].level, Level::Conditional);
  EXPECT_EQ(graph.stuck_sets()[0].unless.at(0).text, "a client that writes into /run/control");
  EXPECT_EQ(graph.level(task(40)), Level::Conditional);
  EXPECT_EQ(graph.level(task(41)), Level::Conditional);
}

TEST(Outside, AWriterThatOpensAFifoHasAReaderInMind) {
  EXPECT_EQ(graph_of(service_before_its_first_client(false)).level(task(40)), Level::Stuck);
}

TEST(Outside, WhoseEndIsAwaitedServesNoClients) {
  Builder b = service_before_its_first_client(true);
  b.process(30).thread().waits_for_child(40);

  EXPECT_EQ(graph_of(b).level(task(40)), Level::Stuck);
}

/// It reads the answers of a helper that it starts, and two workers take turns at its queue.
Builder service_with_workers_before_its_first_client(TaskRef owner) {
  Builder b = service_before_its_first_client(true);
  b.process(41).fd(1, pipe(3), Access::Write);
  b.process(40).fd(5, pipe(3), Access::Read).thread(43).reads(5);
  b.process(40).thread(44).futex(0x1000, LockKind::Condition);
  b.process(40).thread(45).futex(0x2000, LockKind::Mutex).owned_by({owner});
  return b;
}

TEST(Outside, ThoseWhoWaitForWhatItHandsOnAreOwedNothing) {
  EXPECT_EQ(graph_of(service_with_workers_before_its_first_client(task(40, 44))).level(task(40)),
            Level::Conditional);
}

TEST(Outside, WhoHasALockWhileItOpensAFifoOwesIt) {
  EXPECT_EQ(graph_of(service_with_workers_before_its_first_client(task(40))).level(task(40)),
            Level::Stuck);
}

TEST(Outside, WhoComesBackToOpenItServesClientsWhoeverAwaitsItsEnd) {
  Builder b = service_before_its_first_client(true);
  b.process(30).thread().waits_for_child(40);
  b.process(40).wait().comes_back = true;

  EXPECT_EQ(graph_of(b).level(task(30)), Level::Conditional);
}

TEST(Outside, TwoThatOpenEachOthersFifoFirstServeNoClients) {
  Builder b = service_before_its_first_client(true);
  b.process(42).child_of(40).thread().waits(WaitKind::OpenFifo, "openat");
  b.process(42).wait().objects = {{.object = fifo(2), .in = true, .out = false}};
  b.object(fifo(2)).name = "/run/answers";

  EXPECT_EQ(graph_of(b).level(task(40)), Level::Stuck);
}

/// Workers that take from a queue which others may open by its name, and their parent.
Builder crew_of_a_queue() {
  Builder b;
  b.process(40).fd(3, queue(1)).thread().waits_for_children({41, 42});
  for (const int pid : {41, 42}) {
    b.process(pid).child_of(40).fd(3, queue(1)).thread();
    b.process(pid).waits(WaitKind::MqReceive, "mq_timedreceive").on(3, true, false);
  }
  b.object(queue(1)).has_name = true;
  return b;
}

TEST(Outside, ACrewOfWorkersAtANamedQueueWaitsForClients) {
  EXPECT_EQ(graph_of(crew_of_a_queue()).level(task(41)), Level::Conditional);
}

TEST(Outside, WhoHasTheQueueAndWaitsForSomethingElseIsNoneOfItsCrew) {
  Builder b = crew_of_a_queue();
  b.process(43).child_of(40).fd(3, queue(1)).fd(4, pipe(7)).thread().reads(4);

  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming);
}

TEST(Outside, WorkersWithAQueueEachWaitForClientsToo) {
  Builder b = crew_of_a_queue();
  b.process(40).fd(5, queue(2));
  b.process(43).child_of(40).fd(3, queue(1)).fd(5, queue(2)).thread();
  b.process(43).waits(WaitKind::MqReceive, "mq_timedreceive").on(5, true, false);
  b.object(queue(2)).has_name = true;

  EXPECT_EQ(graph_of(b).level(task(41)), Level::Conditional);
  b.object(queue(2)).has_name = false;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming);
}

/// A parent that waits for a child in open() of a FIFO, to read from it, and what it does next.
Builder opens_a_fifo(std::uint32_t next) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().waits(WaitKind::OpenFifo, "openat");
  b.process(41).wait().objects = {{.object = fifo(1), .in = true, .out = false}};
  b.process(41).last().next = snapshot::effects_of(next, "");
  b.object(fifo(1)).name = "/run/control";
  return b;
}

TEST(Outside, WhoOpensAFifoAgainAndAgainServesClients) {
  const BuiltGraph graph = graph_of(opens_a_fifo(snapshot::kReads | snapshot::kWrites));

  EXPECT_EQ(graph.level(task(41)), Level::Conditional);
  EXPECT_EQ(graph_of(opens_a_fifo(snapshot::kReads | snapshot::kExits)).level(task(41)),
            Level::Stuck);
}

TEST(Outside, AScriptThatOpensAFifoInALoopServesClients) {
  Builder b = opens_a_fifo(snapshot::kUnknown);
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Stuck);
  b.process(41).wait().comes_back = true;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Conditional);
  b.process(41).wait().comes_back = false;
  b.process(40).wait().comes_back = true;
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Conditional)
      << "such as `while :; do cat fifo; done`";
}

TEST(Outside, NobodyNewComesToAQueueWithoutItsName) {
  Builder b = crew_of_a_queue();
  b.object(queue(1)).has_name = false;

  EXPECT_EQ(graph_of(b).level(task(41)), Level::Proved);
}

/// A client of a manager of multiprocessing whose thread waits for a lock in the client's name.
Builder manager_with_a_lost_lock() {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.process(40).thread().waits_for_child(43);
  auto manager = b.process(42).child_of(40).fd(3, unix_socket(9)).fd(4, unix_socket(2));
  b.object(unix_socket(9)).socket->state = "listen";
  b.object(unix_socket(9)).socket->local = "/tmp/pymp-x/listener-y";
  manager.thread().futex(0x1000, LockKind::Condition).timed().activity("Manager.serve");
  manager.thread(44).accepts(3).activity("Manager.serve");
  manager.thread(45).futex(0x2000, LockKind::UnownedLock).activity("Manager.serve.method");
  b.process(43).child_of(40).fd(3, unix_socket(1)).thread().reads(3).activity("Manager.call");
  return b;
}

TEST(Manager, ItsIdleThreadsHelpNobody) {
  const auto graph = graph_of(manager_with_a_lost_lock());

  EXPECT_EQ(graph.level(task(43)), Level::Suspected);
  EXPECT_EQ(graph.level(task(40)), Level::Suspected);
}

TEST(Manager, ASharerOfDescriptorsServesNobodyElseEither) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, unix_socket(9)).fd(4, pipe(7)).thread().reads(4);
  b.object(unix_socket(9)).socket->state = "listen";
  b.process(42).thread(43).accepts(3).activity("multiprocessing.resource_sharer");
  b.object(unix_socket(9)).socket->local = "/tmp/service";
  EXPECT_LT(graph_of(b).level(task(42)), Level::Assuming);
  b.object(unix_socket(9)).socket->local = "/tmp/pymp-x/listener-y";
  EXPECT_EQ(graph_of(b).level(task(42)), Level::Assuming);
}

TEST(Manager, ItServesWhoeverOfTheProgramStillMoves) {
  Builder b = manager_with_a_lost_lock();
  b.process(46).child_of(40).thread().sleeps();

  const auto graph = graph_of(b);

  EXPECT_EQ(graph.level(task(42)), Level::Live);
  EXPECT_EQ(graph.level(task(43)), Level::Live);
}

TEST(Manager, ItsAbstractAddressIsItsOwnToo) {
  Builder b = manager_with_a_lost_lock();
  b.object(unix_socket(9)).socket->local = "@listener-42-0";

  EXPECT_EQ(graph_of(b).level(task(43)), Level::Suspected);
}

TEST(Manager, OneWithAnAddressOfItsOwnServesStrangers) {
  Builder b = manager_with_a_lost_lock();
  b.object(unix_socket(9)).socket->local = "/run/app.sock";

  EXPECT_LE(graph_of(b).level(task(43)), Level::Conditional);
}

TEST(Terminal, ThePtyPairOfOneProgramIsClosedOthersAreNot) {
  Builder b;
  const ObjectId slave{ObjectKind::Terminal, 0x8803, 0},
      master{ObjectKind::TerminalMaster, 0x8803, 0};
  b.process(40).fd(3, master).thread().waits_for_child(41);
  b.process(41).child_of(40).fd(0, slave).thread().reads(0);
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Assuming);
  b.process(40).scope(Scope::Holder);
  EXPECT_EQ(graph_of(b).level(task(41)), Level::Live);
}

}  // namespace
}  // namespace ipcdoctor::graph
