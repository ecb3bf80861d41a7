#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/built_graph_for_tests.h"

/// What was not seen lives: only what is known to be absent takes a waker away.
namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::Ownership;
using snapshot::Scope;
using snapshot::Socket;
using snapshot::Tcp;
using snapshot::TcpTimer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::level_of;

/// A process waits for a mutex in memory that only itself is seen to map.
Builder waiter_for_shared_mutex() {
  Builder b;
  b.process(40).thread().shared_futex(5, LockKind::Mutex);
  b.area(5, {40}, "/tmp/lock", true);
  return b;
}

TEST(SharedOwner, WhoWasNotSeenToHaveEndedLives) {
  Builder b = waiter_for_shared_mutex();
  b.process(40).lock().ownership = Ownership::Unreadable;
  b.process(40).lock().unseen_owner = 71;
  b.raw().all_holders_seen = false;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
  b.raw().all_holders_seen = true;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming) << "then he is none of those who map the lock";
}

TEST(SharedOwner, ADeadOneIsAnAssumptionWhereStrangersWereNotSeen) {
  Builder b = waiter_for_shared_mutex();
  b.process(40).lock().ownership = Ownership::Dead;
  b.process(40).lock().dead_owner = 71;
  b.process(40).lock().checked = true;
  b.raw().all_holders_seen = false;
  EXPECT_EQ(level_of(b, task(40)), Level::Proved) << "checked: no number is unknown";
  b.process(40).lock().checked = false;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming);
}

TEST(SharedOwner, PidNamespacesThatCouldNotBeReadAreNotTheSame) {
  Builder b = waiter_for_shared_mutex();
  b.process(40).owned_by({task(41)});
  b.process(41).thread().waits_for_child(40);
  b.process(42).thread().sleeps();
  b.raw().shared_areas[0].mappers = {Pid{40}, Pid{41}, Pid{42}};
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  for (const int pid : {40, 41, 42}) b.process(pid).process().pid_ns = 0;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(Holders, WhereProcessesCameAndWentUnlistedAnyOfThemMayHoldAPipe) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread().reads(3);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.raw().all_holders_seen = false;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming);
  b.raw().processes_were_missed = true;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(Holders, AFileOfWhichOthersMayHaveCopiesIsOpenToThem) {
  Builder b;
  b.process(40).fd(3, object(snapshot::ObjectKind::TimerFd, 3, 40)).thread().reads(3);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.object(object(snapshot::ObjectKind::TimerFd, 3, 40)).copies_unknown = true;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(Holders, WhoEndedWhileItWasLookedAtMayHaveHandedOver) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread().reads(3);
  b.process(41).fd(4, pipe(7), Access::Write).thread().waits_for_child(40);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).last().state = 'Z';
  b.process(41).last().stable = false;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(Strangers, ADeadlockThatNobodyOfTheTreeWaitsForIsNotOfTheTree) {
  Builder b;
  b.process(40).thread().sleeps();
  b.process(50).scope(Scope::Related).fd(3, pipe(7), Access::Write).thread().waits_for_child(52);
  b.process(52)
      .child_of(50)
      .scope(Scope::Related)
      .fd(3, pipe(7), Access::Write)
      .fd(4, pipe(7), Access::Read)
      .thread()
      .reads(4);
  const Snapshot apart = b.build();
  EXPECT_THAT(WaitGraph(apart).stuck_sets(), IsEmpty());
  b.process(40).waits_for_child(50);
  const Snapshot awaited = b.build();
  EXPECT_EQ(WaitGraph(awaited).stuck_sets().size(), 1U);
}

/// Two processes, each of which reads its end of a TCP connection and holds nothing else.
class Connection : public ::testing::Test {
 protected:
  Connection() {
    b.process(40).fd(3, inet_socket(1)).thread().reads(3);
    b.process(41).fd(3, inet_socket(2)).thread().reads(3);
    b.connect(inet_socket(1), inet_socket(2));
    for (const int ino : {1, 2}) end(ino).tcp = Tcp{};
  }
  Socket& end(int ino) { return *b.object(inet_socket(static_cast<std::uint64_t>(ino))).socket; }
  Level level() const { return level_of(b, task(40)); }

  Builder b;
};

TEST_F(Connection, WithNothingUnderWayNeitherHears) {
  EXPECT_EQ(level(), Level::Proved);
}

TEST_F(Connection, BytesThatAreNotAcknowledgedMayStillArrive) {
  end(2).send_queue = 1;
  end(2).tcp->timer = TcpTimer::Retransmit;
  end(2).tcp->unacked = 1;
  EXPECT_EQ(level(), Level::Live);
}

TEST_F(Connection, AProbeOfAWindowThatTheReaderHasClosedBringsNothing) {
  end(2).send_queue = 4096;
  end(2).tcp->timer = TcpTimer::Probe;
  EXPECT_EQ(level(), Level::Live) << "its own queue is empty: the window will open";
  end(1).receive_queue = 4096;
  EXPECT_EQ(level(), Level::Proved);
}

TEST_F(Connection, AWriterWaitsForRoomAsLongAsNothingIsAcknowledged) {
  b.process(40).writes(3);
  end(1).send_queue = end(2).receive_queue = 4096;
  end(1).tcp->timer = TcpTimer::Probe;
  EXPECT_EQ(level(), Level::Proved);
  end(1).tcp->unacked = 2;
  EXPECT_EQ(level(), Level::Live);
  end(1).tcp = Error{Cause::Unsupported, 0, "read tcp_info"};
  EXPECT_EQ(level(), Level::Live);
}

TEST_F(Connection, ADatagramBetweenNetworksMayBeUnderWay) {
  for (const int ino : {1, 2}) {
    end(ino).type = "dgram";
    end(ino).family = "udp";
  }
  EXPECT_EQ(level(), Level::Proved);
  end(2).net_ns = 7;
  EXPECT_EQ(level(), Level::Live);
}

}  // namespace
}  // namespace ipcdoctor::graph
