#include "runtime/native/known.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>

namespace ipcdoctor::runtime::native {
namespace {

using namespace snapshot;

TEST(Known, AFunctionHasOneEffectUnderAllItsNames) {
  for (const char* name : {"write", "__write", "__libc_write", "__GI_write"}) {
    const Known* known = find_function(name);
    ASSERT_NE(known, nullptr) << name;
    EXPECT_EQ(known->mask, std::uint32_t{kWrites}) << name;
    EXPECT_EQ(known->descriptor, 0);
  }
  ASSERT_NE(find_function("__printf_chk"), nullptr);
  EXPECT_EQ(find_function("__printf_chk")->mask, std::uint32_t{kWrites});
}

TEST(Known, AnOpenOfAFifoLetsTheOtherSideIn) {
  ASSERT_NE(find_function("open64"), nullptr);
  EXPECT_EQ(find_function("open64")->mask, std::uint32_t{kReads | kWrites});
  EXPECT_EQ(system_call(SYS_openat).mask, std::uint32_t{kReads | kWrites});
}

TEST(Known, WhatIsNotInTheTableIsNotKnown) {
  for (const char* name : {"", "_", "__", "dlopen", "qsort", "writer", "fopen", "__sigaction"})
    EXPECT_EQ(find_function(name), nullptr) << name;
  EXPECT_EQ(system_call(100'000).mask, std::uint32_t{kUnknown});
  EXPECT_EQ(system_call(SYS_io_uring_enter).mask, std::uint32_t{kUnknown});
}

TEST(Known, AFutexIsWokenByAllButWaits) {
  EXPECT_EQ(effects_of_futex(FUTEX_WAIT_PRIVATE), 0U);
  EXPECT_EQ(effects_of_futex(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME), 0U);
  EXPECT_EQ(effects_of_futex(FUTEX_WAKE_PRIVATE), std::uint32_t{kReleases});
  EXPECT_EQ(effects_of_futex(FUTEX_CMP_REQUEUE), std::uint32_t{kReleases});
  EXPECT_EQ(effects_of_futex(FUTEX_UNLOCK_PI_PRIVATE), std::uint32_t{kReleases});
}

TEST(Known, OnlyWhatNeverReturnsEndsAWay) {
  EXPECT_FALSE(find_function("_exit")->returns);
  EXPECT_FALSE(find_function("__stack_chk_fail")->returns);
  EXPECT_TRUE(find_function("error")->returns);
  EXPECT_FALSE(system_call(SYS_exit_group).returns);
  EXPECT_TRUE(system_call(SYS_execve).returns);  // if it fails
}

}  // namespace
}  // namespace ipcdoctor::runtime::native
