#include "linux/proc_stat.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

const std::string kBehindComm =
    " S 8550 8551 4672 34816 -1 4194304 100 0 0 0 7 9 0 0 20 0 3 0 429214 3133440 390 "
    "18446744073709551615 1 2\n";

TEST(ParseStat, ReadsARealLine) {
  const auto stat = parse_stat("8555 (cat)" + kBehindComm);

  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->id, 8555);
  EXPECT_EQ(stat->comm, "cat");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->ppid.value, 8550);
  EXPECT_EQ(stat->pgid.value, 8551);
  EXPECT_EQ(stat->sid.value, 4672);
  EXPECT_EQ(stat->tty_nr, 34816);
  EXPECT_EQ(stat->utime_ticks, 7U);
  EXPECT_EQ(stat->stime_ticks, 9U);
  EXPECT_EQ(stat->num_threads, 3);
  EXPECT_EQ(stat->start_ticks, 429214U);
  EXPECT_FALSE(stat->is_kernel_thread());
}

TEST(ParseStat, ReadsHowAZombieEnded) {
  std::string line = "8555 (cat) Z";
  for (int field = 4; field <= 51; ++field) line += " 0";

  EXPECT_EQ(parse_stat(line + " 9\n")->wait_status, 9);
  EXPECT_EQ(parse_stat(line + "\n")->wait_status, -1);
}

TEST(ParseStat, TakesCommUpToTheLastParenthesis) {
  const auto stat = parse_stat("7 (\x1b[31mX\n) S 1)" + kBehindComm);

  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->comm, "\x1b[31mX\n) S 1");
  EXPECT_EQ(stat->ppid.value, 8550);
}

TEST(ParseStat, AcceptsFieldsOfLaterKernels) {
  std::string line = "8555 (cat)" + kBehindComm;
  line.insert(line.size() - 1, " 99 98");

  EXPECT_TRUE(parse_stat(line));
}

TEST(ParseStat, KnowsAKernelThreadByItsFlags) {
  const auto stat =
      parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");

  ASSERT_TRUE(stat);
  EXPECT_TRUE(stat->is_kernel_thread());
  EXPECT_EQ(stat->ppid.value, 0);
}

TEST(ParseStat, RejectsEveryTruncation) {
  const std::string line = "8555 (cat)" + kBehindComm;
  const std::size_t needed = line.find("429214") + 6;

  for (std::size_t size = 0; size <= needed; ++size) {
    const auto stat = parse_stat(line.substr(0, size));
    ASSERT_FALSE(stat) << size;
    EXPECT_EQ(stat.error().cause, Cause::Malformed);
  }
}

}  // namespace
}  // namespace ipcdoctor::linux
