#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kKernelServiceCycle;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Builder daemon_uses_its_own_mount() {
  Builder b;
  const ObjectId device = object(ObjectKind::Fuse, 3, 99);
  auto daemon = b.process(40).fd(3, device).thread().at("/src/fs.c", 39, "lookup");
  daemon.waits(WaitKind::KernelService, "newfstatat").on(3, true, false);
  auto user = b.process(41).child_of(40).thread();
  user.waits(WaitKind::KernelService, "newfstatat");
  user.wait().objects.push_back({-1, device, true, false});
  return b;
}

TEST(KernelServiceCycle, FindsADaemonThatUsesItsOwnMount) {
  const auto answer = ask(kKernelServiceCycle, daemon_uses_its_own_mount());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("provides itself"));
}

TEST(KernelServiceCycle, IgnoresAServerWithAThreadLeft) {
  Builder b = daemon_uses_its_own_mount();
  b.process(40).thread(50).runs();

  EXPECT_EQ(ask(kKernelServiceCycle, b).outcome, Outcome::NotFound);
}

TEST(KernelServiceCycle, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kKernelServiceCycle, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
