#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kUnclosedReadEnd;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;

/// The child that should have read is a zombie; the parent has the read end too.
Builder writer_with_a_dead_child() {
  Builder b;
  b.process(40)
      .fd(3, pipe(7), Access::Read)
      .fd(4, pipe(7), Access::Write)
      .thread()
      .at("/src/app.py", 19, "main")
      .writes(4);
  b.process(41).child_of(40).zombie();
  return b;
}

TEST(UnclosedReadEnd, FindsAWriterThatKeepsTheDeadReadersEndOpen) {
  const auto answer = ask(kUnclosedReadEnd, writer_with_a_dead_child());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_EQ(answer.findings[0].culprits[0].fd, 3);
}

TEST(UnclosedReadEnd, IgnoresAWakeUpPipeThatIsFull) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread().writes(4);

  EXPECT_EQ(ask(kUnclosedReadEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedReadEnd, IgnoresAReaderThatIsBusyWriting) {
  Builder b;
  b.process(40).fd(3, pipe(8), Access::Read).fd(4, pipe(7), Access::Write).thread().writes(4);
  b.process(41)
      .child_of(40)
      .fd(0, pipe(7), Access::Read)
      .fd(1, pipe(8), Access::Write)
      .thread()
      .writes(1);

  EXPECT_EQ(ask(kUnclosedReadEnd, b).outcome, Outcome::NotFound);
}

TEST(UnclosedReadEnd, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kUnclosedReadEnd, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
