#include "runtime/go/layout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "runtime/go/stage.h"

namespace ipcdoctor::runtime::go {
namespace {

std::vector<std::byte> build_info(const std::string& version) {
  std::vector<std::byte> bytes(33 + version.size());
  std::memcpy(bytes.data(), "\xff Go buildinf:\x08\x02", 16);
  bytes[32] = static_cast<std::byte>(version.size());
  std::memcpy(bytes.data() + 33, version.data(), version.size());
  return bytes;
}

std::vector<snapshot::Frame> stack(const std::vector<std::string>& functions) {
  std::vector<snapshot::Frame> frames;
  for (const std::string& function : functions) {
    snapshot::Frame& frame = frames.emplace_back();
    frame.function = function;
    frame.user_code = !is_standard_package(function);
  }
  return frames;
}

TEST(GoBuildInfo, HasTheVersion) {
  EXPECT_EQ(parse_build_info(build_info("go1.22.12")), "go1.22.12");
}

TEST(GoBuildInfo, ThatIsCutOrOldHasNone) {
  std::vector<std::byte> cut = build_info("go1.22.12");
  cut.resize(cut.size() - 1);
  std::vector<std::byte> pointers = build_info("go1.17");
  pointers[15] = std::byte{0};

  EXPECT_EQ(parse_build_info(cut), "");
  EXPECT_EQ(parse_build_info(pointers), "");
  EXPECT_EQ(parse_build_info({}), "");
}

TEST(GoVersion, IsKnownByItsMinorNumberAlone) {
  EXPECT_EQ(minor_of("go1.19.8"), 19);
  EXPECT_EQ(minor_of("go1.24 X:nocoverageredesign"), 24);
  EXPECT_EQ(minor_of("devel go1.25-abc"), -1);
  EXPECT_EQ(minor_of("go1."), -1);
  EXPECT_NE(find_layout(19), nullptr);
  EXPECT_EQ(find_layout(18), nullptr);
  EXPECT_EQ(find_layout(99), nullptr);
  EXPECT_EQ(find_layout(-1), nullptr);
}

TEST(GoStage, IsToldByTheFunctionThatParks) {
  EXPECT_EQ(
      stage_of(stack({"runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait",
                      "internal/poll.(*FD).Read", "os.(*File).Read", "main.main"})),
      Stage::Read);
  EXPECT_EQ(
      stage_of(stack({"runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.main"})),
      Stage::Receive);
  EXPECT_EQ(stage_of(stack({"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1",
                            "sync.runtime_SemacquireMutex", "sync.(*Mutex).lockSlow", "main.f"})),
            Stage::Mutex);
}

TEST(GoStage, OfTheRuntimesOwnIsSystemButNotOfMain) {
  EXPECT_EQ(stage_of(stack({"runtime.gopark", "runtime.bgsweep"})), Stage::System);
  EXPECT_EQ(stage_of(stack({"runtime.gopark", "runtime.block", "runtime.main"})), Stage::Forever);
}

TEST(GoStage, ThatNobodyKnowsIsOther) {
  EXPECT_EQ(stage_of({}), Stage::Other);
  EXPECT_EQ(stage_of(stack({"runtime.gopark", "runtime.gcAssistAlloc", "main.main"})),
            Stage::Other);
  EXPECT_EQ(stage_of(stack({"main.main"})), Stage::Other);
}

TEST(GoStage, DoesNotTakeTheUsersMutexForTheLibrarys) {
  EXPECT_EQ(stage_of(stack(
                {"runtime.gopark", "runtime.semacquire1", "main.f", "sync.(*Mutex).lockSlow"})),
            Stage::Semaphore);
}

TEST(GoPackages, OfTheDistributionAreNoUserCode) {
  EXPECT_TRUE(is_standard_package("net/http.(*Server).Serve"));
  EXPECT_TRUE(is_standard_package("time.Sleep"));
  EXPECT_TRUE(is_standard_package("sync.(*Mutex).Lock"));
  EXPECT_FALSE(is_standard_package("main.main.func1"));
  EXPECT_FALSE(is_standard_package("go.uber.org/zap.(*Logger).Info"));
  EXPECT_FALSE(is_standard_package("github.com/a/net.Dial"));
}

}  // namespace
}  // namespace ipcdoctor::runtime::go
