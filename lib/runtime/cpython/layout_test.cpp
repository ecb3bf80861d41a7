#include "runtime/cpython/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace ipcdoctor::runtime::cpython {
namespace {

// What _PyRuntime of 3.13.0 on x86-64 begins with.
std::vector<std::uint64_t> debug_offsets_of_3_13() {
  std::vector<std::uint64_t> words(kDebugOffsetWords);
  std::memcpy(words.data(), "xdebugpy", 8);
  words[1] = 0x030d00f0;
  const std::uint64_t rest[] = {
      0x6e0d0, 600,  632,                                                           // runtime
      0x3f5c8, 7272, 7264, 7344, 7424, 7656, 7712, 7720, 16,  7752, 0, 7768, 7760,  // interpreter
      296,     0,    8,    16,   72,   152,  160,  216,  36,                        // thread
      88,      8,    0,    56,   72,   70,                                          // frame
      200,     112,  120,  128,  136,  68,   52,   96,   104, 200,                  // code
  };
  std::copy(std::begin(rest), std::end(rest), words.begin() + 3);
  return words;
}

}  // namespace

TEST(Layout, KnowsTheTableVersionsOnly) {
  for (int minor = kFirstMinor; minor <= kLastTableMinor; ++minor) {
    const auto layout = layout_of(minor);
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->minor, minor);
    EXPECT_EQ(layout->frame_is_object, minor <= 10);
    EXPECT_EQ(layout->thread_native_id != 0, minor >= 11);
    EXPECT_NE(layout->gil_in_runtime != 0, layout->gil_in_interp != 0);
  }
  EXPECT_EQ(layout_of(7).error().cause, Cause::Unsupported);
  EXPECT_EQ(layout_of(13).error().cause, Cause::Unsupported);
}

TEST(Layout, ReadsDebugOffsetsOf313) {
  const auto layout = layout_from_debug_offsets(debug_offsets_of_3_13());
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->minor, 13);
  EXPECT_EQ(layout->runtime_interpreters, 632U);
  EXPECT_EQ(layout->interp_threads, 7344U);
  EXPECT_EQ(layout->interp_modules, 7656U);
  EXPECT_EQ(layout->thread_frame, 72U);
  EXPECT_EQ(layout->thread_native_id, 160U);
  EXPECT_EQ(layout->frame_instr, 56U);
  EXPECT_EQ(layout->code_instructions, 200U);
  EXPECT_EQ(layout->gil_in_interp, 16U);
  EXPECT_EQ(layout->gil_holder, 8U);  // within the GIL's own struct
  EXPECT_EQ(layout->gil_locked, 16U);
}

// 3.14 puts threads_main, code_object_generation and tlbc_generation between those of 3.13.
TEST(Layout, FollowsTheOrderOf314And315) {
  auto words = debug_offsets_of_3_13();
  words[1] = 0x030e00f0;
  words.insert(words.begin() + 10, 7360);
  words.insert(words.begin() + 20, {7800, 7808});
  words.insert(words.begin() + 37, {64, 0});
  const auto layout = layout_from_debug_offsets(words);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->minor, 14);
  EXPECT_EQ(layout->interp_modules, 7656U);
  EXPECT_EQ(layout->gil_locked, 16U);
  EXPECT_EQ(layout->thread_native_id, 160U);
  EXPECT_EQ(layout->frame_owner, 70U);
  EXPECT_EQ(layout->code_instructions, 200U);

  words[1] = 0x030f00f0;
  words.insert(words.begin() + 27, {80, 88, 96});
  words.insert(words.begin() + 34, {1, 2, 3, 4, 5});
  const auto later = layout_from_debug_offsets(words);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->thread_ident, 152U);
  EXPECT_EQ(later->thread_native_id, 160U);
  EXPECT_EQ(later->frame_locals, 72U);
  EXPECT_EQ(later->code_line_table, 136U);
}

// Objects have 16 bytes more before ob_type there; what the table tells has them already.
TEST(Layout, ReadsFreeThreaded313And314) {
  auto words = debug_offsets_of_3_13();
  words[2] = 1;
  const std::uint64_t of_3_13_5[] = {
      328320, 608,  632,                                                           // runtime
      215616, 7272, 7264, 7344, 7400, 7664, 7648, 7656, 16,  7760, 0, 7784, 7776,  // interpreter
      304,    0,    8,    16,   72,   152,  160,  232,  32,                        // thread
      80,     8,    0,    56,   72,   70,                                          // frame
      224,    128,  136,  144,  152,  84,   68,   112,  120, 216,                  // code
  };
  std::ranges::copy(of_3_13_5, words.begin() + 3);
  const auto layout = layout_from_debug_offsets(words);
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->header_growth, 16U);
  EXPECT_EQ(layout->managed_dict, 8U);
  EXPECT_EQ(layout->gil_locked, 24U);
  EXPECT_EQ(layout->code_filename, 128U);
  EXPECT_EQ(layout->code_exception_table, 56U);
  EXPECT_EQ(layout->type_base, 272U);
  EXPECT_EQ(layout->cached_keys, 896U);
  EXPECT_EQ(layout->tuple_items, 40U);
  EXPECT_EQ(layout->string_kind_bit, 2U);
  EXPECT_EQ(layout->code_tlbc, 0U);

  words[1] = 0x030e07f0;
  const std::uint64_t of_3_14_7[] = {
      362368, 784,  808,  // runtime
      246720, 7280, 7272,  7344, 7360, 7408, 7712, 7696, 7704, 16,  7808, 0,  7832,
      7824,   8024, 17628, 832,  0,    8,    16,   72,   152,  160, 232,  32,  // thread
      88,     8,    0,     56,   80,   78,   64,   72,                         // frame
      240,    128,  136,   144,  152,  84,   68,   112,  120,  232, 224,       // code
  };
  std::ranges::copy(of_3_14_7, words.begin() + 3);
  const auto later = layout_from_debug_offsets(words);
  ASSERT_TRUE(later);
  EXPECT_EQ(later->frame_tlbc_index, 72U);
  EXPECT_EQ(later->code_tlbc, 224U);
  EXPECT_EQ(later->tuple_items, 48U);
  EXPECT_EQ(later->string_kind_bit, 8U);
}

TEST(Layout, RefusesAFreeThreadedBuildThatNobodyMeasured) {
  auto words = debug_offsets_of_3_13();
  words[1] = 0x030f00f0;
  words[2] = 1;
  EXPECT_EQ(layout_from_debug_offsets(words).error().cause, Cause::Unsupported);
}

TEST(Layout, RefusesWhatIsNoTableOrCannotBeOne) {
  auto words = debug_offsets_of_3_13();
  words[0] ^= 1;
  EXPECT_EQ(layout_from_debug_offsets(words).error().cause, Cause::Unsupported);
  words = debug_offsets_of_3_13();
  words[1] = 0x04000000;
  EXPECT_EQ(layout_from_debug_offsets(words).error().cause, Cause::Unsupported);
  words = debug_offsets_of_3_13();
  words[23] = 1U << 30;  // an offset beyond any structure
  EXPECT_EQ(layout_from_debug_offsets(words).error().cause, Cause::Malformed);
  words.resize(10);
  EXPECT_EQ(layout_from_debug_offsets(words).error().cause, Cause::Unsupported);
}

}  // namespace ipcdoctor::runtime::cpython
