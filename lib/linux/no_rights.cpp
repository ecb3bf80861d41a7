#include "linux/no_rights.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

namespace ipcdoctor::linux {
namespace {

/// What a parser that has its input needs of the kernel: memory, its descriptors, an end. All else
/// fails with EPERM, as it would for want of rights: a library that asks for more gets on without.
constexpr std::array kParse = {
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

/// Whoever asks talks through sockets that he has, waits, lists directories that he has open, looks
/// whether a number is taken and who he is, and starts and reaps processes that parse. setrlimit(2)
/// is for himself alone, unlike prlimit(2).
constexpr std::array kAsk = {
    SYS_sendmsg,      SYS_recvmsg,   SYS_sendto,          SYS_recvfrom,   SYS_poll,
    SYS_ppoll,        SYS_nanosleep, SYS_clock_nanosleep, SYS_getdents64, SYS_getpid,
    SYS_gettid,       SYS_getppid,   SYS_getpgid,         SYS_uname,      SYS_pidfd_open,
    SYS_socketpair,   SYS_wait4,     SYS_close_range,     SYS_getrlimit,  SYS_setrlimit,
    SYS_rt_sigaction, SYS_prctl,     SYS_capset,          SYS_seccomp,    SYS_set_robust_list,
    SYS_rseq,         SYS_geteuid,
};

/// Where these bits of an argument must be so.
struct Conditional {
  long nr;
  unsigned argument;
  std::uint32_t mask, value;
};
constexpr std::array kParseIf = {
    Conditional{SYS_mmap, 2, PROT_EXEC, 0},
    Conditional{SYS_mprotect, 2, PROT_EXEC, 0},
    // fstat(3) of glibc 2.33 to 2.38, of a descriptor
    Conditional{SYS_newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH},
};
constexpr std::array kAskIf = {
    Conditional{SYS_statx, 2, AT_EMPTY_PATH, AT_EMPTY_PATH},
    // all other namespaces need a capability, which one of users would give
    Conditional{SYS_clone, 0, CLONE_NEWUSER, 0},
    // F_SETOWN would send signals
    Conditional{SYS_fcntl, 1, ~0U, F_DUPFD_CLOEXEC},
    Conditional{SYS_fcntl, 1, ~0U, F_GETFL},
    Conditional{SYS_fcntl, 1, ~0U, F_SETFD},
};

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

sock_filter answer(std::uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}

sock_filter unless(std::uint16_t test, long value, std::uint8_t skip) {
  return BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K),
                  static_cast<std::uint32_t>(value), 0, skip);
}

void allow(std::vector<sock_filter>& code, std::span<const int> calls,
           std::span<const Conditional> conditional) {
  for (const int nr : calls) {
    code.push_back(unless(BPF_JEQ, nr, 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
  }
  for (const Conditional& c : conditional) {
    code.push_back(unless(BPF_JEQ, c.nr, 5));
    code.push_back(load(offsetof(seccomp_data, args) + c.argument * sizeof(std::uint64_t)));
    code.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c.mask));
    code.push_back(unless(BPF_JEQ, static_cast<long>(c.value), 1));
    code.push_back(answer(SECCOMP_RET_ALLOW));
    code.push_back(load(offsetof(seccomp_data, nr)));
  }
}

std::vector<sock_filter> filter(Calls calls) {
  std::vector<sock_filter> code = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),  // with the bit of x32 it is none of ours
  };
  allow(code, kParse, kParseIf);
  if (calls == Calls::ParseAndAsk) allow(code, kAsk, kAskIf);
  code.push_back(answer(SECCOMP_RET_ERRNO | EPERM));
  return code;
}

bool install_filter(Calls calls) {
  std::vector<sock_filter> code = filter(calls);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  // it has no secrets that speculation could find: no slower code for that
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                   &program) == 0 ||
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// Never more than there was. The signal of the lower bound says which limit it was.
void limit(__rlimit_resource resource, std::uint64_t most) {
  struct rlimit now {};
  if (::syscall(SYS_getrlimit, resource, &now) != 0) return;
  now.rlim_cur = std::min<std::uint64_t>(now.rlim_cur, most);
  now.rlim_max = std::min<std::uint64_t>(now.rlim_max, now.rlim_cur + 1);
  (void)::syscall(SYS_setrlimit, resource, &now);
}

}  // namespace

std::uint64_t address_space() {
  // opened while that is possible, for those that are started when it no longer is
  static const int statm = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  char text[64] = {};
  unsigned long pages = 0;
  if (::pread(statm, text, sizeof text - 1, 0) <= 0 || std::sscanf(text, "%lu", &pages) != 1)
    return 0;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

GivenUp give_up_rights(Calls calls, const Bounds& bounds) {
  limit(RLIMIT_AS, bounds.memory);
  if (bounds.cpu.count() > 0) limit(RLIMIT_CPU, static_cast<std::uint64_t>(bounds.cpu.count()));
  limit(RLIMIT_CORE, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return GivenUp::Nothing;
  if (::syscall(SYS_capset, &header, none) != 0) return GivenUp::Nothing;
  return install_filter(calls) ? GivenUp::All : GivenUp::Capabilities;
}

}  // namespace ipcdoctor::linux
