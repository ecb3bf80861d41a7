#include "linux/proc_syscall.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

using namespace std::string_view_literals;

TEST(ParseSyscall, ReadsABlockedRead) {
  const auto state = parse_syscall(
      "0 0x3 0x7f20df6e9000 0x20000 0x7f20df77ab60 0xffffffff 0x0 0x7ffd2450edf8 0x7f20df8632ad\n");

  ASSERT_TRUE(state);
  EXPECT_EQ(state->kind, SyscallState::Kind::InCall);
  EXPECT_EQ(state->nr, 0);
  EXPECT_EQ(state->args[0], 3U);
  EXPECT_EQ(state->args[2], 0x20000U);
  EXPECT_EQ(state->sp.value, 0x7ffd2450edf8U);
  EXPECT_EQ(state->pc.value, 0x7f20df8632adU);
}

TEST(ParseSyscall, KnowsARunningThread) {
  const auto state = parse_syscall("running\n");

  ASSERT_TRUE(state);
  EXPECT_EQ(state->kind, SyscallState::Kind::Running);
}

TEST(ParseSyscall, KnowsAPageFaultAndAZombie) {
  const auto fault = parse_syscall("-1 0x7ffd2450edf8 0x7f20df8632ad\n");
  const auto zombie = parse_syscall("-1 0x0 0x0\n");

  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, SyscallState::Kind::NotInCall);
  EXPECT_EQ(fault->pc.value, 0x7f20df8632adU);
  ASSERT_TRUE(zombie);
  EXPECT_EQ(zombie->sp.value, 0U);
}

TEST(ParseSyscall, RejectsTruncatedAndOverlongLines) {
  const std::string line = "202 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n";
  for (std::size_t size = 0; size < line.size(); ++size)
    ASSERT_FALSE(parse_syscall(line.substr(0, size))) << size;
  EXPECT_FALSE(parse_syscall("202 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8 0x9\n"));
  EXPECT_FALSE(parse_syscall("202 1 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n"));
  EXPECT_FALSE(parse_syscall("202 0x10000000000000000 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n"));
}

TEST(ParseCallStub, RecoversTheNumberBehindRestartSyscall) {
  EXPECT_EQ(parse_call_stub("\xb8\xe6\x00\x00\x00\x0f\x05"sv), 230);
  EXPECT_EQ(parse_call_stub("\xb8\xe6\x00\x00\x40\x0f\x05"sv), -1);
  EXPECT_EQ(parse_call_stub("\xb9\xe6\x00\x00\x00\x0f\x05"sv), -1);
  EXPECT_EQ(parse_call_stub("\xb8\xe6\x00\x00\x00\x0f"sv), -1);
}

}  // namespace
}  // namespace ipcdoctor::linux
