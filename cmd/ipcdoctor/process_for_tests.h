#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

/// Running the real ipcdoctor, and programs for it, as a user does.
namespace ipcdoctor::cmd::testing {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A process in a session of its own, with all of its output in one pipe. Its whole session ends
/// with this object.
class Process {
 public:
  /// @param before  what the child does to itself first
  Process(const std::vector<std::string>& argv, bool hold_stdin,
          const std::function<void()>& before = {}) {
    int out[2];
    int in[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(in, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setsid();
      ::dup2(hold_stdin ? in[0] : ::open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
      ::dup2(out[1], 1);
      ::dup2(out[1], 2);
      std::vector<char*> pointers;
      for (const std::string& argument : argv)
        pointers.push_back(const_cast<char*>(argument.c_str()));
      pointers.push_back(nullptr);
      if (before) before();
      ::execvp(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(in[0]);
    out_ = out[0];
    if (hold_stdin)
      in_ = in[1];
    else
      ::close(in[1]);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ > 0 && !reaped_) {
      ::kill(-pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
    if (in_ >= 0) ::close(in_);
  }

  pid_t pid() const { return pid_; }

  /// All that it printed until `end` came, or until it closed its output, or time was over.
  std::string read_until(const std::string& end, std::chrono::milliseconds patience = 30s) {
    const auto deadline = Clock::now() + patience;
    while (end.empty() || text_.find(end) == std::string::npos) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd ready{out_, POLLIN, 0};
      if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) break;
      char buffer[65536];
      const ssize_t n = ::read(out_, buffer, sizeof buffer);
      if (n <= 0) break;
      text_.append(buffer, static_cast<std::size_t>(n));
    }
    return text_;
  }

  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    reaped_ = true;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int in_ = -1;
  bool reaped_ = false;
  std::string text_;
};

struct Result {
  int exit_code = -1;
  std::string output;  ///< standard output and error
};

inline Result run_command(const std::vector<std::string>& argv,
                          const std::function<void()>& before = {}) {
  Process process(argv, false, before);
  std::string output = process.read_until("", 60s);
  const int status = process.wait();
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), std::move(output)};
}

/// For `before`: what that system call comes to from now on (SECCOMP_RET_...).
inline void filter_call(int nr, std::uint32_t action) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(nr), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{4, filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(126);
}

inline Result ipcdoctor(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), IPCDOCTOR_BINARY);
  return run_command(arguments);
}

inline Result attach_json(pid_t pid) {
  return ipcdoctor({"attach", std::to_string(pid), "--format", "json"});
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream status(read_file("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":"))
      return line.substr(line.find_first_not_of(": \t", name.size()));
  }
  return "";
}

inline void expect_one_line(const Result& result, int exit_code) {
  EXPECT_EQ(result.exit_code, exit_code) << result.output;
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
  EXPECT_TRUE(result.output.starts_with("ipcdoctor: ")) << result.output;
}

}  // namespace ipcdoctor::cmd::testing
