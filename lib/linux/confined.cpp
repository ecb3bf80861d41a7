#include "linux/confined.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "linux/no_rights.h"
#include "linux/reap.h"

namespace ipcdoctor::linux {
namespace {

constexpr int kTickMs = 20;
constexpr std::chrono::milliseconds kEndPatience{100};
constexpr int kNoSeccomp = 91, kNoRights = 92, kOutOfMemory = 93;

/// Descriptors from `first` to `last`. close_range(2) is there since Linux 5.9.
void close_between(unsigned first, unsigned last) {
  if (first > last || ::close_range(first, last, 0) == 0) return;
  struct rlimit files {};
  constexpr rlim_t kMost = 1 << 20;
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) files.rlim_max = kMost;
  const auto end = static_cast<unsigned>(std::min(files.rlim_max, kMost));
  for (unsigned fd = first; fd <= last && fd < end; ++fd) (void)::close(static_cast<int>(fd));
}

/// All but the socket and, if it is not -1, the file.
void close_others(int socket, int file) {
  const auto low = static_cast<unsigned>(file < 0 ? socket : std::min(socket, file));
  const auto high = static_cast<unsigned>(std::max(socket, file));
  if (low > 0) close_between(0, low - 1);
  if (low < high) close_between(low + 1, high - 1);
  close_between(high + 1, ~0U);
}

ssize_t write_in_child(int fd, const void* data, std::size_t size) {
  return ::write(fd, data, size);
}

ssize_t write_in_parent(int fd, const void* data, std::size_t size) {
  return ::send(fd, data, size, MSG_NOSIGNAL);  // the child may have died
}

bool write_all(decltype(write_in_child) write, int fd, const void* data, std::size_t size) {
  const auto* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool write_message(decltype(write_in_child) write, int fd, std::string_view message) {
  const std::uint64_t size = message.size();
  return write_all(write, fd, &size, sizeof size) &&
         write_all(write, fd, message.data(), message.size());
}

bool read_all(int fd, void* data, std::size_t size) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = ::read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

[[noreturn]] void serve(int socket, const Confined::Answer& answer) {
  std::string question;
  for (std::uint64_t size = 0; read_all(socket, &size, sizeof size);) {
    question.resize(size);
    if (!read_all(socket, question.data(), size) ||
        !write_message(write_in_child, socket, answer(question)))
      break;
  }
  ::_exit(0);
}

/// Who has given up his own rights cannot: then it ends with its processor time, or with us.
bool kill_child(pid_t pid) {
  return ::kill(pid, SIGKILL) == 0;  // our own child, not yet reaped: the number is still its
}

}  // namespace

Result<Confined> Confined::start(const Confinement& confinement, int file, const Answer& answer) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{cause_of(errno), errno, "make a pair of sockets"};
  UniqueFd ours(ends[0]), its(ends[1]);
  const Bounds bounds{address_space() + confinement.memory, confinement.cpu};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{cause_of(errno), errno, "start a process without rights"};
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);  // it died before the line above
    for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGXCPU})
      (void)::signal(signal, SIG_DFL);
    close_others(its.get(), file);
    std::set_new_handler(run_out_of_memory);
    const GivenUp given_up = give_up_rights(Calls::Parse, bounds);
    if (given_up != GivenUp::All)
      ::_exit(given_up == GivenUp::Capabilities ? kNoSeccomp : kNoRights);
    serve(its.get(), answer);
  }
  return Confined(pid, std::move(ours), confinement.answer);
}

void Confined::run_out_of_memory() {
  ::_exit(kOutOfMemory);
}

Confined& Confined::operator=(Confined&& from) noexcept {
  std::swap(child_, from.child_);
  std::swap(socket_, from.socket_);
  std::swap(limit_, from.limit_);
  return *this;
}

Confined::~Confined() {
  socket_.reset();  // what waits for a question ends of itself
  if (const pid_t pid = std::exchange(child_, 0); pid > 0) {
    (void)kill_child(pid);
    (void)reap(pid, kEndPatience);
  }
}

Error Confined::end(const char* how, Cause cause) {
  const pid_t pid = std::exchange(child_, 0);
  if (pid <= 0) return Error{Cause::Gone, 0, "ended before"};
  if (how != nullptr) {
    if (kill_child(pid)) (void)reap(pid, kEndPatience);
    return Error{cause, 0, how};
  }
  const auto status = reap(pid, kEndPatience);
  if (!status) return Error{Cause::Other, 0, "does not answer"};
  if (WIFEXITED(*status)) {
    switch (WEXITSTATUS(*status)) {
      case kOutOfMemory:
        return Error{Cause::Limit, 0, "ran out of memory"};
      case kNoSeccomp:
        return Error{Cause::Unsupported, 0, "needs seccomp filters, which this kernel lacks"};
      case kNoRights:
        return Error{Cause::Unsupported, 0, "cannot give up its rights"};
      default:
        return Error{Cause::Other, 0, "ended"};
    }
  }
  const int signal = WTERMSIG(*status);
  if (signal == SIGXCPU) return Error{Cause::TimedOut, 0, "ran out of processor time"};
  if (signal == SIGKILL) return Error{Cause::Other, 0, "was killed"};
  return Error{Cause::Other, 0, "crashed (signal " + std::to_string(signal) + ")"};
}

Result<std::string> Confined::ask(std::string_view question, const GoOn& go_on) {
  if (!write_message(write_in_parent, socket_.get(), question)) return end();
  std::string answer;
  std::uint64_t size = 0;
  const auto has_all = [&] {
    if (answer.size() < sizeof size) return false;
    answer.copy(reinterpret_cast<char*>(&size), sizeof size);
    return answer.size() - sizeof size >= size;
  };
  while (!has_all()) {
    if (answer.size() > limit_ + sizeof size) return end("gave too long an answer", Cause::Limit);
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kTickMs) <= 0) {
      if (!go_on()) return end("took too long", Cause::TimedOut);
      continue;
    }
    char piece[16384];  // RLIMIT_STACK may be small
    const ssize_t n = ::read(socket_.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return end();
    answer.append(piece, static_cast<std::size_t>(n));
  }
  return answer.substr(sizeof size, size);
}

}  // namespace ipcdoctor::linux
