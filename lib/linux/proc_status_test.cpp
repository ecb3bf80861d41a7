#include "linux/proc_status.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

const std::string kReal =
    "Name:\tsh\\n) S 1\nUmask:\t0022\nState:\tS "
    "(sleeping)\nTgid:\t43\nNgid:\t0\nPid:\t44\nPPid:\t1\nTracerPid:\t9\n"
    "Uid:\t1000\t1001\t1000\t1000\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t0 "
    "\nNStgid:\t43\t3\nNSpid:\t44\t4\n"
    "NSpgid:\t43\t3\nNSsid:\t1\t0\nKthread:\t0\nVmPeak:\t 1 kB\nThreads:\t2\nSigQ:\t0/96365\n"
    "SigPnd:\t0000000000000200\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000010000\nSigIgn:"
    "\t0000000001001000\n"
    "SigCgt:\t0000000180000002\nCapInh:\t0000000000000000\nCapEff:\t000001fffeffffff\nSeccomp:\t2\n"
    "voluntary_ctxt_switches:\t15\nnonvoluntary_ctxt_switches:\t3\n";

TEST(ParseStatus, ReadsARealFile) {
  const auto status = parse_status(kReal);

  ASSERT_TRUE(status);
  EXPECT_EQ(status->state, 'S');
  EXPECT_EQ(status->tgid.value, 43);
  EXPECT_EQ(status->tracer.value, 9);
  EXPECT_EQ(status->uid, 1000U);
  EXPECT_EQ(status->effective_uid, 1001U);
  EXPECT_EQ(status->threads, 2);
  EXPECT_EQ(status->ns_pids, (std::vector<int>{44, 4}));
  EXPECT_EQ(status->ns_pgids, (std::vector<int>{43, 3}));
  EXPECT_EQ(status->pending, 0x200U);
  EXPECT_EQ(status->shared_pending, 0x4000U);
  EXPECT_EQ(status->blocked, 0x10000U);
  EXPECT_EQ(status->ignored, 0x1001000U);
  EXPECT_EQ(status->caught, 0x180000002U);
  EXPECT_EQ(status->effective_caps, 0x1fffeffffffU);
  EXPECT_EQ(status->seccomp_mode, 2);
  EXPECT_EQ(status->switches(), 18U);
  EXPECT_FALSE(status->kernel_thread);
}

TEST(ParseStatus, GivesANameAsCommHasIt) {
  const std::string rest = kReal.substr(kReal.find("Umask"));

  EXPECT_EQ(parse_status("Name:\ta\\nb\\\\n c\n" + rest)->name, "a\nb\\n c");
}

TEST(ParseStatus, SkipsLinesThatLaterKernelsAdd) {
  const auto status = parse_status("Future:\tx y z\nno colon at all\n" + kReal + "More:\t\n");

  ASSERT_TRUE(status);
  EXPECT_EQ(status->tgid.value, 43);
}

TEST(ParseStatus, RejectsEveryTruncation) {
  for (std::size_t size = 0; size < kReal.size(); ++size) {
    ASSERT_FALSE(parse_status(kReal.substr(0, size))) << size;
  }
}

TEST(ParseStatus, RejectsANumberThatIsNone) {
  std::string text = kReal;
  text.replace(text.find("SigBlk:\t"), 9, "SigBlk:\tz");

  EXPECT_FALSE(parse_status(text));
}

}  // namespace
}  // namespace ipcdoctor::linux
