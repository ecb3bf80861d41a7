#include "runtime/cpython/layout.h"

#include <gtest/gtest.h>

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

TEST(Layout, RefusesFreeThreadedBuilds) {
  auto words = debug_offsets_of_3_13();
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
