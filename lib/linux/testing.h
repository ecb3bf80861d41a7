#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "linux/address_space.h"
#include "linux/proc_dir.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"

/// For live tests: a child that dies with the test, and waits with a deadline instead of sleeps.
namespace ipcdoctor::linux::testing {

/// Ends this process when `parent` does, also if that was a moment ago.
inline void die_with(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

/// Puts descriptors on their way through a Unix socket, where they stay until somebody receives
/// them.
inline void send_fds(int socket, std::span<const int> fds) {
  char byte = 'x';
  iovec data{&byte, 1};
  std::vector<char> control(CMSG_SPACE(fds.size_bytes()));
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
  if (::sendmsg(socket, &message, 0) != 1) std::abort();
}

/// A child process that runs `body` and ends with what it returns.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : pid_{::fork()} {
    if (pid_.value != 0) return;
    die_with(parent_);
    ::_exit(body());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_.value <= 0) return;
    ::kill(pid_.value, SIGKILL);
    int status = 0;
    (void)::waitpid(pid_.value, &status, 0);  // it may have been reaped by the test
  }

  Pid pid() const { return pid_; }
  Tid tid() const { return Tid{pid_.value}; }
  Result<ProcDir> dir() const { return ProcDir::open(pid_); }
  char state() const {
    const auto open = dir();
    if (!open) return 'X';
    const auto stat = read_stat(*open);
    return stat ? stat->state : 'X';
  }
  int tracer() const {
    const auto open = dir();
    if (!open) return -1;
    const auto status = read_status(*open);
    return status ? status->tracer.value : -1;
  }
  /// Its exit status, or -1 if it was killed.
  int wait() {
    int status = 0;
    if (::waitpid(pid_.value, &status, 0) != pid_.value) return -1;
    pid_ = Pid{-1};
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t parent_ = ::getpid();
  Pid pid_;
};

/// Looks until `condition` holds, for at most five seconds.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

/// A pipe of the test's own.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe(ends) != 0) ::abort();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int reader() const { return ends[0]; }
  int writer() const { return ends[1]; }
};

/// Calls read(space) on what was read of a process so far, 60 times, most of them with words of it
/// changed: also to other addresses of its, which makes cycles and walks into other objects.
/// @return how often it said true. Rounds without changes are seven at least.
inline int read_torn(const AddressSpace& space,
                     const std::function<bool(const AddressSpace&)>& read) {
  const auto pages = space.memory.recorded_pages();
  std::mt19937_64 random(7);
  int understood = 0;
  for (int round = 0; round < 60; ++round) {
    auto changed = pages;
    for (auto& [address, page] : changed) {
      for (int i = 0; i < round % 8; ++i) {
        const std::size_t at = (random() % 512) * 8;
        const std::uint64_t value =
            random() % 2 == 0 ? address + random() % 4096 / 8 * 8 : random();
        std::memcpy(page.data() + at, &value, sizeof value);
      }
    }
    auto dir = ProcDir::open(space.pid);
    if (!dir) return -1;
    const AddressSpace torn(space.pid, std::move(*dir), ProcessMemory::from_pages(changed));
    if (read(torn)) ++understood;
  }
  return understood;
}

}  // namespace ipcdoctor::linux::testing
