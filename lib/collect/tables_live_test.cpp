#include "collect/tables.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "linux/fd_iterator.h"
#include "linux/testing.h"

namespace ipcdoctor::collect {
namespace {

using linux::testing::Child;
using linux::testing::eventually;
using snapshot::Fd;

/// All tables of the system, as one of the two ways gives them.
class Tables {
 public:
  explicit Tables(TablesFrom from) {
    EXPECT_TRUE(system_.scan());
    (void)read_tables(system_, from);
  }

  using Known = std::pair<std::vector<Fd>, std::vector<std::pair<Tid, std::vector<Fd>>>>;
  std::map<Pid, Known> list() {
    std::map<Pid, Known> tables;
    for (const auto& process : system_.processes())
      if (process->fds) tables.emplace(process->pid, Known{*process->fds, process->thread_fds});
    return tables;
  }

 private:
  SharedProgress shared_;
  Progress progress_{shared_, {}, Progress::Clock::now() + std::chrono::minutes(1)};
  System system_{progress_, Pid{::getpid()}, Pid{}};
};

bool are_equal(const std::vector<Fd>& a, const std::vector<Fd>& b) {
  return std::ranges::equal(a, b, [](const Fd& x, const Fd& y) {
    return x.fd == y.fd && x.object == y.object && x.access == y.access;
  });
}

bool are_equal(const Tables::Known& a, const Tables::Known& b) {
  return are_equal(a.first, b.first) &&
         std::ranges::equal(a.second, b.second, [](const auto& x, const auto& y) {
           return x.first == y.first && are_equal(x.second, y.second);
         });
}

/// Every program that hangs on purpose, and every healthy one.
std::vector<std::unique_ptr<Child>> start_all_programs() {
  std::vector<std::unique_ptr<Child>> programs;
  for (const auto& file : std::filesystem::recursive_directory_iterator(IPCDOCTOR_PROGRAMS)) {
    if (!file.is_regular_file() || ::access(file.path().c_str(), X_OK) != 0) continue;
    programs.push_back(std::make_unique<Child>([&] {
      (void)::setpgid(0, 0);
      const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      for (const int fd : {0, 1, 2}) (void)::dup2(null, fd);
      return ::execl(file.path().c_str(), file.path().c_str(), nullptr);
    }));
  }
  return programs;
}

TEST(Tables, AreTheSameFromTheKernelAndThroughProcOnEveryLiveProgram) {
  const Status can = linux::read_kernel_fds([](const linux::KernelFd&) {});
  if (!can && (can.error().cause == Cause::Denied || can.error().cause == Cause::Unsupported))
    GTEST_SKIP() << to_string(can.error());
  const auto programs = start_all_programs();
  ASSERT_GT(programs.size(), 20);

  // some of them run: those whose tables were the same before and after are compared
  EXPECT_TRUE(eventually([&] {
    const auto before = Tables(TablesFrom::Proc).list();
    const auto kernel = Tables(TablesFrom::Kernel).list();
    const auto after = Tables(TablesFrom::Proc).list();
    std::size_t compared = 0;
    for (const auto& [pid, table] : before) {
      const auto then = after.find(pid), other = kernel.find(pid);
      if (then == after.end() || !are_equal(table, then->second)) continue;
      if (other == kernel.end() || !are_equal(table, other->second)) return false;
      ++compared;
    }
    return compared > programs.size();
  }));
  for (const auto& program : programs) (void)::kill(-program->pid().value, SIGKILL);
}

}  // namespace
}  // namespace ipcdoctor::collect
