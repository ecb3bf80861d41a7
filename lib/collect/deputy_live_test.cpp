#include "linux/deputy.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "collect/helper.h"
#include "linux/address_space.h"
#include "linux/kcmp.h"
#include "linux/pidfd.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/sock_diag.h"
#include "linux/testing.h"

/// What a helper may do that has given up its rights, and what its deputy does for it.
namespace ipcdoctor::collect {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// What `work` says in a helper that has given up its rights.
std::string said_without_rights(const std::function<std::string()>& work) {
  const auto answer =
      run_in_helper({milliseconds(10000), milliseconds(3000)}, [&](Progress&, const Send& send) {
        linux::deputy::take_over();
        send(linux::deputy::is_asked() ? work() : "it kept them");
      });
  return answer ? *answer : to_string(answer.error());
}

std::string failure_of(long result) {
  return result < 0 ? std::strerror(errno) : "allowed";
}

TEST(Deputy, LeavesTheHelperWithoutRights) {
  const std::string status = said_without_rights([] {
    const auto self = linux::ProcDir::open(Pid{::getpid()});
    return self ? self->read("status").value_or("") : to_string(self.error());
  });

  EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
}

struct Attempt {
  const char* name;
  long (*run)();
};

class WithoutRights : public ::testing::TestWithParam<Attempt> {};

TEST_P(WithoutRights, NothingIsAllowedButToAsk) {
  EXPECT_EQ(said_without_rights([] { return failure_of(GetParam().run()); }), std::strerror(EPERM));
}

long asked_to_open(const char* name, int flags) {
  return linux::deputy::open_at(-1, name, flags).release();
}

long asked_below(Pid pid, const char* name, int flags) {
  const auto dir = linux::ProcDir::open(pid);
  return dir ? linux::deputy::open_at(dir->fd(), name, flags).release() : 0;
}

INSTANTIATE_TEST_SUITE_P(
    OfEachKind, WithoutRights,
    ::testing::Values(
        Attempt{"OpenAFile", [] { return long{::open("/etc/passwd", O_RDONLY)}; }},
        Attempt{"MakeAFile", [] { return long{::open("/tmp/x", O_WRONLY | O_CREAT, 0600)}; }},
        Attempt{"Connect", [] { return long{::socket(AF_INET, SOCK_STREAM, 0)}; }},
        Attempt{"Netlink", [] { return long{::socket(AF_NETLINK, SOCK_RAW, 0)}; }},
        Attempt{"Signal", [] { return long{::kill(::getppid(), 0)}; }},
        Attempt{"OwnASocketsSignals", [] { return long{::fcntl(3, F_SETOWN, 1)}; }},
        Attempt{"Trace", [] { return ::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr); }},
        Attempt{"Execute", [] { return long{::execl("/bin/true", "true", nullptr)}; }},
        Attempt{"UserNamespace",
                [] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }},
        Attempt{"CopyADescriptor", [] { return ::syscall(SYS_pidfd_getfd, 3, 0, 0); }},
        Attempt{"LimitOthers",
                [] { return ::syscall(SYS_prlimit64, ::getppid(), 0, nullptr, nullptr); }},
        Attempt{"AskForAFile", [] { return asked_to_open("/etc/passwd", O_RDONLY); }},
        Attempt{"AskToWrite", [] { return asked_below(Pid{::getppid()}, "comm", O_WRONLY); }},
        Attempt{"AskToClimb", [] { return asked_to_open("/proc/../etc/passwd", O_RDONLY); }},
        Attempt{"AskForTheKernelsLog", [] { return asked_to_open("/proc/kmsg", O_RDONLY); }},
        Attempt{"AskToOpenADescriptor",
                [] { return asked_below(Pid{::getppid()}, "fd/2", O_RDONLY); }},
        Attempt{"AskForTheProgram", [] { return asked_below(Pid{::getppid()}, "exe", O_RDONLY); }},
        Attempt{"AskToReopenAFolder",
                [] {
                  const auto dir = linux::ProcDir::open(Pid{::getppid()});
                  return dir ? long{linux::deputy::reopen(dir->fd()).release()} : 0;
                }}),
    [](const auto& attempt) { return std::string(attempt.param.name); });

