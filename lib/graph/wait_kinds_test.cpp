#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "graph/built_graph_for_tests.h"

/// One test for each rarer kind of wait: what is dead, and the nearest thing that lives.
namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Access;
using snapshot::ObjectKind;
using snapshot::Scope;
using snapshot::SysvObject;
using snapshot::WaitKind;
using ::testing::ElementsAre;
using testing::level_of;

TEST(WaitKinds, AnEventFdIsWrittenByItsHoldersOrTheKernel) {
  Builder b;
  b.process(40).fd(3, eventfd(1)).thread().reads(3);
  b.process(41).fd(3, eventfd(1)).thread().waits_for_child(40);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.object(eventfd(1)).kernel_user = true;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming);
  b.process(42).fd(3, eventfd(1)).thread().sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, ASignalFdNeedsABlockedSignal) {
  Builder b;
  auto reader = b.process(40).fd(3, object(ObjectKind::SignalFd, 1)).thread().reads(3);
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "its mask is not known";
  b.object(object(ObjectKind::SignalFd, 1)).signals = 1U << 9U;
  EXPECT_EQ(level_of(b, task(40)), Level::Stuck);
  reader.last().signals->blocked = 1U << 9U;
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "anybody may send it";
}

TEST(WaitKinds, WhoTakesSignalsOfAnOperatorItselfRestsUntilOneComes) {
  Builder b;
  b.process(40).thread().waits(WaitKind::Signal, "rt_sigtimedwait");
  b.process(40).last().wait->signals = 1U << (SIGUSR1 - 1);
  b.process(41).child_of(40).thread().waits(WaitKind::Signal, "pause");
  EXPECT_EQ(level_of(b, task(40)), Level::Stuck) << "it may be its child's part to send it";
  b.process(40).last().wait->signals |= 1U << (SIGTERM - 1);
  EXPECT_EQ(level_of(b, task(40)), Level::Conditional);
  EXPECT_TRUE(testing::graph_of(b).stuck_sets().empty());
}

TEST(WaitKinds, APidFdWaitsForThatProcess) {
  Builder b;
  b.process(40).fd(3, object(ObjectKind::PidFd, 41)).thread().polls_in({3});
  b.process(41).fd(3, pipe(1), Access::Write).fd(4, pipe(1), Access::Read).thread().reads(4);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).thread(42).sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Conditional) << "any thread may end the process";
  b.process(41).process().threads.clear();
  b.process(41).zombie();
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "it has ended";
}

TEST(WaitKinds, APidFdThatCouldNotBeAskedIsNotThatOfItsOwnNumber) {
  Builder b;
  b.process(40).fd(3, object(ObjectKind::PidFd, 3, 40)).thread().polls_in({3});
  b.process(3).fd(3, pipe(1), Access::Write).fd(4, pipe(1), Access::Read).thread().reads(4);
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, AVforkParentWaitsForItsChildAlone) {
  Builder b;
  b.process(40).thread(40).waits(WaitKind::Vfork, "vfork").wait().children = {Pid{50}};
  b.process(40).thread(41).sleeps();
  b.process(50).child_of(40).fd(3, pipe(1), Access::Write).fd(4, pipe(1), Access::Read).thread();
  b.process(50).reads(4);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(50).sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, SysvObjectsMayHaveStrangers) {
  Builder b;
  b.process(40).thread().waits(WaitKind::SysvSem, "semop").wait().sysv.id = 7;
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "it was not seen";
  b.sysv("sem", 7);
  const Snapshot snapshot = b.build();
  const WaitGraph graph(snapshot);
  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions, ElementsAre("no stranger uses semaphore set 7"));
  b.process(41).thread().sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "one of the tree may use it";
}

TEST(WaitKinds, AtAKeyedSemaphoreAWorkerWaitsForAClient) {
  Builder b;
  auto& wait = b.process(40).thread().waits(WaitKind::SysvSem, "semop").wait();
  wait.sysv = {7, {{0, -1}}};
  SysvObject& set = b.sysv("sem", 7, 0x1234);
  EXPECT_EQ(level_of(b, task(40)), Level::Conditional);
  b.process(40).wait().sysv.ops = {{0, 0}};
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming) << "who waits for zero takes nothing";
  b.process(40).wait().sysv.ops = {{0, -1}};
  set.key = 0;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming) << "a client does not know its number";

  set.key = 0x1234;
  b.process(41).fd(3, pipe(1)).thread().reads(3);
  set.last_pids = {Pid{41}};
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming) << "who last used it is stuck elsewhere";
}

TEST(WaitKinds, AKeyedMessageQueueOfAServerIsForStrangers) {
  Builder b;
  b.process(40).thread().waits(WaitKind::SysvReceive, "msgrcv").wait().sysv.id = 7;
  SysvObject& queue = b.sysv("msg", 7, 0x1234);
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
  queue.key = 0;
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming);

  queue.key = 0x1234;
  b.process(41).thread().waits(WaitKind::SysvReceive, "msgrcv").wait().sysv.id = 7;
  queue.attached = {Pid{40}, Pid{41}};
  EXPECT_EQ(level_of(b, task(40)), Level::Conditional) << "so is that of two who share the work";
  b.process(41).waits(WaitKind::SysvSem, "semop");
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "its semaphore set was not seen";
}

