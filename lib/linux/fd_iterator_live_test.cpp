#include "linux/fd_iterator.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <map>
#include <thread>
#include <vector>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;

class FdIterator : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status read = read_kernel_fds([](const KernelFd&) {});
    const bool cannot =
        !read && (read.error().cause == Cause::Denied || read.error().cause == Cause::Unsupported);
    if (cannot) GTEST_SKIP() << to_string(read.error());
  }

  static std::vector<KernelFd> fds_of(Pid pid) {
    std::vector<KernelFd> fds;
    const Status read = read_kernel_fds([&](const KernelFd& fd) {
      if (fd.pid == pid) fds.push_back(fd);
    });
    EXPECT_TRUE(read) << to_string(read.error());
    return fds;
  }
};

TEST_F(FdIterator, TellsWhatProcTellsOfEachKindOfFile) {
  const Child child([] {
    int pipe_ends[2], sockets[2];
    (void)::pipe(pipe_ends);
    (void)::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    (void)::eventfd(0, 0);
    (void)::epoll_create1(0);
    (void)::open("/dev/null", O_RDWR);
    (void)::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    (void)::open("/tmp", O_RDONLY | O_DIRECTORY);
    (void)::open("/proc/self/exe", O_RDONLY);
    (void)::open("/proc/self/exe", O_PATH);
    (void)::open("/proc/self/ns/net", O_RDONLY);
    (void)::memfd_create("memory", 0);
    (void)::mkfifo("/tmp/ipcdoctor-fd-iterator", 0600);
    (void)::open("/tmp/ipcdoctor-fd-iterator", O_RDWR);
    (void)::open("/tmp/ipcdoctor-fd-iterator", O_RDONLY);
    (void)::unlink("/tmp/ipcdoctor-fd-iterator");
    (void)::mq_open("/ipcdoctor-fd-iterator", O_CREAT | O_RDWR, 0600, nullptr);
    (void)::mq_unlink("/ipcdoctor-fd-iterator");
    (void)::syscall(SYS_pidfd_open, ::getpid(), 0);
    (void)::dup2(0, 900);
    return ::pause();
  });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));

  const auto from_kernel = fds_of(child.pid());
  const auto from_proc = read_fds(*child.dir());

  ASSERT_TRUE(from_proc);
  ASSERT_EQ(from_kernel.size(), from_proc->size());
  int unclear = 0;
  for (std::size_t i = 0; i < from_kernel.size(); ++i) {
    const FdEntry& there = (*from_proc)[i];
    SCOPED_TRACE(std::to_string(there.fd) + " " + there.link);
    EXPECT_EQ(from_kernel[i].fd, there.fd);
    const auto here = to_entry(from_kernel[i]);
    unclear += here ? 0 : 1;
    if (!here) continue;
    const bool memory = there.kind == FileKind::Memfd;
    EXPECT_EQ(here->kind, memory ? FileKind::Regular : there.kind);
    EXPECT_EQ(here->ino, there.ino);
    EXPECT_EQ(here->dev, there.dev);
    EXPECT_EQ(here->rdev, there.rdev);
    EXPECT_EQ(here->access_known, there.access_known);
    EXPECT_TRUE(!there.access_known || here->readable == there.readable);
    EXPECT_TRUE(!there.access_known || here->writable == there.writable);
    EXPECT_TRUE(there.kind != FileKind::AnonInode || here->link == there.link);
  }
  EXPECT_LT(unclear, 8);
}

TEST_F(FdIterator, ListsATableOfAThreadsOwnUnderThatThread) {
  const Child child([] {
    std::thread([] {
      (void)::unshare(CLONE_FILES);
      (void)::dup2(0, 700);
      (void)::pause();
    }).detach();
    std::thread([] { (void)::pause(); }).detach();
    return ::pause();
  });
  std::map<Tid, int> tables;
  ASSERT_TRUE(testing::eventually([&] {
    tables.clear();
    bool own = false;
    for (const KernelFd& fd : fds_of(child.pid())) {
      ++tables[fd.tid];
      own = own || (fd.fd == 700 && fd.tid != child.tid());
    }
    return own;
  }));

  EXPECT_EQ(tables.size(), 2);
  EXPECT_TRUE(tables.contains(child.tid()));
}

TEST_F(FdIterator, CountsAllThatRefersToTheEndsOfAPipe) {
  int ends[2] = {-1, -1}, sockets[2] = {-1, -1};
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  struct stat about {};
  ASSERT_EQ(::fstat(ends[0], &about), 0);
  const auto writers = [&] {
    std::vector<KernelFd> found;
    EXPECT_TRUE(read_kernel_pipes([&](const KernelFd& fd) {
      if (fd.ino == about.st_ino && fd.writable && fd.pid.value == ::getpid()) found.push_back(fd);
    }));
    return found;
  };
  const auto before = writers();
  ASSERT_EQ(before.size(), 1);
  EXPECT_EQ(before[0].readers, 1);
  EXPECT_EQ(before[0].writers, 1);
  EXPECT_EQ(before[0].references, 1);

  const int copy = ::dup(ends[1]);
  testing::send_fds(sockets[0], {&ends[1], 1});
  const Child child([] { return ::pause(); });
  const int another =
      ::open(("/proc/self/fd/" + std::to_string(ends[1])).c_str(), O_WRONLY | O_CLOEXEC);

  const auto after = writers();
  ASSERT_EQ(after.size(), 3);
  EXPECT_EQ(after[0].file, after[1].file);
  EXPECT_NE(after[0].file, after[2].file);
  EXPECT_EQ(after[0].writers, 2);
  EXPECT_EQ(after[0].references, 5) << "two here, two in the child, one on its way";
  EXPECT_EQ(after[2].references, 1);
  for (const int fd : {ends[0], ends[1], sockets[0], sockets[1], copy, another}) (void)::close(fd);
}

TEST_F(FdIterator, ShowsEveryDescriptorOfABigTable) {
  const Child child([] {
    for (int fd = 100; fd < 1000; ++fd) (void)::dup2(0, fd);
    return ::pause();
  });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));

  const auto from_proc = read_fds(*child.dir());

  ASSERT_TRUE(from_proc);
  EXPECT_GE(from_proc->size(), 900);
  EXPECT_EQ(fds_of(child.pid()).size(), from_proc->size());
}

}  // namespace
}  // namespace ipcdoctor::linux
