#include "linux/kcmp.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <atomic>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::Pipe;

const auto kEqual = std::strong_ordering::equal;

TEST(CompareTasks, AForkedChildSharesNothing) {
  const Child child([] { return ::pause(); });
  const Tid self{::getpid()};
  const auto order = compare_tasks(Kcmp::Vm, self, child.tid());
  if (!order && order.error().cause == Cause::Unsupported) GTEST_SKIP() << "no kcmp here";

  ASSERT_TRUE(order);
  EXPECT_NE(*order, kEqual);
  EXPECT_NE(*compare_tasks(Kcmp::Files, self, child.tid()), kEqual);
  EXPECT_EQ(*compare_tasks(Kcmp::Vm, self, self), kEqual);
}

TEST(CompareTasks, SeesAThreadThatLeftTheCommonTable) {
  const Pipe done;
  std::atomic<int> tid{0};
  std::thread thread([&] {
    if (::unshare(CLONE_FILES) != 0) ::abort();
    tid = static_cast<int>(::syscall(SYS_gettid));
    char byte = 0;
    (void)!::read(done.reader(), &byte, 1);
  });
  const bool started = testing::eventually([&] { return tid != 0; });
  const Tid self{::getpid()}, other{tid};
  const auto files = compare_tasks(Kcmp::Files, self, other);
  const auto memory = compare_tasks(Kcmp::Vm, self, other);
  ASSERT_EQ(::write(done.writer(), "x", 1), 1);
  thread.join();

  ASSERT_TRUE(started);
  if (!files && files.error().cause == Cause::Unsupported) GTEST_SKIP() << "no kcmp here";
  ASSERT_TRUE(files && memory);
  EXPECT_NE(*files, kEqual);
  EXPECT_EQ(*memory, kEqual);
}

TEST(CompareFiles, OneOpenFileInTwoTables) {
  const Pipe pipe;
  const Child child([] { return ::pause(); });
  const Tid self{::getpid()};
  const auto order = compare_files(self, pipe.reader(), child.tid(), pipe.reader());
  if (!order && order.error().cause == Cause::Unsupported) GTEST_SKIP() << "no kcmp here";

  ASSERT_TRUE(order);
  EXPECT_EQ(*order, kEqual);
  EXPECT_NE(*compare_files(self, pipe.reader(), child.tid(), pipe.writer()), kEqual);
  EXPECT_EQ(compare_files(self, pipe.reader(), child.tid(), 1 << 20).error().cause, Cause::Gone);
  EXPECT_EQ(compare_files(self, 0, Tid{0x3fffffff}, 0).error().cause, Cause::Gone);
}

TEST(IsEpollTarget, KnowsAFileWhoseNumberWasReused) {
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  const Pipe first, second;
  const int watched = 200;
  const UniqueFd copy(::dup2(first.reader(), watched));
  epoll_event event{EPOLLIN, {}};
  ASSERT_EQ(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, watched, &event), 0);
  ASSERT_EQ(::dup2(second.reader(), watched),
            watched);  // the first pipe stays watched: another descriptor keeps it
  const Tid self{::getpid()};
  const auto stale = is_epoll_target(self, watched, self, epoll.get(), watched);
  if (!stale && stale.error().cause == Cause::Unsupported) GTEST_SKIP() << "no kcmp here";

  ASSERT_TRUE(stale) << to_string(stale.error());
  EXPECT_FALSE(*stale);
  EXPECT_TRUE(*is_epoll_target(self, first.reader(), self, epoll.get(), watched));
}

}  // namespace
}  // namespace ipcdoctor::linux
