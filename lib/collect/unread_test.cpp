#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "collect/examine.h"
#include "collect/file_locks.h"
#include "collect/objects.h"
#include "collect/signals.h"
#include "collect/tables.h"

/// One read that fails is a doubt about all that it would have told, never the absence of it.
namespace ipcdoctor::collect {
namespace {

namespace fs = std::filesystem;
using snapshot::Access;
using snapshot::ObjectKind;
using snapshot::WaitKind;
using ::testing::SizeIs;

/// Process 42 as a folder of ours, in which a file that cannot be read is a folder.
class Unread : public ::testing::Test {
 protected:
  Unread() {
    char name[] = "/tmp/unread_XXXXXX";
    path_ = ::mkdtemp(name);
    EXPECT_TRUE(system.scan());
    machine_.swap(system.processes());  // no part of the test, but found by their numbers
    const auto proc = linux::ProcDir::open_system();
    auto dir = proc->open_below(".." + path_);
    EXPECT_TRUE(dir);
    system.processes().push_back(std::make_unique<ProcessEntry>());
    process().pid = Pid{42};
    process().stat.num_threads = 1;
    process().scope = snapshot::Scope::Target;
    process().examined = true;
    process().dir = std::move(*dir);
  }
  ~Unread() override { fs::remove_all(path_); }

  ProcessEntry& process() { return *system.processes()[0]; }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << text;
  }
  void break_file(const std::string& name) { fs::create_directories(path_ + "/" + name); }

  /// A descriptor of that kind, by which its one thread waits.
  snapshot::Wait& waits(WaitKind kind, ObjectKind object) {
    const snapshot::ObjectId id{object, 42, 5};
    process().fds = std::vector<snapshot::Fd>{{5, Access::Both, id}};
    ThreadEntry& thread = process().threads.emplace_back();
    thread.tid = Tid{42};
    thread.out.wait = snapshot::Wait{};
    thread.out.wait->kind = kind;
    thread.out.wait->untimed = true;
    thread.out.wait->objects = {{5, id, true, false}};
    return *thread.out.wait;
  }

  SharedProgress shared;
  Progress progress{shared, {}, Progress::Clock::now() + std::chrono::minutes(1)};
  System system{progress, Pid{1}, Pid{::getpid()}};

 private:
  std::string path_;
  std::vector<std::unique_ptr<ProcessEntry>> machine_;
};

TEST_F(Unread, WhatAnEpollSetWatchesIsNotNothing) {
  waits(WaitKind::Epoll, ObjectKind::Epoll);
  break_file("fdinfo/5");
  Objects objects(system);
  objects.add_waits(process());

  ASSERT_THAT(objects.list(), SizeIs(1));
  EXPECT_TRUE(objects.list()[0].copies_unknown);
  EXPECT_THAT(system.unseen(), SizeIs(1));
}

TEST_F(Unread, TheNumberOfAnEventfdMayBeThatOfAnyOther) {
  waits(WaitKind::Read, ObjectKind::EventFd);
  process().fds = std::vector<snapshot::Fd>{{5, Access::Both, {ObjectKind::EventFd, 42, 5}},
                                            {6, Access::Both, {ObjectKind::EventFd, 42, 6}}};
  write("task/42/fdinfo/5", "pos:\t0\nflags:\t02\neventfd-count: 0\neventfd-id: 9\n");
  break_file("task/42/fdinfo/6");
  identify_objects(system, ObjectKind::EventFd);

  EXPECT_TRUE(system.has_unknown_copies({ObjectKind::EventFd, 0, 9}));
  EXPECT_THAT(system.unseen(), SizeIs(1));
}

TEST_F(Unread, AFifoMayHaveAName) {
  waits(WaitKind::Read, ObjectKind::Fifo);
  Objects objects(system);
  objects.add_waits(process());
  objects.read_facts();

  ASSERT_THAT(objects.list(), SizeIs(1));
  EXPECT_TRUE(objects.list()[0].has_name);
}

TEST_F(Unread, ARingMayHoldAnything) {
  waits(WaitKind::Read, ObjectKind::Pipe);
  process().fds = std::vector<snapshot::Fd>{{5, Access::Read, {ObjectKind::Pipe, 0, 7}},
                                            {6, Access::Both, {ObjectKind::IoUring, 42, 6}}};
  break_file("fdinfo/6");
  Objects objects(system);
  objects.add_waits(process());
  objects.add_hidden_holders();

  EXPECT_FALSE(system.all_holders_seen());
}

TEST_F(Unread, WhoHasALockIsNotWhoeverElseWasSeen) {
  snapshot::Wait& wait = waits(WaitKind::FileLock, ObjectKind::File);
  wait.file_lock.file = {ObjectKind::File, 42, 5};
  break_file("fdinfo/5");
  (void)read_file_locks(system);

  EXPECT_TRUE(system.has_unknown_copies({ObjectKind::File, 42, 5}));
}

TEST_F(Unread, WhatAProcessCatchesMayBeATimer) {
  waits(WaitKind::Signal, ObjectKind::Pipe);
  process().status = Error{Cause::Other, EIO, "read status"};
  read_signal_sources(system);

  EXPECT_TRUE(process().out.timer_possible);
}

TEST_F(Unread, ADescriptorOfAProcessThatCatchesSigioMaySendIt) {
  waits(WaitKind::Read, ObjectKind::Pipe);
  process().status = linux::TaskStatus{};
  process().status->caught = std::uint64_t{1} << (SIGIO - 1);
  break_file("fdinfo/5");
  read_signal_sources(system);

  EXPECT_TRUE(process().out.async_io);
}

/// A thread that was born after the process was listed.
TEST_F(Unread, ThreadsAreThoseOfNow) {
  write("status",
        "Name:\tx\nState:\tS (sleeping)\nTgid:\t42\nPid:\t42\nPPid:\t1\nTracerPid:\t0\n"
        "Uid:\t0\t0\t0\t0\nThreads:\t2\n");
  break_file("task/42");
  break_file("task/43");
  examine(system, process());

  const bool told = std::ranges::any_of(system.unseen(),
                                        [](const auto& unseen) { return unseen.tid == Tid{43}; });
  const bool seen = std::ranges::any_of(process().threads,
                                        [](const auto& thread) { return thread.tid == Tid{43}; });
  EXPECT_TRUE(told || seen || process().threads.empty());
}

}  // namespace
}  // namespace ipcdoctor::collect
