#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kSignalNeverSent;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kChld = std::uint64_t{1} << 16U;

Builder pause_after_sigchld() {
  Builder b;
  auto parent = b.process(40).thread().at("/src/app.c", 14, "main");
  parent.waits(WaitKind::Signal, "pause");
  parent.last().signals->caught = kChld;
  b.process(41).child_of(40).zombie();
  return b;
}

TEST(SignalNeverSent, FindsAPauseWhoseSigchldCameBefore) {
  const auto answer = ask(kSignalNeverSent, pause_after_sigchld());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
}

TEST(SignalNeverSent, FindsParentAndChildThatBothWaitForASignal) {
  Builder b;
  b.process(40).thread().waits(WaitKind::Signal, "rt_sigtimedwait");
  b.process(41).child_of(40).thread().waits(WaitKind::Signal, "rt_sigtimedwait");

  EXPECT_THAT(culprits(ask(kSignalNeverSent, b)), UnorderedElementsAre(40, 41));
}

TEST(SignalNeverSent, IgnoresAMasterAtRestWithLivingWorkers) {
  Builder b;
  auto master = b.process(40).comm("nginx").thread();
  master.waits(WaitKind::Signal, "rt_sigsuspend");
  master.last().signals->caught = kChld;
  b.process(41).child_of(40).fd(3, object(ObjectKind::InetSocket, 9)).thread().accepts(3);
  b.object(inet_socket(9)).socket->state = "listen";

  EXPECT_EQ(ask(kSignalNeverSent, b).outcome, Outcome::NotFound);
}

TEST(SignalNeverSent, FindsASignalfdWhoseSignalsNobodyBlocks) {
  Builder b;
  auto reader = b.process(40).fd(3, object(ObjectKind::SignalFd, 1)).thread().reads(3);
  b.object(object(ObjectKind::SignalFd, 1)).signals = kChld;
  EXPECT_THAT(culprits(ask(kSignalNeverSent, b)), ElementsAre(40));

  reader.last().signals->blocked = kChld;
  EXPECT_EQ(ask(kSignalNeverSent, b).outcome, Outcome::NotFound);
}

TEST(SignalNeverSent, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kSignalNeverSent, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
