#include "linux/sysvipc.h"

#include <gtest/gtest.h>

namespace ipcdoctor::linux {
namespace {

const std::string kSemHead =
    "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
const std::string kMsgHead =
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      "
    "stime      rtime      ctime\n";

TEST(ParseSysvipcSem, ReadsTheTable) {
  const auto sets = parse_sysvipc_sem(
      kSemHead +
      "        66          0   600          3     0     0     7     0          0 1795548962\n"
      "-559038737     32769  1666          1  1000  1000  1000  1000 1795548999 1795548962\n");

  ASSERT_TRUE(sets);
  ASSERT_EQ(sets->size(), 2U);
  EXPECT_EQ((*sets)[0].key, 66);
  EXPECT_EQ((*sets)[0].id, 0);
  EXPECT_EQ((*sets)[0].mode, 0600U);
  EXPECT_EQ((*sets)[0].nsems, 3U);
  EXPECT_EQ((*sets)[0].creator_uid, 7U);
  EXPECT_EQ((*sets)[1].key, -559038737);
  EXPECT_EQ((*sets)[1].id, 32769);
  EXPECT_EQ((*sets)[1].operated, 1795548999);
}

TEST(ParseSysvipcMsg, ReadsTheTable) {
  const auto queues =
      parse_sysvipc_msg(kMsgHead +
                        "        67          0   600       16384          4  4711  4712     0     "
                        "0     0     0          0          0 1795548962\n");

  ASSERT_TRUE(queues);
  ASSERT_EQ(queues->size(), 1U);
  EXPECT_EQ((*queues)[0].bytes, 16384U);
  EXPECT_EQ((*queues)[0].messages, 4U);
  EXPECT_EQ((*queues)[0].last_sender.value, 4711);
  EXPECT_EQ((*queues)[0].last_receiver.value, 4712);
}

TEST(ParseSysvipc, TheHeadingAloneIsAnEmptyTable) {
  EXPECT_TRUE(parse_sysvipc_sem(kSemHead)->empty());
  EXPECT_TRUE(parse_sysvipc_msg(kMsgHead)->empty());
}

TEST(ParseSysvipc, RejectsTruncatedTables) {
  const std::string text =
      kSemHead +
      "        66          0   600          3     0     0     0     0          0 1795548962\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    if (size == kSemHead.size()) continue;
    ASSERT_FALSE(parse_sysvipc_sem(text.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_sysvipc_msg(""));
}

}  // namespace
}  // namespace ipcdoctor::linux
