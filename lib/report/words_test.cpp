#include "report/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipcdoctor::report {
namespace {

diagnosis::StuckTask stuck(int pid, std::string where, bool serves) {
  diagnosis::StuckTask task;
  task.task = {Pid{pid}, Tid{pid}};
  task.where = std::move(where);
  task.serves = serves;
  return task;
}

TEST(StuckBesideBlame, LeavesOutIdleHelpersWhereOthersAreStuck) {
  diagnosis::Finding finding;
  finding.stuck = {stuck(40, "app.py:9", false), stuck(41, "", true)};

  EXPECT_THAT(stuck_beside_blame(finding), testing::ElementsAre(&finding.stuck[0]));
}

TEST(StuckBesideBlame, NamesIdleHelpersWhereNobodyElseIsStuck) {
  diagnosis::Finding finding;
  finding.stuck = {stuck(41, "", true)};

  EXPECT_THAT(stuck_beside_blame(finding), testing::ElementsAre(&finding.stuck[0]));
}

}  // namespace
}  // namespace ipcdoctor::report
