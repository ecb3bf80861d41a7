#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kExternalInput;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kPts = 0x8801;

Builder password_prompt() {
  Builder b;
  b.process(40).fd(5, pipe(7), Access::Read).thread().at("/src/app.py", 17, "main").reads(5);
  b.process(41)
      .child_of(40)
      .fd(1, pipe(7), Access::Write)
      .fd(3, object(ObjectKind::Terminal, 0, kPts))
      .thread()
      .reads(3);
  return b;
}

TEST(ExternalInput, SaysWaitingForAReadOfTheTerminal) {
  const auto answer = ask(kExternalInput, password_prompt());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Waiting);
  EXPECT_EQ(answer.findings[0].stuck.size(), 2U);
  EXPECT_THAT(culprits(answer), IsEmpty());
}

TEST(ExternalInput, NamesWhoHasTheOtherSideOfTheTerminal) {
  Builder b;
  b.process(40).comm("expect").fd(3, object(ObjectKind::TerminalMaster, 0, kPts));
  b.process(40).thread().reads(3).timed();
  b.process(41).child_of(40).fd(0, object(ObjectKind::Terminal, 0, kPts)).thread().reads(0);

  const auto answer = ask(kExternalInput, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_TRUE(answer.findings[0].title.ends_with("which comes through expect[40]"));
}
TEST(ExternalInput, SaysStuckForATerminalWhoseOutputIsStopped) {
  Builder b;
  b.process(40).comm("xterm").fd(3, object(ObjectKind::TerminalMaster, 0, kPts)).thread().reads(3);
  b.process(41).child_of(40).fd(1, object(ObjectKind::Terminal, 0, kPts)).thread().writes(1);

  const auto answer = ask(kExternalInput, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(ExternalInput, IgnoresATimer) {
  Builder b;
  b.process(40).thread().sleeps();

  EXPECT_EQ(ask(kExternalInput, b).outcome, Outcome::NotFound);
}

TEST(ExternalInput, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kExternalInput, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
