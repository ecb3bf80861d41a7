#include "linux/proc_locks.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace ipcdoctor::linux {
namespace {

TEST(ParseLocks, ReadsHoldersAndTheirWaiters) {
  const auto locks = parse_locks(
      "1: POSIX  ADVISORY  WRITE 11939 fe:00:10953836 5 14\n"
      "1: -> POSIX  ADVISORY  READ  11940 fe:00:10953836 0 EOF\n"
      "1:  -> POSIX  ADVISORY  WRITE 11941 fe:00:10953836 0 EOF\n"
      "2: OFDLCK ADVISORY  WRITE -1 08:02:7 100 EOF\n");

  ASSERT_TRUE(locks);
  ASSERT_EQ(locks->size(), 4U);
  EXPECT_FALSE((*locks)[0].waiting);
  EXPECT_TRUE((*locks)[0].exclusive);
  EXPECT_EQ((*locks)[0].pid, 11939);
  EXPECT_EQ((*locks)[0].dev, makedev(0xfe, 0));
  EXPECT_EQ((*locks)[0].ino, 10953836U);
  EXPECT_EQ((*locks)[0].start, 5U);
  EXPECT_EQ((*locks)[0].end, 14U);
  EXPECT_TRUE((*locks)[1].waiting);
  EXPECT_FALSE((*locks)[1].exclusive);
  EXPECT_EQ((*locks)[1].id, 1U);
  EXPECT_TRUE((*locks)[2].waiting);
  EXPECT_TRUE((*locks)[0].same_file((*locks)[2]));
  EXPECT_TRUE((*locks)[0].overlaps((*locks)[2]));
  EXPECT_EQ((*locks)[3].type, FileLockType::Ofd);
  EXPECT_EQ((*locks)[3].end, ~std::uint64_t{0});
}

TEST(ParseLocks, ReadsLeasesAndTypesOfLaterKernels) {
  const auto locks = parse_locks(
      "1: LEASE  ACTIVE    READ  5 fe:00:7 0 EOF\n2: DELEG  BREAKING  UNLCK 5 fe:00:7 0 EOF\n"
      "3: NEWLCK UNKNOWN  WRITE 5 <none>:0 0 EOF\n");

  ASSERT_TRUE(locks);
  EXPECT_EQ((*locks)[0].type, FileLockType::Lease);
  EXPECT_EQ((*locks)[1].type, FileLockType::Delegation);
  EXPECT_FALSE((*locks)[1].exclusive);
  EXPECT_EQ((*locks)[2].type, FileLockType::Other);
  EXPECT_EQ((*locks)[2].ino, 0U);
}

TEST(ParseLocks, AnEmptyFileHasNoLocks) {
  const auto locks = parse_locks("");

  ASSERT_TRUE(locks);
  EXPECT_TRUE(locks->empty());
}

TEST(ParseLocks, RejectsTruncatedAndTurnedLines) {
  const std::string line = "1: POSIX  ADVISORY  WRITE 11939 fe:00:10953836 5 14\n";
  for (std::size_t size = 1; size < line.size(); ++size)
    ASSERT_FALSE(parse_locks(line.substr(0, size))) << size;
  EXPECT_FALSE(parse_locks("1: POSIX  ADVISORY  WRITE 1 fe:00:1 14 5\n"));
  EXPECT_FALSE(parse_locks("1: POSIX  ADVISORY  WRITE 1 fe:00 14 15\n"));
}

}  // namespace
}  // namespace ipcdoctor::linux
