#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kStoppedProcess;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Builder stopped_helper() {
  Builder b;
  b.process(40).thread().at("/src/app.py", 14, "main").waits_for_child(41);
  auto helper =
      b.process(41).comm("sh").child_of(40).fd(0, object(ObjectKind::Terminal, 0, 0x8801)).thread();
  helper.waits(WaitKind::Stopped, "read").on(0, true, false);
  helper.last().state = 'T';
  return b;
}

TEST(StoppedProcess, FindsAParentThatWaitsForAStoppedChild) {
  const auto answer = ask(kStoppedProcess, stopped_helper());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
  EXPECT_THAT(answer.findings[0].culprits[0].why, HasSubstr("SIGTTIN"));
}

TEST(StoppedProcess, TellsWhoseCgroupIsFrozen) {
  Builder b;
  b.process(40).thread().waits_for_child(41);
  b.process(41).child_of(40).thread().waits(WaitKind::Stopped, "read").last().wait->frozen = true;

  const auto answer = ask(kStoppedProcess, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].why, "frozen with its cgroup");
  EXPECT_THAT(answer.findings[0].fix, HasSubstr("cgroup.freeze"));
}

TEST(StoppedProcess, IgnoresAStoppedJobThatNobodyWaitsFor) {
  Builder b;
  b.process(40).comm("bash").thread().sleeps();
  b.process(41).comm("vim").child_of(40).thread().waits(WaitKind::Stopped, "read");

  EXPECT_EQ(ask(kStoppedProcess, b).outcome, Outcome::NotFound);
}

TEST(StoppedProcess, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kStoppedProcess, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
