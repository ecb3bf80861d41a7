#include "linux/auxv.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

namespace ipcdoctor::linux {
namespace {

std::string bytes_of(const std::vector<std::uint64_t>& words) {
  std::string bytes(words.size() * 8, '\0');
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

TEST(ParseAuxv, ReadsPairsUpToTheEnd) {
  const auto auxv = parse_auxv(
      bytes_of({AT_SYSINFO_EHDR, 0x7fff1000, AT_RANDOM, 0x7ffe0000, AT_NULL, 0, 99, 99}));

  ASSERT_TRUE(auxv);
  EXPECT_EQ(auxv->size(), 2U);
  EXPECT_EQ(*find_auxv(*auxv, AT_RANDOM), 0x7ffe0000U);
  EXPECT_EQ(find_auxv(*auxv, AT_UID).error().cause, Cause::Gone);
}

TEST(ParseAuxv, AKernelThreadHasNone) {
  EXPECT_TRUE(parse_auxv("")->empty());
}

TEST(ParseAuxv, RejectsACutVector) {
  const std::string bytes = bytes_of({AT_RANDOM, 0x7ffe0000, AT_NULL, 0});
  for (std::size_t size = 1; size < bytes.size(); ++size)
    ASSERT_FALSE(parse_auxv(bytes.substr(0, size))) << size;
}

}  // namespace
}  // namespace ipcdoctor::linux
