#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/built_graph_for_tests.h"

/// Whom an event would free.
namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Access;
using snapshot::LockKind;
using snapshot::ObjectKind;
using snapshot::WaitKind;
using ::testing::ElementsAre;
using testing::graph_of;
using ::testing::IsEmpty;

Event closes(int pid, int fd) {
  return {Event::Kind::Closes, {Pid{pid}, Tid{0}}, fd};
}
Event wakes(int pid, int tid = 0) {
  return {Event::Kind::Wakes, task(pid, tid), -1};
}

std::vector<TaskRef> freed(const Builder& builder, const std::vector<Event>& events,
                           const std::vector<TaskRef>& tasks) {
  return graph_of(builder).freed_by(events, tasks);
}

/// 42 reads a pipe whose write end 40, which waits for its exit, and 42 itself have open.
Builder unclosed() {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Write).thread().waits_for_child(42);
  b.process(42).child_of(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread();
  b.process(42).reads(3);
  return b;
}

TEST(WhatIf, EndOfFileComesWithTheLastCopyAndFreesWhoWaitsForTheReader) {
  const std::vector<TaskRef> both = {task(40), task(42)};

  EXPECT_THAT(freed(unclosed(), {closes(40, 4)}, both), IsEmpty());
  EXPECT_THAT(freed(unclosed(), {closes(40, 4), closes(42, 4)}, both),
              ElementsAre(task(40), task(42)));
}

TEST(WhatIf, ADescriptorThatIsShutFrees) {
  Builder b;
  b.process(40).fd(4, pipe(7), Access::Write).fd(3, pipe(7), Access::Read).thread().writes(4);

  EXPECT_THAT(freed(b, {closes(40, 3)}, {task(40)}), ElementsAre(task(40)));
  EXPECT_THAT(freed(b, {closes(40, 9)}, {task(40)}), IsEmpty());
}

TEST(WhatIf, WhatIsOnItsWayThroughASocketIsOpenUntilThatIsClosed) {
  Builder b = unclosed();
  b.process(42).fd(9, unix_socket(5));
  b.object(unix_socket(5)).in_flight = {pipe(7)};
  const std::vector<Event> all = {closes(40, 4), closes(42, 4)};

  EXPECT_THAT(freed(b, all, {task(42)}), IsEmpty());
  EXPECT_THAT(freed(b, {all[0], all[1], closes(42, 9)}, {task(42)}), ElementsAre(task(42)));
}

TEST(WhatIf, ALockThatIsReleasedIsTakenByOneAfterTheOther) {
  Builder b;
  const auto add = [&b](int pid, int tid, std::uint64_t address) {
    b.process(pid).thread(tid).futex(address, LockKind::Mutex).lock().ownership =
        snapshot::Ownership::Dead;
    b.process(pid).wait().futex.lock.checked = true;
  };
  add(40, 40, 0x10);
  add(40, 41, 0x10);
  add(40, 42, 0x20);
  add(50, 50, 0x10);
  const std::vector<TaskRef> all = {task(40), task(40, 41), task(40, 42), task(50)};

  EXPECT_THAT(freed(b, {wakes(40)}, all), ElementsAre(task(40), task(40, 41)))
      << "not who waits for another lock, or at the same address of another process";
}

TEST(WhatIf, ThePeerOfASocketThatNobodyHasAnyMoreGetsTheEnd) {
  Builder b;
  b.process(40).fd(3, unix_socket(5)).thread().reads(3);
  b.process(42).child_of(40).fd(4, unix_socket(6)).thread().waits_for_child(40);
  b.object(unix_socket(5)).socket->peer = unix_socket(6);
  b.object(unix_socket(6)).socket->peer = unix_socket(5);

  EXPECT_THAT(freed(b, {closes(42, 4)}, {task(40)}), ElementsAre(task(40)));
}

TEST(WhatIf, AFileLockGoesWithTheDescriptorsThatHoldIt) {
  Builder b;
  b.process(40).fd(3, file(1)).thread().file_lock(file(1), "flock");
  b.process(42).fd(3, file(1)).thread().waits_for_child(40);
  snapshot::FileLock lock;
  lock.file = file(1);
  lock.type = "flock";
  lock.exclusive = true;
  lock.holders = {{Pid{42}, 3}};
  b.raw().file_locks = {lock};

  EXPECT_THAT(freed(b, {closes(42, 3)}, {task(40), task(42)}), ElementsAre(task(40), task(42)));
  EXPECT_THAT(freed(b, {closes(40, 3)}, {task(40), task(42)}), IsEmpty());
}

TEST(WhatIf, AnEpollSetTellsOfWhatItWatches) {
  Builder b = unclosed();
  b.process(42).fd(8, object(ObjectKind::Epoll, 1)).waits(WaitKind::Epoll, "epoll_wait");
  b.process(42).on(8, true, false);
  b.object(object(ObjectKind::Epoll, 1)).watched = {{3, pipe(7), 1}};

  EXPECT_THAT(freed(b, {closes(40, 4), closes(42, 4)}, {task(42)}), ElementsAre(task(42)));
}

}  // namespace
}  // namespace ipcdoctor::graph
