#include "linux/fdinfo.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace ipcdoctor::linux {
namespace {

const std::string kHead = "pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t18\n";

TEST(ParseFdInfo, ReadsAnEventfdInHexadecimal) {
  const auto info = parse_fdinfo(
      kHead + "eventfd-count:               1f\neventfd-id: 7\neventfd-semaphore: 1\n");

  ASSERT_TRUE(info);
  EXPECT_TRUE(info->has_eventfd);
  EXPECT_EQ(info->eventfd_count, 0x1fU);
  EXPECT_EQ(info->eventfd_id, 7);
  EXPECT_TRUE(info->eventfd_semaphore);
  EXPECT_EQ(info->ino, 18U);
  EXPECT_TRUE(info->readable());
  EXPECT_TRUE(info->writable());
  EXPECT_FALSE(info->is_async());
}

TEST(ParseFdInfo, ReadsEpollTargetsOfNewAndOldKernels) {
  const auto info =
      parse_fdinfo(kHead +
                   "tfd:        5 events:       19 data:                5  pos:0 ino:12 sdev:10\n"
                   "tfd:        3 events: 80000019 data: ffffffffffffffff\n");

  ASSERT_TRUE(info);
  ASSERT_EQ(info->epoll.size(), 2U);
  EXPECT_EQ(info->epoll[0].fd, 5);
  EXPECT_EQ(info->epoll[0].events, 0x19U);
  EXPECT_EQ(info->epoll[0].ino, 0x12U);
  EXPECT_EQ(info->epoll[0].dev, makedev(0, 0x10));
  EXPECT_EQ(info->epoll[1].events, 0x80000019U);
  EXPECT_EQ(info->epoll[1].data, ~std::uint64_t{0});
  EXPECT_EQ(info->epoll[1].ino, 0U);
}

TEST(ParseFdInfo, ReadsATimerfd) {
  const std::string text =
      kHead +
      "clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (4, 999974940)\nit_interval: (1, 0)\n";
  const auto armed = parse_fdinfo(text);
  const auto disarmed =
      parse_fdinfo(kHead + "clockid: 0\nticks: 2\nit_value: (0, 0)\nit_interval: (0, 0)\n");
  const auto forever = parse_fdinfo(kHead + "clockid: 0\nit_value: (9223372036854775807, 5)\n");

  ASSERT_TRUE(armed && disarmed && forever);
  EXPECT_TRUE(armed->timerfd.armed());
  EXPECT_EQ(armed->timerfd.value_ns, 4'999'974'940U);
  EXPECT_EQ(armed->timerfd.interval_ns, 1'000'000'000U);
  EXPECT_FALSE(disarmed->timerfd.armed());
  EXPECT_EQ(disarmed->timerfd.ticks, 2U);
  EXPECT_TRUE(forever->timerfd.armed());
}

TEST(ParseFdInfo, ReadsTheOtherKinds) {
  EXPECT_EQ(parse_fdinfo(kHead + "sigmask:\t0000000000000204\n")->signal_mask, 0x204U);
  EXPECT_EQ(parse_fdinfo(kHead + "Pid:\t-1\nNSpid:\t-1\n")->pidfd_pid, -1);
  EXPECT_EQ(parse_fdinfo(kHead + "Pid:\t7\nNSpid:\t7\t1\n")->pidfd_ns_pids,
            (std::vector<int>{7, 1}));
  EXPECT_EQ(parse_fdinfo(kHead + "scm_fds: 2\n")->scm_fds, 2U);
  EXPECT_EQ(parse_fdinfo(kHead + "tty-index:\t12\n")->tty_index, 12);
  EXPECT_EQ(parse_fdinfo(kHead + "inotify wd:1 ino:3c51a sdev:fe00000 mask:2 ignored_mask:0\n")
                ->inotify_watches,
            1U);
  EXPECT_TRUE(parse_fdinfo(kHead + "fanotify flags:0 event-flags:8000\n")->has_fanotify);
}

TEST(ParseFdInfo, ReadsTheLocksOfAnOpenFile) {
  const auto info = parse_fdinfo(
      "pos:\t0\nflags:\t02120001\nlock:\t1: FLOCK  ADVISORY  WRITE 11939 fe:00:10953836 0 EOF\n"
      "lock:\t2: OFDLCK ADVISORY  READ  -1 fe:00:10953836 5 14\n");

  ASSERT_TRUE(info);
  EXPECT_TRUE(info->is_async());
  EXPECT_FALSE(info->readable());
  ASSERT_EQ(info->locks.size(), 2U);
  EXPECT_EQ(info->locks[0].type, FileLockType::Flock);
  EXPECT_EQ(info->locks[1].type, FileLockType::Ofd);
  EXPECT_EQ(info->locks[1].pid, -1);
  EXPECT_EQ(info->locks[1].end, 14U);
}

const std::string kRing =
    kHead +
    "SqMask:\t0x7\nSqHead:\t1\nSqTail:\t2\nCachedSqHead:\t2\nCqMask:\t0xf\nCqHead:\t3\nCqTail:"
    "\t4\nCachedCqTail:\t5\n"
    "SQEs:\t1\n    0: opcode:NOP, fd:-1, flags:0, off:0, addr:0x0, rw_flags:0x0, buf_index:0 "
    "user_data:0\n"
    "CQEs:\t0\nSqThread:\t-1\nUserFiles:\t2\n    0: pipe:[102596]\n    1: /tmp/a\nUserBufs:\t0\n"
    "PollList:\n  op=22, task_works=0\n  op=6, task_works=1\nCqOverflowList:\nNAPI:\tdisabled\n";

TEST(ParseFdInfo, ReadsAnIoUring) {
  const auto info = parse_fdinfo(kRing);

  ASSERT_TRUE(info);
  ASSERT_TRUE(info->has_uring);
  EXPECT_EQ(info->uring.sq_head, 1U);
  EXPECT_EQ(info->uring.sq_tail, 2U);
  EXPECT_EQ(info->uring.cq_tail, 4U);
  EXPECT_EQ(info->uring.user_files, (std::vector<std::string>{"pipe:[102596]", "/tmp/a"}));
  ASSERT_EQ(info->uring.polls.size(), 2U);
  EXPECT_EQ(info->uring.polls[0].opcode, 22);
  EXPECT_FALSE(info->uring.overflow);
  EXPECT_TRUE(info->uring.complete);
}

TEST(ParseFdInfo, KnowsThatALockedRingDidNotListItsFiles) {
  const auto info = parse_fdinfo(kHead + "SqHead:\t0\nUserFiles:\t2\nUserBufs:\t0\nPollList:\n");
  const auto silent = parse_fdinfo(kHead + "SqHead:\t0\n");

  ASSERT_TRUE(info && silent);
  EXPECT_FALSE(info->uring.complete);
  EXPECT_FALSE(silent->uring.complete);
}

TEST(ParseFdInfo, DoesNotBelieveLinesThatAFileNameForged) {
  std::string text = kRing;
  text.replace(text.find("/tmp/a"), 6,
               "x\nflags:\t00\npos:\t9\nSqTail:\t77\neventfd-id: 5\nPid:\t1\nscm_fds: 9");
  const auto info = parse_fdinfo(text);

  ASSERT_TRUE(info);
  EXPECT_EQ(info->flags, 02000002U);
  EXPECT_EQ(info->pos, 0);
  EXPECT_EQ(info->uring.sq_tail, 2U);
  EXPECT_FALSE(info->has_eventfd);
  EXPECT_FALSE(info->has_pidfd);
  EXPECT_FALSE(info->has_scm_fds);
}

TEST(ParseFdInfo, ReportsACutTextAndDropsItsLastLine) {
  const auto info = parse_fdinfo(
      kHead +
      "tfd:        5 events:       19 data:                5  pos:0 ino:12 sdev:10\ntfd:   ");

  ASSERT_TRUE(info);
  EXPECT_TRUE(info->truncated);
  EXPECT_EQ(info->epoll.size(), 1U);
  EXPECT_FALSE(parse_fdinfo("pos:\t0\nflags:\t02"));
  EXPECT_FALSE(parse_fdinfo(""));
}

TEST(ParseFdInfo, SkipsUnknownLinesAndRejectsBrokenKnownOnes) {
  EXPECT_TRUE(parse_fdinfo(kHead + "drm-driver:\tamdgpu\nno colon\n\n"));
  EXPECT_FALSE(parse_fdinfo(kHead + "tfd: five events: 19\n"));
  EXPECT_FALSE(parse_fdinfo(kHead + "it_value: (4, 1000000000)\n"));
  EXPECT_FALSE(parse_fdinfo(kHead + "lock:\t1: FLOCK\n"));
  EXPECT_FALSE(parse_fdinfo("pos:\tx\nflags:\t02\n"));
}

}  // namespace
}  // namespace ipcdoctor::linux
