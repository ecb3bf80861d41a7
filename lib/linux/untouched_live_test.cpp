/// Everything here may be read of a blocked process without it noticing; and what a hostile one can
/// choose is read as it is.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "linux/auxv.h"
#include "linux/fd_table.h"
#include "linux/fdinfo.h"
#include "linux/kcmp.h"
#include "linux/namespaces.h"
#include "linux/pidfd.h"
#include "linux/proc_maps.h"
#include "linux/proc_syscall.h"
#include "linux/proc_timers.h"
#include "linux/proc_wchan.h"
#include "linux/sock_diag.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::Pipe;

/// What a collection reads of one process.
void read_everything(const Child& child, const Pipe& pipe) {
  const auto process = child.dir();
  ASSERT_TRUE(process);
  const auto memory = ProcessMemory::open(*process);
  ASSERT_TRUE(memory);
  const auto pidfd = open_pidfd(child.pid());
  ASSERT_TRUE(pidfd);
  const auto fds = read_fds(*process);
  ASSERT_TRUE(fds);
  for (const FdEntry& entry : *fds) EXPECT_TRUE(read_fdinfo(*process, entry.fd));
  EXPECT_TRUE(read_pipe_fill(*pidfd, pipe.reader()));
  EXPECT_TRUE(read_image_stamp(*process, *memory));
  EXPECT_TRUE(read_maps(*process));
  EXPECT_TRUE(read_syscall(*process));
  EXPECT_TRUE(read_wchan(*process));
  EXPECT_TRUE(read_unix_sockets(std::chrono::seconds(2)));
  EXPECT_TRUE(read_namespaces(*process).pid);
  // Not everywhere: kcmp, timers and stack depend on how the kernel was built and on rights.
  (void)compare_tasks(Kcmp::Vm, Tid{::getpid()}, child.tid());
  (void)read_timers(*process);
  (void)read_kernel_stack(*process);
}

TEST(Untouched, ABlockedProcessDoesNotNoticeThatItIsRead) {
  const Pipe pipe;
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd a(pair[0]), b(pair[1]), event(::eventfd(0, EFD_CLOEXEC)),
      epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event interest{EPOLLIN, {}};
  ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, a.get(), &interest), 0);
  Child child([&] {
    char byte = 0;
    return ::read(pipe.reader(), &byte, 1) == 1 ? byte : 1;
  });
  ASSERT_TRUE(testing::eventually([&] {
    const auto call = read_syscall(*child.dir());
    return call && call->kind == SyscallState::Kind::InCall && call->nr == 0;
  }));
  const auto switches = [&] { return read_status(*child.dir())->switches(); };
  const std::uint64_t before = switches();

  for (int i = 0; i < 100; ++i) read_everything(child, pipe);

  EXPECT_EQ(switches(), before);
  EXPECT_EQ(child.tracer(), 0);
  ASSERT_EQ(::write(pipe.writer(), "\x07", 1), 1);
  EXPECT_EQ(child.wait(), 7);
}

TEST(Hostile, ANameThatImitatesTheFilesIsReadAsAName) {
  const char* const name = "x) Z 1\nUid:\t0";
  const Pipe ready;
  const Child child([&] {
    ::prctl(PR_SET_NAME, name);
    return ::write(ready.writer(), "x", 1) == 1 ? ::pause() : 1;
  });
  char byte = 0;
  ASSERT_EQ(::read(ready.reader(), &byte, 1), 1);
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));
  const auto stat = read_stat(*child.dir());
  const auto status = read_status(*child.dir());

  ASSERT_TRUE(stat && status);
  EXPECT_EQ(stat->comm, name);
  EXPECT_EQ(stat->ppid.value, ::getpid());
  EXPECT_EQ(status->tgid, child.pid());
}

TEST(ReadStatus, ListsThePidsOfANamespace) {
  const Pipe ready;
  const Child parent([&] {
    if (::unshare(CLONE_NEWPID) != 0) return ::write(ready.writer(), "\0\0\0\0", 4) == 4 ? 0 : 1;
    const Pipe armed;
    const pid_t inner = ::fork();
    if (inner == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      return ::write(armed.writer(), "x", 1) == 1 ? ::pause() : 1;
    }
    char byte = 0;  // only when it dies with us may the test go on
    if (::read(armed.reader(), &byte, 1) != 1) return 1;
    return ::write(ready.writer(), &inner, sizeof inner) == sizeof inner ? ::pause() : 1;
  });
  int inner = 0;
  ASSERT_EQ(::read(ready.reader(), &inner, sizeof inner), static_cast<ssize_t>(sizeof inner));
  if (inner == 0) GTEST_SKIP() << "may not make a PID namespace";
  const auto process = ProcDir::open(Pid{inner});
  const auto status = read_status(*process);
  const auto space = read_namespace(*process, "pid");

  ASSERT_TRUE(status && space);
  EXPECT_EQ(status->ns_pids, (std::vector<int>{inner, 1}));
  EXPECT_NE(*space, *read_namespace(*parent.dir(), "pid"));
}

}  // namespace
}  // namespace ipcdoctor::linux
