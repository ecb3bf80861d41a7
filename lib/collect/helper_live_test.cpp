#include "collect/helper.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "linux/pidfd.h"
#include "linux/process_memory.h"
#include "linux/testing.h"

namespace ipcdoctor::collect {
namespace {

using std::chrono::milliseconds;

const Limits kQuick{milliseconds(5000), milliseconds(100)};

TEST(Helper, ReturnsTheLastAnswer) {
  const auto answer = run_in_helper(kQuick, [](Progress&, const Send& send) {
    send("first");
    send(std::string(300000, 'x'));
  });

  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->size(), 300000U);
}

TEST(Helper, LeavesOutTheReadThatNeverReturns) {
  const auto answer = run_in_helper(kQuick, [](Progress& progress, const Send& send) {
    const Risk risk(progress, Pid{42}, Fact::Memory, 43);
    if (risk.allowed()) ::pause();
    send(to_string(progress.skipped().at(0)));
  });

  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, "read memory of 42/43");
}

/// Another one would do the same again.
TEST(Helper, IsWaitedForWhereThereIsNothingToLeaveOut) {
  const auto answer = run_in_helper(kQuick, [](Progress&, const Send& send) {
    (void)::usleep(400'000);
    send("late");
  });

  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, "late");
}

/// On a machine where others want the processor it gets a 60th of it (sched(7), nice values).
TEST(Helper, IsNotTakenForHungWhileOthersHaveTheProcessor) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  const linux::testing::Child busy([] {
    for (;;) asm volatile("");
    return 0;
  });

  const auto answer = run_in_helper({milliseconds(60000), milliseconds(50)},
                                    [](Progress& progress, const Send& send) {
                                      (void)!::nice(19);
                                      const Risk risk(progress, Pid{42}, Fact::Memory);
                                      if (!risk.allowed()) return;
                                      while (std::clock() < CLOCKS_PER_SEC / 50) {
                                      }
                                      send("worked");
                                    });

  cpu_set_t all;
  std::memset(&all, 0xff, sizeof all);
  (void)sched_setaffinity(0, sizeof all, &all);
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, "worked");
}

TEST(Helper, SurvivesACrash) {
  const auto answer = run_in_helper(kQuick, [](Progress& progress, const Send& send) {
    const Risk risk(progress, Pid{42}, Fact::Stack);
    if (risk.allowed()) (void)::raise(SIGKILL);
    send("after");
  });

  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, "after");
}

TEST(Helper, KeepsADraftWhenTimeIsOver) {
  const auto answer =
      run_in_helper({milliseconds(300), milliseconds(10000)}, [](Progress&, const Send& send) {
        send("draft");
        ::pause();
      });

  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, "draft");
}

TEST(Helper, GivesUpInTime) {
  const auto begin = std::chrono::steady_clock::now();

  const auto answer = run_in_helper({milliseconds(300), milliseconds(10000)},
                                    [](Progress&, const Send&) { ::pause(); });

  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().cause, Cause::TimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(2000));
}

TEST(Helper, KnowsWhenItsTimeIsNearlyOver) {
  const auto answer = run_in_helper({milliseconds(500), milliseconds(10000)},
                                    [](Progress& progress, const Send& send) {
                                      while (!progress.is_late()) (void)::usleep(1000);
                                      send("in time");
                                    });

  EXPECT_TRUE(answer);
}

TEST(Helper, HoldsNoneOfOurDescriptors) {
  const linux::testing::Pipe pipe;

  const auto answer = run_in_helper(kQuick, [&](Progress&, const Send& send) {
    send(::fcntl(pipe.writer(), F_GETFD) < 0 ? "closed" : "open");
  });

  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, "closed");
}

TEST(Helper, IsTheFirstToGoWhereMemoryIsShort) {
  const auto answer = run_in_helper(kQuick, [](Progress&, const Send& send) {
    std::ifstream file("/proc/self/oom_score_adj");
    std::string score;
    file >> score;
    send(score);
  });
  ASSERT_TRUE(answer);
  EXPECT_EQ(*answer, "1000");
}

TEST(Helper, DiesWithItsParent) {
  const linux::testing::Pipe pipe;
  {
    const linux::testing::Child parent([&] {
      (void)run_in_helper({milliseconds(60000), milliseconds(60000)},
                          [&](Progress&, const Send&) { ::pause(); });
      return 0;
    });
    ASSERT_TRUE(linux::testing::eventually([&] {
      const auto dir = parent.dir();
      const auto children = dir->read("task/" + std::to_string(parent.pid().value) + "/children");
      if (!children || children->empty()) return false;
      const int pid = std::atoi(children->c_str());
      return ::write(pipe.writer(), &pid, sizeof pid) == sizeof pid;
    }));
  }
  int helper = 0;
  ASSERT_EQ(::read(pipe.reader(), &helper, sizeof helper), static_cast<ssize_t>(sizeof helper));

  EXPECT_TRUE(linux::testing::eventually([&] {
    const auto dir = linux::ProcDir::open(Pid{helper});
    const auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
    return !stat || stat->state == 'Z';
  }));
}

/// What Yama does to a helper that is no ancestor, another user does here: only we may look.
TEST(Helper, AsksTheAncestorForWhatItIsDenied) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  linux::testing::Child target([] { return ::pause(); });
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  linux::testing::Child holder([&] { return ::pause(); });
  while (target.state() != 'S' || holder.state() != 'S') ::usleep(1000);
  const auto look = [&](bool ask) {
    Limits limits{milliseconds(5000), milliseconds(1000)};
    limits.ask_ancestor = ask;
    const auto answer = run_in_helper(limits, [&](Progress&, const Send& send) {
      const auto process = linux::ProcDir::open(target.pid());
      const auto pidfd = linux::open_pidfd(holder.pid());
      if (!process || !pidfd || ::setresuid(65534, 65534, 65534) != 0) return send("cannot test");
      const auto memory = linux::ProcessMemory::open(*process);
      std::byte byte{};
      const auto address = RemoteAddr{reinterpret_cast<std::uint64_t>(&kQuick)};
      const bool reads = memory && memory->read(address, std::span(&byte, 1));
      const auto call = process->read_record("syscall");
      const auto fill = linux::read_pipe_fill(*pidfd, ends[0]);
      send(std::string(reads ? "memory " : "- ") + (call ? call->substr(0, 2) : "-") +
           (fill ? " pipe" : " -"));
    });
    return answer ? *answer : to_string(answer.error());
  };

  EXPECT_EQ(look(false), "- - -");
  EXPECT_EQ(look(true), "memory 34 pipe");  // pause
}

}  // namespace
}  // namespace ipcdoctor::collect
