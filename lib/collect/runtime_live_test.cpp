#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "collect/collect.h"
#include "linux/testing.h"
#include "runtime/toy_for_tests.h"

namespace ipcdoctor::collect {
namespace {

using linux::testing::Child;
using linux::testing::eventually;
using snapshot::Ownership;

/// The runtimes that there are, and a line more.
std::vector<runtime::Runtime> with_a_toy() {
  std::vector<runtime::Runtime> table(runtime::runtimes().begin(), runtime::runtimes().end());
  table.push_back({"toy", runtime::toy::read});
  return table;
}

int swap_locks() {
  std::thread other(runtime::toy::run, 1);
  runtime::toy::run(0);
  return 0;
}

/// Its threads that wait for a futex.
std::vector<snapshot::Thread> waiters(const Child& child, const Options& options) {
  std::vector<snapshot::Thread> found;
  const auto snapshot = collect({child.pid()}, options);
  const auto* process = snapshot ? snapshot::find_process(*snapshot, child.pid()) : nullptr;
  if (process == nullptr) return found;
  std::ranges::copy_if(process->threads, std::back_inserter(found), [](const auto& thread) {
    return thread.wait && thread.wait->kind == snapshot::WaitKind::Futex;
  });
  return found;
}

TEST(Runtimes, ALineOfTheTableAddsALanguagesWaitsAndLocks) {
  const Child child(swap_locks);
  const auto table = with_a_toy();
  Options options;
  options.runtimes = table;
  std::vector<snapshot::Thread> threads;
  ASSERT_TRUE(eventually([&] { return (threads = waiters(child, options)).size() == 2; }));

  for (const snapshot::Thread& thread : threads) {
    const snapshot::Lock& lock = thread.wait->futex.lock;
    EXPECT_EQ(thread.activity.call, "lock");
    EXPECT_TRUE(thread.name.starts_with("fiber "));
    EXPECT_EQ(lock.ownership, Ownership::Known);
    ASSERT_EQ(lock.owners.size(), 1U);
    EXPECT_NE(lock.owners.front().tid, thread.tid) << "each has what the other wants";
    ASSERT_TRUE(thread.native);
    EXPECT_EQ(thread.native->back().function, "swap");
  }
}

TEST(Runtimes, WithoutThatLineNothingIsToldOfIt) {
  const Child child(swap_locks);
  std::vector<snapshot::Thread> threads;
  ASSERT_TRUE(eventually([&] { return (threads = waiters(child, {})).size() == 2; }));

  for (const snapshot::Thread& thread : threads) {
    EXPECT_EQ(thread.activity.call, "");
    EXPECT_TRUE(thread.wait->futex.lock.owners.empty());
  }
}

}  // namespace
}  // namespace ipcdoctor::collect
