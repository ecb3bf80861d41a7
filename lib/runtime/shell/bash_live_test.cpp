#include "runtime/shell/bash.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace ipcdoctor::runtime::shell {
namespace {

/// A bash that ends with the test.
class Bash {
 public:
  explicit Bash(std::vector<std::string> arguments) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    ::execvp("bash", argv.data());
    ::_exit(127);
  }
  Bash(const Bash&) = delete;
  Bash& operator=(const Bash&) = delete;
  ~Bash() {
    ::kill(pid_, SIGKILL);
    ::kill(-pid_, SIGKILL);  // what the script started in the background
    ::waitpid(pid_, nullptr, 0);
  }

  /// What the reader says as soon as the script is in its `wait`, or after ten seconds.
  Result<snapshot::Frame> frame(const std::string& awaited = "") const {
    auto found = frames(awaited);
    if (!found) return found.error();
    return found->front();
  }

  /// The same with all that it was called from.
  Result<std::vector<snapshot::Frame>> frames(const std::string& awaited = "") const {
    Result<std::vector<snapshot::Frame>> found = Error{};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      const auto space = linux::AddressSpace::open(Pid{pid_});
      unwind::Images images;
      const auto call = space ? space->dir.read("syscall") : Result<std::string>(Error{});
      if (call && call->starts_with("61 ")) {  // wait4(2)
        found = read_script_frames(*space, images, awaited);
        if (found) break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return found;
  }

 private:
  pid_t pid_;
};

}  // namespace

TEST(BashScript, NamesTheLineAndTheCommandThatWaits) {
  const std::string path = ::testing::TempDir() + "bash_live_test.sh";
  std::ofstream(path) << "true\nsleep 20 &\n\nwait\n";

  const auto frame = Bash({"bash", path}).frame();

  ASSERT_TRUE(frame) << to_string(frame.error());
  EXPECT_EQ(frame->file, path);
  EXPECT_EQ(frame->line, 4);
  EXPECT_EQ(frame->function, "wait");
  EXPECT_TRUE(frame->user_code);
}

TEST(BashScript, NamesTheLineOfTheCommandThatIsAwaitedInsideALoop) {
  const std::string path = ::testing::TempDir() + "bash_live_test_loop.sh";
  std::ofstream(path) << "f() {\n  true\n  sleep 20\n  true\n}\nfor i in 1 2; do\n  f\ndone\n";

  const auto frame = Bash({"bash", path}).frame("sleep");

  ASSERT_TRUE(frame) << to_string(frame.error());
  EXPECT_EQ(frame->line, 3);
}

TEST(BashScript, NamesTheLineOfAProgramThatReplacedASubshell) {
  const std::string path = ::testing::TempDir() + "bash_live_test_subshell.sh";
  std::ofstream(path) << "f() { true; }\nf\ntrue | ( f; exec sleep 20\n  false\n)\n";

  const auto frame = Bash({"bash", path}).frame("sleep");

  ASSERT_TRUE(frame) << to_string(frame.error());
  EXPECT_EQ(frame->line, 3);
}

TEST(BashScript, NamesTheFileThatASourcedFunctionStandsInAndItsCallers) {
  const std::string path = ::testing::TempDir() + "bash_live_test_main.sh";
  const std::string sourced = ::testing::TempDir() + "bash_live_test_sourced.sh";
  std::ofstream(sourced) << "\nfinish() {\n  sleep 20 &\n  true\n  wait\n}\n";
  std::ofstream(path) << "true\n. " << sourced << "\nfinish\n";

  const auto frames = Bash({"bash", path}).frames();

  ASSERT_TRUE(frames) << to_string(frames.error());
  ASSERT_EQ(frames->size(), 2U);
  EXPECT_EQ(frames->at(0).file, sourced);
  EXPECT_EQ(frames->at(0).line, 5);
  EXPECT_EQ(frames->at(0).function, "wait");
  EXPECT_EQ(frames->at(1).file, path);
  EXPECT_EQ(frames->at(1).line, 3);
  EXPECT_EQ(frames->at(1).function, "main");
}

TEST(BashScript, NamesTheLineOfAFileThatIsBeingSourced) {
  const std::string path = ::testing::TempDir() + "bash_live_test_outer.sh";
  const std::string sourced = ::testing::TempDir() + "bash_live_test_inner.sh";
  std::ofstream(sourced) << "sleep 20 &\nwait\n";
  std::ofstream(path) << "true\ntrue\nsource " << sourced << "\n";

  const auto frames = Bash({"bash", path}).frames();

  ASSERT_TRUE(frames) << to_string(frames.error());
  ASSERT_EQ(frames->size(), 2U);
  EXPECT_EQ(frames->at(0).file, sourced);
  EXPECT_EQ(frames->at(0).line, 2);
  EXPECT_EQ(frames->at(1).file, path);
  EXPECT_EQ(frames->at(1).line, 3);
}

TEST(BashScript, HasNoLineForInlineCode) {
  const auto frame = Bash({"bash", "-c", "sleep 20 & wait", "name"}).frame();

  EXPECT_FALSE(frame);
}

TEST(BashScript, LeavesOtherProgramsAlone) {
  const auto space = linux::AddressSpace::open(Pid{::getpid()});
  ASSERT_TRUE(space);
  unwind::Images images;

  const auto frame = read_script_frames(*space, images);

  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().cause, Cause::Unsupported);
}

}  // namespace ipcdoctor::runtime::shell
