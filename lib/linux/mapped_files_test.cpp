#include "linux/mapped_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "linux/proc_maps.h"

namespace ipcdoctor::linux {
namespace {

TEST(ParseMappedFiles, NamesEachFileOnceAndNoPlainMemory) {
  const auto files = parse_mapped_files(
      "55f0a0000000-55f0a0021000 rw-p 00000000 00:00 0                          [heap]\n"
      "7f20df6e9000-7f20df70f000 r-xp 00026000 fe:00 1234567                    /usr/lib/a b.so\n"
      "7f2000000000-7f2000001000 rw-s 00002000 00:01 1024                       /dev/shm/x "
      "(deleted)\n"
      "7f20df70f000-7f20df710000 r--p 00027000 fe:00 1234567                    /usr/lib/a b.so\n"
      "7ffd24500000-7ffd24521000 rw-p 00000000 00:00 0 \n");

  ASSERT_TRUE(files);
  EXPECT_THAT(*files, testing::ElementsAre(std::pair(makedev(0, 1), 1024U),
                                           std::pair(makedev(0xfe, 0), 1234567U)));
}

TEST(ParseMappedFiles, RejectsACutLine) {
  EXPECT_FALSE(parse_mapped_files("7f2000000000-7f2000001000 rw-p 00000000 00:"));
  EXPECT_FALSE(parse_mapped_files("7f2000000000-7f20"));
  EXPECT_TRUE(parse_mapped_files("")->empty());
}

TEST(ParseMappedFiles, AgreesWithParseMapsOnOurOwn) {
  const auto text = ProcDir::open_system()->read("self/maps", 1 << 20);
  const auto maps = parse_maps(*text);
  const auto files = parse_mapped_files(*text);

  ASSERT_TRUE(maps && files);
  for (const Mapping& mapping : *maps)
    EXPECT_EQ(mapping.ino != 0,
              std::ranges::binary_search(*files, std::pair(mapping.dev, mapping.ino)))
        << mapping.path;
}

}  // namespace
}  // namespace ipcdoctor::linux
