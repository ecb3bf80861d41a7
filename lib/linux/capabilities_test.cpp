#include "linux/capabilities.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

TEST(ParsePtraceScope, ReadsTheFourScopes) {
  EXPECT_EQ(*parse_ptrace_scope("1\n"), 1);
  EXPECT_EQ(*parse_ptrace_scope("3"), 3);
}

TEST(ParsePtraceScope, RejectsOddTexts) {
  EXPECT_FALSE(parse_ptrace_scope(""));
  EXPECT_FALSE(parse_ptrace_scope("7\n"));
  EXPECT_FALSE(parse_ptrace_scope("on\n"));
}

TEST(ParseHidepid, ReadsTheOptionsOfProc) {
  EXPECT_FALSE(parse_hidepid("22 1 0:21 / /proc rw,relatime - proc proc rw\n"));
  EXPECT_TRUE(parse_hidepid("22 1 0:21 / /proc rw,relatime - proc proc rw,hidepid=invisible\n"));
  EXPECT_TRUE(
      parse_hidepid("22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw,gid=5,hidepid=2\n"));
  EXPECT_FALSE(parse_hidepid("22 1 0:21 / /proc rw - proc proc rw,hidepid=off\n"));
  EXPECT_FALSE(parse_hidepid("22 1 0:21 / /other rw - proc proc rw,hidepid=2\n"));
  EXPECT_FALSE(parse_hidepid("22 1 0:21 / /proc rw - proc"));
}

TEST(OwnRights, KnowsThatTheNumbersOfCapabilitiesAreBits) {
  OwnRights rights;
  rights.effective_caps = std::uint64_t{1} << 19;

  EXPECT_TRUE(rights.can_ptrace());
  EXPECT_FALSE(rights.is_admin());
}

}  // namespace
}  // namespace ipcdoctor::linux
