#include "runtime/shell/trap.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::shell {
namespace {

/// Once the shell is in that system call.
std::optional<snapshot::Effects> trap_of(const std::string& code, const char* call, bool in_wait) {
  const auto child = testing::run("bash", "-c", code.c_str());
  std::optional<snapshot::Effects> found;
  const bool waits = linux::testing::eventually([&] {
    const auto space = linux::AddressSpace::open(child.pid());
    const auto now = space ? space->dir.read("syscall") : Result<std::string>(Error{});
    if (!now || !now->starts_with(call)) return false;
    unwind::Images images;
    found = read_trap(*space, images, SIGTERM, in_wait);
    return true;
  });
  EXPECT_TRUE(waits) << code;
  return found;
}

constexpr const char* kWait = "61 ";  // wait4(2)

TEST(BashTrap, WaitsUntilTheCommandHasEnded) {
  const auto effects = trap_of("trap 'rm -f x' TERM; tail --pid=$$ -f /dev/null; :", kWait, false);

  ASSERT_TRUE(effects);
  EXPECT_EQ(effects->mask, 0U);
}

TEST(BashTrap, EndsTheScriptOutOfWait) {
  const auto ends = trap_of(
      "trap 'x=1; echo bye >&2; exit 3' TERM; tail --pid=$$ -f /dev/null & wait", kWait, true);
  const auto goes_on =
      trap_of("trap 'x=1' TERM; tail --pid=$$ -f /dev/null & wait; :", kWait, true);

  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->mask, snapshot::kLeaves | snapshot::kWrites);
  EXPECT_EQ(ends->fds, std::vector<int>{2});
  EXPECT_FALSE(goes_on);
}

TEST(BashTrap, IsReadWhileTheShellReads) {
  const std::string reads = " TERM; mkfifo f.$$; exec 9<>f.$$; rm f.$$; read x <&9";
  constexpr const char* kRead = "0 ";

  const auto sets = trap_of("cd /tmp; trap 'again=1; :'" + reads, kRead, false);
  ASSERT_TRUE(sets);
  EXPECT_EQ(sets->mask, 0U);
  for (const char* text : {"echo $(date)", "echo x > f", "kill 0", "f", "x=1 make", "echo `id`"})
    EXPECT_FALSE(trap_of("cd /tmp; trap '" + std::string(text) + "'" + reads, kRead, false))
        << text;
}

}  // namespace
}  // namespace ipcdoctor::runtime::shell
