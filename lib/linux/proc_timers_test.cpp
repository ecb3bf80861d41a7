#include "linux/proc_timers.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

const std::string kReal =
    "ID: 0\nsignal: 14/0000000000000000\nnotify: signal/pid.11939\nClockID: 1\n"
    "ID: 1\nsignal: 32/00007f1122334455\nnotify: signal/tid.11941\nClockID: -6\n"
    "ID: 2\nsignal: 0/0000000000000000\nnotify: none/pid.11939\nClockID: 0\n";

TEST(ParseTimers, ReadsARealFile) {
  const auto timers = parse_timers(kReal);

  ASSERT_TRUE(timers);
  ASSERT_EQ(timers->size(), 3U);
  EXPECT_EQ((*timers)[0].signal, 14);
  EXPECT_EQ((*timers)[0].notify, TimerNotify::Signal);
  EXPECT_FALSE((*timers)[0].to_one_thread);
  EXPECT_EQ((*timers)[0].target, 11939);
  EXPECT_TRUE((*timers)[1].to_one_thread);
  EXPECT_EQ((*timers)[1].clockid, -6);
  EXPECT_EQ((*timers)[2].notify, TimerNotify::None);
}

TEST(ParseTimers, NoTimersIsAnEmptyFile) {
  EXPECT_TRUE(parse_timers("")->empty());
}

TEST(ParseTimers, SkipsLinesThatLaterKernelsAdd) {
  EXPECT_TRUE(parse_timers(kReal + "Expires: 12\n"));
}

TEST(ParseTimers, RejectsTruncatedAndOddTexts) {
  EXPECT_FALSE(parse_timers("ID: 0\nsignal: 14/0"));
  EXPECT_FALSE(parse_timers("signal: 14/0\n"));
  EXPECT_FALSE(parse_timers("ID: 0\nnotify: pigeon/pid.1\n"));
  EXPECT_FALSE(parse_timers("ID: 0\nnotify: signal/pid.\n"));
}

const std::string kTimerList =
    "Timer List Version: v0.10\ncpu: 0\n clock 0:\nactive timers:\n"
    " #0: <0000000096aa4e11>, tick_nohz_handler, S:01\n # expires at 1-1 nsecs [in 1 to 1 nsecs]\n"
    " #1: <0000000076ec3000>, hrtimer_wakeup, S:01\n";

TEST(ParseTimerList, FindsAnArmedRealTimer) {
  EXPECT_FALSE(*parse_real_timer_armed(kTimerList));
  EXPECT_TRUE(*parse_real_timer_armed(kTimerList + " #2: <00000000b74811aa>, it_real_fn, S:01\n"));
}

TEST(ParseTimerList, ATextWithoutTimersIsNoAnswer) {
  EXPECT_FALSE(parse_real_timer_armed(""));
  EXPECT_FALSE(parse_real_timer_armed("Timer List Version: v0.10\n"));
}

}  // namespace
}  // namespace ipcdoctor::linux
