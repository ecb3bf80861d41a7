#include "linux/fdinfo.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include <cstring>

#include "linux/fd_table.h"
#include "linux/pidfd.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Pipe;

Result<FdInfo> info_of(int fd) {
  return read_fdinfo(*ProcDir::open(Pid{::getpid()}), fd);
}

TEST(ReadFdInfo, ReadsTheKernelsOwnTexts) {
  const UniqueFd event(::eventfd(0x1f, EFD_CLOEXEC | EFD_SEMAPHORE));
  const UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec later{{0, 0}, {100, 0}};
  ASSERT_EQ(::timerfd_settime(timer.get(), 0, &later, nullptr), 0);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGUSR1);
  const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  const auto own_pidfd = open_pidfd(Pid{::getpid()});
  ASSERT_TRUE(own_pidfd);

  EXPECT_EQ(info_of(event.get())->eventfd_count, 0x1fU);
  EXPECT_GE(info_of(event.get())->eventfd_id, 0);
  EXPECT_TRUE(info_of(timer.get())->timerfd.armed());
  EXPECT_EQ(info_of(signals.get())->signal_mask, std::uint64_t{1} << (SIGUSR1 - 1));
  EXPECT_EQ(info_of(own_pidfd->get())->pidfd_pid, ::getpid());
}

TEST(ReadFdInfo, AnEpollTargetHasTheInodeAndDeviceOfItsFile) {
  const Pipe pipe;
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{EPOLLIN, {}};
  ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pipe.reader(), &event), 0);
  struct stat status {};
  ASSERT_EQ(::fstat(pipe.reader(), &status), 0);
  const auto info = info_of(epoll.get());

  ASSERT_TRUE(info);
  ASSERT_EQ(info->epoll.size(), 1U);
  EXPECT_EQ(info->epoll[0].fd, pipe.reader());
  EXPECT_EQ(info->epoll[0].ino, status.st_ino);
  EXPECT_EQ(info->epoll[0].dev, status.st_dev);
  EXPECT_NE(info->epoll[0].events & EPOLLIN, 0U);
}

TEST(ReadFdInfo, CountsTheDescriptorsInFlight) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd sender(pair[0]), receiver(pair[1]);
  const Pipe pipe;
  testing::send_fds(sender.get(), pipe.ends);
  const auto info = info_of(receiver.get());

  ASSERT_TRUE(info && info->has_scm_fds);
  EXPECT_EQ(info->scm_fds, 2U);
  EXPECT_EQ(info_of(sender.get())->scm_fds, 0U);
}

TEST(ReadFdInfo, ShowsALockToEveryHolderOfTheOpenFile) {
  const UniqueFd file(::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (!file.is_open()) GTEST_SKIP() << "no O_TMPFILE in /tmp";
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  const Pipe pipe;
  testing::Child child([&] {
    char byte = 0;
    return static_cast<int>(::read(pipe.reader(), &byte, 1));
  });
  const auto info = read_fdinfo(*child.dir(), file.get());

  ASSERT_TRUE(info);
  ASSERT_EQ(info->locks.size(), 1U);
  EXPECT_EQ(info->locks[0].type, FileLockType::Flock);
  EXPECT_TRUE(info->locks[0].exclusive);
  EXPECT_EQ(info->locks[0].pid, ::getpid());
}

TEST(ReadFdInfo, ShowsTheFixedFilesAndPollsOfARing) {
  io_uring_params parameters{};
  const UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 8, &parameters)));
  if (!ring.is_open()) GTEST_SKIP() << "io_uring is switched off";
  const Pipe pipe;
  ASSERT_EQ(::syscall(SYS_io_uring_register, ring.get(), IORING_REGISTER_FILES, pipe.ends, 2), 0);
  const std::size_t queue_size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
  auto* queue = static_cast<char*>(::mmap(nullptr, queue_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                                          ring.get(), IORING_OFF_SQ_RING));
  auto* entries = static_cast<io_uring_sqe*>(
      ::mmap(nullptr, parameters.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE,
             MAP_SHARED, ring.get(), IORING_OFF_SQES));
  ASSERT_NE(static_cast<void*>(queue), MAP_FAILED);
  ASSERT_NE(static_cast<void*>(entries), MAP_FAILED);
  entries[0] = {};
  entries[0].opcode = IORING_OP_POLL_ADD;
  entries[0].fd = pipe.reader();
  entries[0].poll32_events = 1;
  *reinterpret_cast<unsigned*>(queue + parameters.sq_off.array) = 0;
  *reinterpret_cast<unsigned*>(queue + parameters.sq_off.tail) = 1;
  ASSERT_EQ(::syscall(SYS_io_uring_enter, ring.get(), 1, 0, 0, nullptr, 0), 1);
  const auto info = info_of(ring.get());

  ASSERT_TRUE(info && info->has_uring);
  EXPECT_TRUE(info->uring.complete);
  ASSERT_EQ(info->uring.user_files.size(), 2U);
  EXPECT_EQ(parse_fd_link(-1, info->uring.user_files[0]).kind, FileKind::Pipe);
  ASSERT_EQ(info->uring.polls.size(), 1U);
  EXPECT_EQ(info->uring.polls[0].opcode, IORING_OP_POLL_ADD);
}

TEST(ReadFdInfo, AClosedDescriptorIsGone) {
  EXPECT_EQ(info_of(1 << 20).error().cause, Cause::Gone);
}

TEST(ReadFdFlags, TellsTheAccessMode) {
  const Pipe pipe;
  const auto flags = read_fd_flags(*ProcDir::open(Pid{::getpid()}), pipe.writer());

  ASSERT_TRUE(flags);
  EXPECT_EQ(*flags & 3U, static_cast<unsigned>(O_WRONLY));
}

}  // namespace
}  // namespace ipcdoctor::linux
