#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "linux/address_space.h"
#include "linux/proc_syscall.h"
#include "unwind/unwind.h"

/// Real processes for the live tests of unwind and runtime: started, watched until they block, and
/// killed at the end.
namespace ipcdoctor::unwind::test {

class Child {
 public:
  /// Runs `body` in a forked child.
  template <class Body>
  explicit Child(Body body) : pid_(::fork()) {
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      ::_exit(0);
    }
  }
  /// Runs a program.
  explicit Child(const std::string& program)
      : Child([&] {
          (void)::execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
          ::_exit(127);
        }) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }

  /// Every thread's blocked call, once `count` threads are blocked in call `nr` and two looks
  /// agree; empty after 10 s.
  std::vector<std::pair<int, linux::SyscallState>> wait_blocked(long nr,
                                                                std::size_t count = 1) const {
    return wait_blocked(pid_, nr, count);
  }
  static std::vector<std::pair<int, linux::SyscallState>> wait_blocked(int pid, long nr,
                                                                       std::size_t count) {
    std::vector<std::pair<int, linux::SyscallState>> before;
    for (int i = 0; i < 500; ++i) {
      std::vector<std::pair<int, linux::SyscallState>> now;
      const auto dir = linux::ProcDir::open(Pid{pid});
      const auto tids = dir ? dir->list_numbers("task") : Result<std::vector<int>>();
      for (const int tid : tids.value_or(std::vector<int>())) {
        const auto task = dir->open_below("task/" + std::to_string(tid));
        const auto call = task ? linux::read_syscall(*task) : Result<linux::SyscallState>();
        if (call && call->kind == linux::SyscallState::Kind::InCall && call->nr == nr)
          now.emplace_back(tid, *call);
      }
      if (now.size() >= count && now == before) return now;
      before = std::move(now);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {};
  }

 private:
  int pid_;
};

/// Compiles a C or C++ source into a program in a fresh folder; "" if there is no compiler.
inline std::string compile(const std::string& source, const std::string& options,
                           const std::string& suffix = ".c") {
  std::string folder = ::testing::TempDir() + "ipcdoctor-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return "";
  std::ofstream(folder + "/app" + suffix) << source;
  const std::string compiler = suffix == ".c" ? "cc" : "c++";
  const std::string command = "cd " + folder + " && " + compiler + " -g -pthread " + options +
                              " app" + suffix + " -o app 2>log";
  return std::system(command.c_str()) == 0 ? folder + "/app" : "";
}

inline Registers registers_of(const linux::SyscallState& call) {
  Registers registers;
  registers.sp = call.sp;
  registers.pc = call.pc;
  return registers;
}

}  // namespace ipcdoctor::unwind::test
