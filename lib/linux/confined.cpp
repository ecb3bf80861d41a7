#include "linux/confined.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <new>
#include <utility>
#include <vector>

#include "linux/reap.h"

namespace ipcdoctor::linux {
namespace {

constexpr int kTickMs = 20;
constexpr std::chrono::milliseconds kEndPatience{100};
constexpr int kReady = 0, kNoSeccomp = 91, kNoRights = 92, kOutOfMemory = 93;

/// What a parser that has its input needs of the kernel: memory, its descriptors, an end. All else
/// fails with EPERM, as it would for want of rights: a library that asks for more gets on without.
constexpr std::array kAllowed = {
    SYS_read, SYS_write, SYS_pread64, SYS_lseek, SYS_close, SYS_fstat, SYS_brk, SYS_munmap,
    SYS_mremap, SYS_madvise, SYS_futex, SYS_getrandom, SYS_clock_gettime, SYS_sched_yield,
    SYS_rt_sigreturn, SYS_exit, SYS_exit_group,
    // exceptions, where libunwind's functions stand before libgcc's:
    // it tries memory by a pipe to itself
    SYS_rt_sigprocmask, SYS_pipe2, SYS_mincore, SYS_msync,
#ifdef __SANITIZE_ADDRESS__
    SYS_sigaltstack,  // what an exception leaves is marked as unused
#endif
};

/// Where bit `bit` of argument `argument` must be 0 or 1.
struct Conditional {
  long nr;
  unsigned argument;
  std::uint32_t bit;
  bool set;
};
constexpr std::array kConditional = {
    Conditional{SYS_mmap, 2, PROT_EXEC, false},
    Conditional{SYS_mprotect, 2, PROT_EXEC, false},
    // fstat(3) of glibc 2.33 to 2.38, of a descriptor
    Conditional{SYS_newfstatat, 3, AT_EMPTY_PATH, true},
};

std::vector<sock_filter> filter() {
  const auto load = [](std::size_t offset) {
    return sock_filter(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  };
  const auto answer = [](std::uint32_t action) {
    return sock_filter(BPF_STMT(BPF_RET | BPF_K, action));
  };
  const auto unless = [](std::uint16_t test, long value, std::uint8_t skip) {
    return sock_filter(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K),
                                static_cast<std::uint32_t>(value), 0, skip));
  };
  std::vector<sock_filter> code = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),  // with the bit of x32 it is none of ours
  };
  for (const long nr : kAllowed) {
    code.push_back(unless(BPF_JEQ, nr, 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  for (const Conditional& c : kConditional) {
    code.push_back(unless(BPF_JEQ, c.nr, 4));
    code.push_back(load(offsetof(seccomp_data, args) + c.argument * sizeof(std::uint64_t)));
    code.push_back(unless(BPF_JSET, static_cast<long>(c.bit), 1));
    code.push_back(answer(c.set ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM));
    code.push_back(answer(c.set ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW));
  }
  code.push_back(answer(SECCOMP_RET_ERRNO | EPERM));
  return code;
}

bool install_filter() {
  std::vector<sock_filter> code = filter();
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  // it has no secrets that speculation could find: no slower code for that
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &program) == 0 ||
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// Never more than there was. The signal of the lower bound says which limit it was.
void limit(__rlimit_resource resource, std::uint64_t most) {
  struct rlimit now {};
  if (::getrlimit(resource, &now) != 0) return;
  now.rlim_cur = std::min<std::uint64_t>(now.rlim_cur, most);
  now.rlim_max = std::min<std::uint64_t>(now.rlim_max, now.rlim_cur + 1);
  (void)::setrlimit(resource, &now);
}

std::uint64_t address_space() {
  unsigned long pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(statm, "%lu", &pages) != 1) pages = 0;
    (void)std::fclose(statm);
  }
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

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

int give_up_rights(const Confinement& confinement) {
  limit(RLIMIT_AS, address_space() + confinement.memory);
  if (confinement.cpu.count() > 0)
    limit(RLIMIT_CPU, static_cast<std::uint64_t>(confinement.cpu.count()));
  limit(RLIMIT_CORE, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return kNoRights;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kNoRights;
  return install_filter() ? kReady : kNoSeccomp;
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

}  // namespace

Result<Confined> Confined::start(const Confinement& confinement, int file, const Answer& answer) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return Error{cause_of(errno), errno, "make a pair of sockets"};
  UniqueFd ours(ends[0]), its(ends[1]);
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
    const int state = give_up_rights(confinement);
    if (state != kReady) ::_exit(state);
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
  if (const pid_t pid = std::exchange(child_, 0); pid > 0) {
    (void)::kill(pid, SIGKILL);  // our own child, not yet reaped: the number is still its
    (void)reap(pid, kEndPatience);
  }
}

Error Confined::end(const char* how, Cause cause) {
  const pid_t pid = std::exchange(child_, 0);
  if (pid <= 0) return Error{Cause::Gone, 0, "ended before"};
  if (how != nullptr) (void)::kill(pid, SIGKILL);
  const auto status = reap(pid, kEndPatience);
  if (how != nullptr) return Error{cause, 0, how};
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
    char piece[65536];
    const ssize_t n = ::read(socket_.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return end();
    answer.append(piece, static_cast<std::size_t>(n));
  }
  return answer.substr(sizeof size, size);
}

}  // namespace ipcdoctor::linux
