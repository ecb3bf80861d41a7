#include "runtime/go/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>

#include "linux/testing.h"

namespace ipcdoctor::runtime::go {
namespace {

using linux::testing::Child;
using linux::testing::eventually;

std::size_t count(const std::vector<Goroutine>& goroutines, Stage stage) {
  return static_cast<std::size_t>(std::ranges::count(goroutines, stage, &Goroutine::stage));
}

/// Of a program of testdata/programs; each time anew, as all that was read is remembered.
Result<std::vector<Goroutine>> read(Pid pid) {
  const auto space = linux::AddressSpace::open(pid);
  if (!space) return space.error();
  unwind::ImageCache images;
  auto program = Program::find(*space, images);
  if (!program) return program.error();
  return program->read_goroutines();
}

class Built : public ::testing::Test {
 protected:
  /// @return nullptr: there is no Go here.
  static std::unique_ptr<Child> start(const std::string& name) {
    const std::string path = std::string(IPCDOCTOR_PROGRAMS "/") + name;
    if (!std::filesystem::exists(path)) return nullptr;
    return std::make_unique<Child>([&] {
      const int null = ::open("/dev/null", O_RDWR);
      ::dup2(null, 0);
      ::dup2(null, 1);
      ::dup2(null, 2);
      ::execl(path.c_str(), path.c_str(), nullptr);
      return 1;
    });
  }
};

TEST_F(Built, GoroutinesAreReadWithWhatTheyWaitFor) {
  const auto child = start("unclosed_write_end/go_own_copy");
  if (child == nullptr) GTEST_SKIP() << "there is no Go here";
  std::vector<Goroutine> goroutines;

  const bool arrived = eventually([&] {
    goroutines = read(child->pid()).value_or(std::vector<Goroutine>{});
    return count(goroutines, Stage::WaitGroup) == 1 && count(goroutines, Stage::Read) == 1 &&
           count(goroutines, Stage::Receive) == 3;
  });

  ASSERT_TRUE(arrived);
  EXPECT_EQ(count(goroutines, Stage::Other), 0U);
  EXPECT_GT(count(goroutines, Stage::System), 0U);
  EXPECT_EQ(goroutines.front().number, 1U);
  const auto user = std::ranges::find_if(goroutines.front().frames,
                                         [](const snapshot::Frame& f) { return f.user_code; });
  ASSERT_NE(user, goroutines.front().frames.end());
  EXPECT_EQ(user->function, "main.main");
  EXPECT_TRUE(user->file.ends_with("go_own_copy.go"));
  EXPECT_GT(user->line, 0);
  for (const Goroutine& goroutine : goroutines) {
    if (goroutine.stage != Stage::Receive) continue;
    EXPECT_TRUE(goroutine.channels_known);
    ASSERT_EQ(goroutine.channels.size(), 1U);
    EXPECT_EQ(goroutine.channels[0].element, "string");
  }
  EXPECT_EQ(child->tracer(), 0);
}

TEST_F(Built, ChannelsOfTimersAreKnown) {
  const auto child = start("healthy/go_ticker");
  if (child == nullptr) GTEST_SKIP() << "there is no Go here";

  EXPECT_TRUE(eventually([&] {
    const auto goroutines = read(child->pid());
    return goroutines && std::ranges::any_of(*goroutines, [](const Goroutine& goroutine) {
             return goroutine.stage == Stage::Receive && goroutine.channels.size() == 1 &&
                    goroutine.channels[0].element == "time.Time";
           });
  }));
}

TEST_F(Built, WhichMutexAGoroutineWaitsForIsKnown) {
  const auto child = start("lock_order_cycle/go_transfers");
  if (child == nullptr) GTEST_SKIP() << "there is no Go here";

  EXPECT_TRUE(eventually([&] {
    const auto goroutines = read(child->pid());
    if (!goroutines || count(*goroutines, Stage::Mutex) != 2) return false;
    std::vector<std::uint64_t> locks;
    for (const Goroutine& goroutine : *goroutines)
      if (goroutine.stage == Stage::Mutex) locks.push_back(goroutine.lock.value);
    return locks[0] != 0 && locks[1] != 0 && locks[0] != locks[1];
  }));
}

TEST_F(Built, SignalsThatWereAskedForAreKnown) {
  const auto child = start("healthy/go_signal_stops");
  if (child == nullptr) GTEST_SKIP() << "there is no Go here";

  EXPECT_TRUE(eventually([&] {
    const auto space = linux::AddressSpace::open(child->pid());
    unwind::ImageCache images;
    if (!space) return false;
    const auto program = Program::find(*space, images);
    return program && program->wanted_signals().value_or(0U) == 1U << (SIGTERM - 1);
  }));
}

TEST(GoProgram, IsNoneThatIsNotMadeByGo) {
  const Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::ImageCache images;

  const auto program = Program::find(*space, images);

  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::runtime::go
