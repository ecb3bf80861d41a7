#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kUnclassifiedDeadlock;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Builder reader_of_its_own_pipe() {
  Builder b;
  b.process(40).fd(3, pipe(7)).thread().at("/src/app.py", 9, "consume").reads(3);
  return b;
}

TEST(UnclassifiedDeadlock, FindsEveryDeadlockAndClaimsNoStrength) {
  const auto answer = ask(kUnclassifiedDeadlock, reader_of_its_own_pipe());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].strength, Strength::None);
  EXPECT_EQ(answer.findings[0].stuck[0].where, "app.py:9");
  EXPECT_THAT(answer.findings[0].title, HasSubstr("app[40]"));
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(UnclassifiedDeadlock, IgnoresAReaderWhoseWriterRuns) {
  Builder b = reader_of_its_own_pipe();
  b.process(41).fd(3, pipe(7)).thread().runs();

  EXPECT_EQ(ask(kUnclassifiedDeadlock, b).outcome, Outcome::NotFound);
}

TEST(UnclassifiedDeadlock, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kUnclassifiedDeadlock, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
