#include "unwind/xz.h"

#include <gtest/gtest.h>
#include <lzma.h>

#include <cstring>
#include <random>

namespace ipcdoctor::unwind {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::vector<std::byte> packed(const std::string& text) {
  std::vector<std::byte> out(lzma_stream_buffer_bound(text.size()));
  std::size_t at = 0;
  const auto result = lzma_easy_buffer_encode(
      6, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
      reinterpret_cast<std::uint8_t*>(out.data()), &at, out.size());
  EXPECT_EQ(result, LZMA_OK);
  out.resize(at);
  return out;
}

TEST(UnpackXz, GivesBackWhatWasPacked) {
  for (const std::string& text : {std::string("symbols"), std::string(100000, 'x')}) {
    const auto unpacked = unpack_xz(packed(text), 1 << 20);
    ASSERT_TRUE(unpacked);
    EXPECT_EQ(*unpacked, bytes_of(text));
  }
}

TEST(UnpackXz, ABombEndsAtTheLimit) {
  EXPECT_EQ(unpack_xz(packed(std::string(1 << 20, 'x')), 1000).error().cause, Cause::Limit);
}

TEST(UnpackXz, DamageIsAnError) {
  const auto good = packed("symbols of a program, some of them");
  EXPECT_FALSE(unpack_xz({}, 1000));
  EXPECT_FALSE(unpack_xz(std::span(good).first(good.size() - 1), 1000));
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    auto bad = good;
    bad[random() % bad.size()] ^= static_cast<std::byte>(1 + random() % 255);
    EXPECT_FALSE(unpack_xz(bad, 1000));
  }
}

}  // namespace
}  // namespace ipcdoctor::unwind