/// Two workers that take from a keyed semaphore, and their parent.
Builder crew_of_a_keyed_semaphore() {
  Builder b;
  b.process(40).thread().waits_for_children({41, 42});
  for (const int pid : {41, 42}) {
    auto wait = b.process(pid).child_of(40).thread().waits(WaitKind::SysvSem, "semop");
    wait.wait().sysv.id = 7;
    wait.wait().sysv.ops = {{0, -1}};
  }
  SysvObject& set = b.sysv("sem", 7, 0x1234);
  set.attached = set.last_pids = {Pid{41}, Pid{42}};
  return b;
}

TEST(WaitKinds, WorkersAtAKeyedSemaphoreWaitForWhoeverRaisesIt) {
  EXPECT_EQ(level_of(crew_of_a_keyed_semaphore(), task(41)), Level::Conditional);
}

TEST(WaitKinds, WhoWaitsForAnotherSemaphoreOfTheSetMayHaveThisOne) {
  Builder b = crew_of_a_keyed_semaphore();
  b.process(42).wait().sysv.ops = {{1, -1}};
  EXPECT_EQ(level_of(b, task(41)), Level::Assuming);
}

TEST(WaitKinds, WhoWaitsUntilASemaphoreIsFreeWaitsForItsUsers) {
  Builder b = crew_of_a_keyed_semaphore();
  b.process(41).wait().sysv.ops = {{0, 0}};
  b.process(42).wait().sysv.ops = {{0, 0}};
  EXPECT_EQ(level_of(b, task(41)), Level::Assuming);
}

TEST(WaitKinds, AnUnlinkedMessageQueueIsClosed) {
  Builder b;
  b.process(40).fd(3, queue(1)).thread().waits(WaitKind::MqReceive, "mq_timedreceive");
  b.process(40).on(3, true, false);
  b.process(41).fd(3, queue(1)).fd(4, pipe(7)).thread().waits_for_child(40);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.object(queue(1)).has_name = true;
  EXPECT_EQ(level_of(b, task(40)), Level::Conditional) << "a client may open it";
  b.process(41).reads(4);
  EXPECT_EQ(level_of(b, task(40)), Level::Assuming) << "somebody who has it is stuck elsewhere";
  b.process(41).sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, AKernelServiceIsWhoHoldsItsFile) {
  Builder b;
  const ObjectId fuse = object(ObjectKind::Fuse, 1, 0xae5);
  b.process(40).thread().waits(WaitKind::KernelService, "newfstatat").wait().objects = {
      {-1, fuse, true, false}};
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "nobody is seen to serve it";
  b.process(41).fd(5, fuse).thread().waits_for_child(40);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).thread(42).waits(WaitKind::Read, "read").on(5, true, false);
  EXPECT_EQ(level_of(b, task(40)), Level::Live) << "a server that waits for requests";
}

TEST(WaitKinds, ConnectWaitsForTheListenersHolders) {
  Builder b;
  b.process(40)
      .fd(3, unix_socket(1))
      .thread()
      .waits(WaitKind::Connect, "connect")
      .on(3, false, true);
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
  b.process(41).fd(3, unix_socket(9)).thread().waits_for_child(40);
  b.object(unix_socket(1)).socket->listener = unix_socket(9);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, RegisteredFilesAreHeldByTheRing) {
  Builder b;
  const ObjectId ring = object(ObjectKind::IoUring, 5, 41);
  b.process(40).fd(3, pipe(1), Access::Read).thread().reads(3);
  b.process(41).fd(5, ring).thread().waits_for_child(40);
  b.object(ring).registered = {pipe(1)};
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, ATracerMayLetGo) {
  Builder b;
  b.process(40).thread().waits(WaitKind::Traced, "read");
  EXPECT_EQ(level_of(b, task(40)), Level::Stuck);
  b.process(40).process().tracer = Pid{41};
  b.process(41).scope(Scope::Holder).thread().sleeps();
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, AThreadsOwnTableIsItsOwn) {
  Builder b;
  b.process(40).fd(3, pipe(1), Access::Read).thread().reads(3);
  b.process(41).thread(41).waits_for_child(40);
  b.process(41).thread(42).waits_for_child(40).last().own_fds =
      std::vector<snapshot::Fd>{{7, Access::Write, pipe(1)}};
  b.process(41).process().threads[0].wait->kind = WaitKind::Vfork;
  b.process(41).last().wait->kind = WaitKind::Vfork;
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.process(41).process().threads[0].wait->kind = WaitKind::Sleep;
  EXPECT_EQ(level_of(b, task(40)), Level::Proved) << "the other thread does not hold it";
  b.process(41).last().wait->kind = WaitKind::Sleep;
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(WaitKinds, ThreadsThatCouldNotBeReadMayDoAnything) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7), Access::Read).thread().reads(4);
  EXPECT_EQ(level_of(b, task(40)), Level::Proved);
  b.raw().unseen = {{Pid{40}, Tid{41}, Error{Cause::Denied, 13, "read /proc/40/task/41"}}};
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

}  // namespace
}  // namespace ipcdoctor::graph
