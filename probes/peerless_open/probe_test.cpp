#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kPeerlessOpen;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Builder child_opens_fifo() {
  Builder b;
  b.process(40).thread().at("/src/app.py", 20, "main").waits_for_child(41);
  auto child = b.process(41).child_of(40).thread();
  child.waits(WaitKind::OpenFifo, "openat");
  child.wait().objects.push_back({-1, fifo(5), true, false});
  b.object(fifo(5)).name = "/tmp/events";
  return b;
}

TEST(PeerlessOpen, FindsAnOpenThatTheWaitingParentShouldAnswer) {
  const auto answer = ask(kPeerlessOpen, child_opens_fifo());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), UnorderedElementsAre(40, 41));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("/tmp/events"));
}

TEST(PeerlessOpen, NamesBothWhoOpenInOppositeOrder) {
  Builder b = child_opens_fifo();
  auto parent = b.process(40);
  parent.waits(WaitKind::OpenFifo, "openat");
  parent.wait().objects.push_back({-1, fifo(6), true, false});

  EXPECT_THAT(culprits(ask(kPeerlessOpen, b)), UnorderedElementsAre(40, 41));
}

TEST(PeerlessOpen, IgnoresAnOpenThatARunningParentMayAnswer) {
  Builder b = child_opens_fifo();
  b.process(40).runs();

  EXPECT_EQ(ask(kPeerlessOpen, b).outcome, Outcome::NotFound);
}

TEST(PeerlessOpen, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kPeerlessOpen, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
