#include "collect/examine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace ipcdoctor::collect {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBlocked = "0 0x3 0x7ffc0000 0x1 0x0 0x0 0x0 0x7ffc0000 0x7f0000001000\n";

std::string own_status() {
  std::ifstream file("/proc/self/status");
  std::ostringstream text;
  text << file.rdbuf();
  std::string status = text.str();
  const auto state = status.find("State:\t");
  return status.replace(state + 7, 1, "S");
}

/// Process 42 as files of ours, which fail as we like.
class Looks : public ::testing::Test {
 protected:
  Looks() {
    char name[] = "/tmp/looks_XXXXXX";
    path_ = ::mkdtemp(name);
    fs::create_directories(path_ + "/task/42");
    const std::string status = own_status();  // read once: the switches in it grow
    write("status", status);
    write("task/42/status", status);
    write("task/42/syscall", kBlocked);
    write("task/42/wchan", "pipe_read");
    const auto proc = linux::ProcDir::open_system();
    auto dir = proc->open_below(".." + path_);
    EXPECT_TRUE(dir);
    process.pid = Pid{42};
    process.stat.num_threads = 1;
    process.scope = snapshot::Scope::Target;
    process.dir = std::move(*dir);
  }
  ~Looks() override { fs::remove_all(path_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
  }
  void forget(const std::string& name) const { fs::remove(path_ + "/" + name); }

  SharedProgress shared;
  Progress progress{shared, {}, Progress::Clock::now() + std::chrono::minutes(1)};
  System system{progress, Pid{1}, Pid{::getpid()}};
  ProcessEntry process;

 private:
  std::string path_;
};

TEST_F(Looks, ThatAreEqualMakeAThreadStable) {
  examine(system, process);
  ASSERT_EQ(process.threads.size(), 1U);
  process.threads[0].out.wait = snapshot::Wait{};
  look_again(system, process);
  EXPECT_TRUE(process.threads[0].out.stable);
  EXPECT_TRUE(process.threads[0].out.wait);
  EXPECT_TRUE(system.unseen().empty());
}

TEST_F(Looks, ASecondThatFailsLeavesNothingKnown) {
  for (const char* name : {"task/42/status", "task/42/syscall"}) {
    process.threads.clear();
    system.unseen().clear();
    examine(system, process);
    ASSERT_EQ(process.threads.size(), 1U);
    process.threads[0].out.wait = snapshot::Wait{};
    write(name, "cut sho");
    look_again(system, process);
    EXPECT_FALSE(process.threads[0].out.stable) << name;
    EXPECT_FALSE(process.threads[0].out.wait) << name;
    EXPECT_EQ(system.unseen().size(), 1U) << name;
    write("task/42/status", own_status());
  }
}

TEST_F(Looks, AThreadThatHasEndedBetweenThemIsNoMystery) {
  examine(system, process);
  ASSERT_EQ(process.threads.size(), 1U);
  process.threads[0].out.wait = snapshot::Wait{};
  forget("task/42/status");
  look_again(system, process);
  EXPECT_FALSE(process.threads[0].out.stable);
  EXPECT_TRUE(process.threads[0].out.wait);
  EXPECT_TRUE(system.unseen().empty());
}

TEST_F(Looks, AProcessWhoseThreadsCannotBeReadIsNotDead) {
  write("status", "cut sho");
  examine(system, process);
  EXPECT_TRUE(process.threads.empty());
  EXPECT_FALSE(process.dead);
  EXPECT_FALSE(system.unseen().empty());
}

TEST_F(Looks, SayThatWhatAThreadReadsWasNotAmongItsDescriptors) {
  examine(system, process);
  process.fds = std::vector<snapshot::Fd>{};
  decode_waits(system, process);

  ASSERT_EQ(process.threads.size(), 1U);
  ASSERT_TRUE(process.threads[0].out.wait);
  ASSERT_EQ(system.unseen().size(), 1U);
  EXPECT_EQ(to_string(system.unseen()[0].error), "tell what its fd 3 is: not read");
}

}  // namespace
}  // namespace ipcdoctor::collect
