#include "runtime/shell/dash.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::shell {
namespace {

/// Once it waits for its child, which ends with it.
bool is_in_loop_of(const char* code) {
  const auto child = testing::run("dash", "-c", code);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    const auto space = linux::AddressSpace::open(child.pid());
    const auto call = space ? space->dir.read("syscall") : Result<std::string>(Error{});
    if (call && call->starts_with("61 ")) return is_in_dash_loop(*space);  // wait4(2)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ADD_FAILURE() << "it does not wait";
  return false;
}

TEST(DashScript, KnowsWhetherItIsInALoop) {
  if (!testing::succeeds("dash -c true")) GTEST_SKIP() << "there is no dash here";

  EXPECT_TRUE(is_in_loop_of("while :; do tail --pid=$$ -f /dev/null; done"));
  EXPECT_TRUE(is_in_loop_of("f() { until false; do tail --pid=$$ -f /dev/null; done; }; f; :"));
  EXPECT_FALSE(is_in_loop_of("tail --pid=$$ -f /dev/null; :"));
  EXPECT_FALSE(is_in_loop_of("for i in 1 2; do true; done; tail --pid=$$ -f /dev/null; :"));
}

TEST(DashScript, OthersAreNone) {
  const linux::testing::Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());

  ASSERT_TRUE(space);
  EXPECT_FALSE(is_in_dash_loop(*space));
}

}  // namespace
}  // namespace ipcdoctor::runtime::shell
