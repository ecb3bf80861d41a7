#include <gtest/gtest.h>
#include <linux/btf.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "linux/btf_types.h"

namespace ipcdoctor::linux {
namespace {

/// The types of the kernel that runs here.
class BtfOfTheKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
    text_.assign(std::istreambuf_iterator<char>(file), {});
    if (text_.empty()) GTEST_SKIP() << "this kernel describes no types";
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(text_)); }
  std::string text_;
};

TEST_F(BtfOfTheKernel, HasStructsWithMembersAndFunctions) {
  const auto types = Btf::parse(bytes());
  ASSERT_TRUE(types) << to_string(types.error());

  const auto list = types->find("list_head", BTF_KIND_STRUCT);
  EXPECT_EQ(types->size_of(list), 2 * sizeof(void*));
  EXPECT_EQ(types->offset_of(list, "next"), 0U);
  EXPECT_EQ(types->offset_of(list, "prev"), sizeof(void*));
  EXPECT_EQ(types->offset_of(list, "no_such_member"), std::nullopt);
  EXPECT_GT(types->find("bpf_iter_task", BTF_KIND_FUNC), 0U);
}

TEST_F(BtfOfTheKernel, MembersOfAnonymousUnionsCountFromTheOuterStruct) {
  const auto types = Btf::parse(bytes());
  ASSERT_TRUE(types) << to_string(types.error());
  const auto qstr =
      types->find("qstr", BTF_KIND_STRUCT);  // { { { u32 hash, len }; u64 hash_len }; name }

  EXPECT_EQ(types->offset_of(qstr, "len"), 4U);
  EXPECT_EQ(types->offset_of(qstr, "name"), 8U);
}

TEST_F(BtfOfTheKernel, HasNothingThatItDoesNotName) {
  const auto types = Btf::parse(bytes());
  ASSERT_TRUE(types) << to_string(types.error());

  EXPECT_EQ(types->find("no_such_struct", BTF_KIND_STRUCT), 0U);
  EXPECT_EQ(types->find("list_head", BTF_KIND_FUNC), 0U);
  for (const std::uint32_t wrong : {0U, UINT32_MAX}) {
    EXPECT_EQ(types->size_of(wrong), std::nullopt);
    EXPECT_EQ(types->offset_of(wrong, "pid"), std::nullopt);
  }
}

TEST_F(BtfOfTheKernel, IsMalformedWhenCutAnywhere) {
  for (std::size_t size = 0; size < text_.size(); size += std::max<std::size_t>(1, size / 8)) {
    const auto types = Btf::parse(bytes().first(size));
    ASSERT_FALSE(types) << size;
    EXPECT_EQ(types.error().cause, Cause::Malformed) << size;
  }
}

TEST_F(BtfOfTheKernel, AnswersWithinItsBoundsWhenDamaged) {
  std::mt19937 random(1);
  const std::string whole = text_;
  for (int i = 0; i < 20; ++i) {
    text_ = whole;
    // the header and the first types, so that lengths, counts and numbers are among it
    for (int flips = 0; flips < 8; ++flips)
      text_[random() % (i % 2 == 0 ? 64 : text_.size())] = static_cast<char>(random());
    if (const auto types = Btf::parse(bytes()))
      (void)types->offset_of(types->find("task_struct", BTF_KIND_STRUCT), "pid");
  }
}

}  // namespace
}  // namespace ipcdoctor::linux
