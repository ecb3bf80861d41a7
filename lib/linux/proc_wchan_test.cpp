#include "linux/proc_wchan.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

TEST(ParseWchan, DropsWhatTheCompilerAppended) {
  EXPECT_EQ(parse_wchan("futex_do_wait"), "futex_do_wait");
  EXPECT_EQ(parse_wchan("unix_wait_for_peer.isra.0\n"), "unix_wait_for_peer");
  EXPECT_EQ(parse_wchan("do_wait.constprop.2.cold"), "do_wait");
}

TEST(ParseWchan, ZeroAndNothingMeanUnknown) {
  EXPECT_EQ(parse_wchan("0"), "");
  EXPECT_EQ(parse_wchan(""), "");
}

TEST(ParseKernelStack, ReadsTheFunctions) {
  const auto functions = parse_kernel_stack(
      "[<0>] fuse_get_req.part.0+0x1a/0x30 [fuse]\n[<0>] "
      "pipe_read+0x2f1/0x4a0\n[<ffffffff81000000>] vfs_read+0x1/0x2\n");

  EXPECT_EQ(functions, (std::vector<std::string>{"fuse_get_req", "pipe_read", "vfs_read"}));
}

TEST(ParseKernelStack, SurvivesCutAndOddLines) {
  EXPECT_TRUE(parse_kernel_stack("").empty());
  EXPECT_TRUE(parse_kernel_stack("[<0").empty());
  EXPECT_TRUE(parse_kernel_stack("nonsense\n\n").empty());
}

}  // namespace
}  // namespace ipcdoctor::linux
