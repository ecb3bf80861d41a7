#include "linux/proc_maps.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace ipcdoctor::linux {
namespace {

const std::string kReal =
    "55f0a0000000-55f0a0021000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f2000000000-7f2000001000 rw-s 00002000 00:01 1024                       /dev/shm/sem.x y "
    "(deleted)\n"
    "7f20df6e9000-7f20df70f000 r-xp 00026000 fe:00 1234567                    /usr/lib/libc.so.6\n"
    "7ffd24500000-7ffd24521000 rw-p 00000000 00:00 0 \n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

TEST(ParseMaps, ReadsARealFile) {
  const auto maps = parse_maps(kReal);

  ASSERT_TRUE(maps);
  ASSERT_EQ(maps->size(), 5U);
  EXPECT_EQ((*maps)[0].path, "[heap]");
  EXPECT_TRUE((*maps)[1].shared);
  EXPECT_EQ((*maps)[1].dev, makedev(0, 1));
  EXPECT_EQ((*maps)[1].ino, 1024U);
  EXPECT_EQ((*maps)[1].offset, 0x2000U);
  EXPECT_EQ((*maps)[1].path, "/dev/shm/sem.x y (deleted)");
  EXPECT_TRUE((*maps)[2].executable);
  EXPECT_EQ((*maps)[3].path, "");
}

TEST(ParseMaps, FindsTheMappingOfAnAddress) {
  const auto maps = parse_maps(kReal);

  ASSERT_TRUE(maps);
  EXPECT_EQ(find_mapping(*maps, RemoteAddr{0x7f2000000fff}), &(*maps)[1]);
  EXPECT_EQ(find_mapping(*maps, RemoteAddr{0x7f2000001000}), nullptr);
  EXPECT_EQ(find_mapping(*maps, RemoteAddr{0}), nullptr);
}

TEST(ParseMaps, RejectsACutOrTurnedLine) {
  EXPECT_FALSE(parse_maps("7f2000000000-7f20"));
  EXPECT_FALSE(parse_maps("7f2000000000-7f2000001000 rw"));
  EXPECT_FALSE(parse_maps("7f2000001000-7f2000000000 rw-p 00000000 00:00 0\n"));
  EXPECT_TRUE(parse_maps("")->empty());
}

}  // namespace
}  // namespace ipcdoctor::linux