TEST(Deputy, ReadsWhatTheHelperMayNot) {
  const linux::testing::Pipe pipe;
  ASSERT_EQ(::write(pipe.writer(), "abc", 3), 3);
  static const std::uint64_t kWord = 0x1234567890abcdef;
  linux::testing::Child target([&] { return ::pause(); });
  while (target.state() != 'S') ::usleep(1000);

  const std::string said = said_without_rights([&] {
    const auto space = linux::AddressSpace::open(target.pid());
    if (!space) return to_string(space.error());
    const auto word = space->memory.read_u64(RemoteAddr{reinterpret_cast<std::uint64_t>(&kWord)});
    const auto call = space->dir.read_record("syscall");
    const auto exe = space->dir.read_link("exe");
    const auto pidfd = linux::open_pidfd(target.pid());
    const auto fill = pidfd ? linux::read_pipe_fill(*pidfd, pipe.reader()) : pidfd.error();
    const auto same =
        linux::compare_tasks(linux::Kcmp::Vm, Tid{target.pid().value}, Tid{target.pid().value});
    const auto sockets = linux::read_unix_sockets(milliseconds(1000));
    return std::string(word && *word == kWord ? "memory " : "- ") +
           (space->maps().size() > 5 ? "maps " : "- ") + (call ? call->substr(0, 2) : "-") +
           (exe && exe->ends_with("_test") ? " exe" : " -") + " " +
           (fill ? std::to_string(fill->queued) : to_string(fill.error())) +
           (same && *same == std::strong_ordering::equal ? " same" : " -") +
           (sockets ? " sockets" : " -");
  });

  EXPECT_EQ(said, "memory maps 34 exe 3 same sockets");  // pause
}

TEST(Deputy, GivesFilesThatAreLongerThanItsWindow) {
  linux::testing::Child target([&] {
    constexpr std::size_t kPage = 4096, kCount = 60000;
    auto* pages = static_cast<char*>(
        ::mmap(nullptr, kPage * kCount, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < kCount; i += 2)
      (void)::mprotect(pages + i * kPage, kPage, PROT_NONE);
    return ::pause();
  });
  while (target.state() != 'S') ::usleep(1000);

  const std::string said = said_without_rights([&] {
    const auto dir = linux::ProcDir::open(target.pid());
    const auto maps = dir ? dir->read("smaps", 256 << 20) : Result<std::string>(dir.error());
    const auto short_of = dir ? dir->read("maps", 4096) : Result<std::string>(dir.error());
    if (!maps || short_of) return std::string("-");
    return std::string(maps->size() > (8U << 20) && maps->ends_with("\n") ? "long" : "short") +
           (short_of.error().cause == Cause::Limit ? " limit" : " -");
  });

  EXPECT_EQ(said, "long limit");
}

/// Of a process that wakes all the time, as our parent does who watches us: what was read ahead is
/// older than what is read next.
TEST(Deputy, ReadsManyFilesAtOnce) {
  linux::testing::Child other([] { return ::pause(); });
  const std::string said = said_without_rights([&] {
    const auto parent = linux::ProcDir::open(Pid{::getppid()});
    const auto child = linux::ProcDir::open(other.pid());
    if (!parent || !child) return std::string("-");
    const linux::deputy::ReadAhead ahead(
        linux::deputy::Wish::ReadRecord,
        {{child->fd(), "stat"}, {parent->fd(), "status"}, {child->fd(), "nothing"}});
    ::usleep(200000);
    const auto before = parent->read_record("status"), after = parent->read_record("status");
    const auto stat = linux::read_stat(*child);
    const auto nothing = child->read_record("nothing");
    if (!before || !after) return std::string("-");
    const auto earlier = linux::parse_status(*before), later = linux::parse_status(*after);
    return std::string(earlier && later && earlier->switches() < later->switches() ? "older"
                                                                                   : "-") +
           (stat && stat->ppid.value != 0 ? " whole" : " -") +
           (!nothing && nothing.error().cause == Cause::Gone ? " none" : " -");
  });

  EXPECT_EQ(said, "older whole none");
}

/// Its end is ours: nothing more can be read.
TEST(Deputy, TakesTheHelperWithIt) {
  const auto answer =
      run_in_helper({milliseconds(10000), milliseconds(3000)}, [&](Progress&, const Send& send) {
        (void)::kill(linux::deputy::pid(), SIGKILL);
        linux::deputy::take_over();
        const auto dir = linux::ProcDir::open(Pid{1});
        send("went on");
      });
  ASSERT_FALSE(answer);
  EXPECT_THAT(to_string(answer.error()), HasSubstr("crashed or was killed"));
}

}  // namespace
}  // namespace ipcdoctor::collect
