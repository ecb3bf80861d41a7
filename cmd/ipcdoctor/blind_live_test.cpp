#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "process_for_tests.h"

/// What ipcdoctor cannot see is never taken for absent: the same programs, looked at by one who may
/// or can see less.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kHealthy = std::string(IPCDOCTOR_PROGRAMS) + "/healthy/";
const std::string kMutex = kHealthy + "shared_mutex_holder";

std::vector<std::string> attach(pid_t pid) {
  return {IPCDOCTOR_BINARY, "attach", std::to_string(pid)};
}

/// That system call fails from now on, as where a container's profile refuses it.
void refuse(int nr) {
  filter_call(nr, SECCOMP_RET_ERRNO | EPERM);
}

/// Of the pages of any memory each eighth cannot be read from now on.
void refuse_pages(std::uint32_t which, int error) {
  const auto low_word_of = [](int argument) {
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * argument);
  };
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 6),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_word_of(2)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4096, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low_word_of(3)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 7 << 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, which << 12, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(126);
}

bool is_blocked_in(pid_t pid, long nr) {
  return read_file("/proc/" + std::to_string(pid) + "/syscall")
      .starts_with(std::to_string(nr) + " ");
}

bool eventually_blocked(pid_t pid, long nr) {
  for (int i = 0; i < 200 && !is_blocked_in(pid, nr); ++i) std::this_thread::sleep_for(10ms);
  return is_blocked_in(pid, nr);
}

void expect_no_claim(const Result& result) {
  EXPECT_THAT(result.exit_code, AnyOf(0, 3)) << result.output;
  EXPECT_THAT(result.output, Not(HasSubstr("DEADLOCK")));
  EXPECT_THAT(result.output, Not(HasSubstr("STUCK")));
}

/// A file for the mutex that everybody may map.
class SharedMutex : public ::testing::Test {
 protected:
  SharedMutex() {
    char name[] = "/tmp/blind_XXXXXX";
    ::close(::mkstemp(name));
    path_ = name;
    fs::permissions(path_, fs::perms(0666));
  }
  ~SharedMutex() override { fs::remove(path_); }
  std::string path_;
};

TEST_F(SharedMutex, WhoHoldsItOutsideOfOurPidNamespaceIsNotDead) {
  if (run_command({"unshare", "-pf", "--mount-proc", "true"}).exit_code != 0)
    GTEST_SKIP() << "no right to make a PID namespace";
  Process holder({kMutex, "hold", path_}, false);
  ASSERT_THAT(holder.read_until("READY"), HasSubstr("READY"));
  const Result result =
      run_command({"unshare", "-pf", "--mount-proc", "sh", "-c",
                   kMutex + " wait " + path_ +
                       " & W=$!; sleep 0.5; " IPCDOCTOR_BINARY " attach $W; R=$?; "
                       "kill -9 $W; exit $R"});
  expect_no_claim(result);
  EXPECT_EQ(result.exit_code, 3) << "whether the owner lives was not seen: " << result.output;
  EXPECT_THAT(result.output, Not(HasSubstr("all seen")));
}

// The kernel takes the owner's number for one of the waiter's namespace, where nobody has it, and
// glibc then waits for ever: a deadlock, but its owner lives.
TEST_F(SharedMutex, WhoHoldsAnInheritingOneFromAnotherPidNamespaceIsNotDead) {
  if (run_command({"unshare", "-pf", "--mount-proc", "true"}).exit_code != 0)
    GTEST_SKIP() << "no right to make a PID namespace";
  Process holder({kMutex, "pi", path_}, false);
  ASSERT_THAT(holder.read_until("READY"), HasSubstr("READY"));
  Process waiter({"unshare", "-pf", "--mount-proc", "--kill-child", kMutex, "wait", path_}, false);
  pid_t pid = 0;
  for (int i = 0; i < 200 && (pid <= 0 || !is_blocked_in(pid, SYS_futex)); ++i) {
    std::this_thread::sleep_for(10ms);
    const std::string parent = "/proc/" + std::to_string(waiter.pid());
    pid = std::atoi(
        read_file(parent + "/task/" + std::to_string(waiter.pid()) + "/children").c_str());
  }
  ASSERT_TRUE(is_blocked_in(pid, SYS_futex));
  const Result result = run_command(attach(pid));
  EXPECT_THAT(result.output, Not(HasSubstr("dead-lock-owner")));
}

TEST_F(SharedMutex, WhoHoldsItAndIsHiddenByProcIsNotDead) {
  const std::string hide = "mount -t proc -o hidepid=2 proc /proc";
  if (run_command({"unshare", "-m", "sh", "-c", hide}).exit_code != 0)
    GTEST_SKIP() << "no right to mount /proc";
  const std::string other = "setpriv --reuid 12345 --regid 12345 --clear-groups ";
  if (run_command({"sh", "-c", other + IPCDOCTOR_BINARY + " --version"}).exit_code != 0)
    GTEST_SKIP() << "another user may not run " IPCDOCTOR_BINARY;
  Process holder({kMutex, "hold", path_}, false);
  ASSERT_THAT(holder.read_until("READY"), HasSubstr("READY"));
  Process waiter({"sh", "-c", "exec " + other + kMutex + " wait " + path_}, false);
  ASSERT_TRUE(eventually_blocked(waiter.pid(), SYS_futex));
  const Result result = run_command(
      {"unshare", "-m", "sh", "-c",
       hide + " && " + other + IPCDOCTOR_BINARY " attach " + std::to_string(waiter.pid())});
  expect_no_claim(result);
  EXPECT_EQ(result.exit_code, 3) << result.output;
}

TEST_F(SharedMutex, OneWhoseOwnerReallyDiedIsFound) {
  {
    Process holder({kMutex, "hold", path_}, false);
    ASSERT_THAT(holder.read_until("READY"), HasSubstr("READY"));
  }
  Process waiter({kMutex, "wait", path_}, false);
  ASSERT_TRUE(eventually_blocked(waiter.pid(), SYS_futex));
  const Result result = run_command(attach(waiter.pid()));
  if (status_field(1, "NSpid") != "1") GTEST_SKIP() << "in a PID namespace nobody can tell";
  EXPECT_THAT(result.output, HasSubstr("dead-lock-owner"));
}

TEST(WithoutKcmp, WhatMayBeSharedIsNotTakenForPrivate) {
  Process program({kHealthy + "memory_shared_by_clone"}, false);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  ASSERT_TRUE(eventually_blocked(program.pid(), SYS_futex));
  const Result result = run_command(attach(program.pid()), [] { refuse(SYS_kcmp); });
  expect_no_claim(result);
  EXPECT_EQ(result.exit_code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("kcmp(2)"));
}

TEST(WithoutKcmp, ADeadlockThatNeedsNothingSharedIsFound) {
  Process program({std::string(IPCDOCTOR_PROGRAMS) + "/self_deadlock/relock"}, false);
  if (program.read_until("READY", 5s).empty()) GTEST_SKIP() << "no such program";
  ASSERT_TRUE(eventually_blocked(program.pid(), SYS_futex));
  const Result result = run_command(attach(program.pid()), [] { refuse(SYS_kcmp); });
  EXPECT_EQ(result.exit_code, 1) << result.output;
}

TEST(WithoutStatx, WhoHoldsAFifoIsNotNobody) {
  const std::string fifo = "/tmp/blind_fifo_" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Process writer({"sh", "-c", "exec sleep 1000 >" + fifo}, false);
  Process reader({"sh", "-c", "exec 3<" + fifo + "; rm " + fifo + "; echo READY; exec cat <&3"},
                 false);
  ASSERT_THAT(reader.read_until("READY"), HasSubstr("READY"));
  ASSERT_TRUE(eventually_blocked(reader.pid(), SYS_read));
  EXPECT_EQ(run_command(attach(reader.pid())).exit_code, 0);
  const Result result = run_command(attach(reader.pid()), [] { refuse(SYS_statx); });
  expect_no_claim(result);
  // Where there are many processes, such as those of another test, the kernel is asked by BPF.
  const bool seen_by_bpf = result.output.find("sleep[") != std::string::npos;
  EXPECT_TRUE(result.exit_code == 3 || seen_by_bpf) << result.output;
}

// It waits for a signal, whose handler ends the wait.
TEST(WithoutSomePages, NothingIsConcludedFromTheOthers) {
  Process program({"python3", kHealthy + "asyncio_signal.py"}, false);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  ASSERT_TRUE(eventually_blocked(program.pid(), SYS_epoll_wait));
  for (const int error : {EIO, EPERM, ENOMEM, ESRCH}) {
    for (std::uint32_t which = 0; which < 8; ++which) {
      SCOPED_TRACE(std::to_string(which) + " " + std::to_string(error));
      expect_no_claim(run_command(attach(program.pid()), [&] { refuse_pages(which, error); }));
    }
  }
}

TEST(ShortReads, ShowNothingLess) {
  Process hung({std::string(IPCDOCTOR_PROGRAMS) + "/unclosed_write_end/parent_keeps_end"}, false);
  hung.read_until("READY");
  std::this_thread::sleep_for(200ms);

  for (const char* seed : {"1", "2", "3", "4", "5", "6"}) {
    const Result result = run_command(attach(hung.pid()), [seed] {
      ::setenv("LD_PRELOAD", IPCDOCTOR_SHORT_READS, 1);
      ::setenv("SHORT_READS", seed, 1);
    });
    EXPECT_EQ(result.exit_code, 1) << seed << ": " << result.output;
    EXPECT_THAT(result.output, HasSubstr("DEADLOCK  unclosed-write-end"));
  }
}

TEST(FewDescriptors, AreEnoughForManyProcesses) {
  std::vector<std::unique_ptr<Process>> crowd;
  for (int i = 0; i < 40; ++i)
    crowd.push_back(std::make_unique<Process>(std::vector<std::string>{"sleep", "100"}, false));
  Process program({kHealthy + "lock_holder_sleeps"}, false);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  const Result result = run_command(attach(program.pid()), [] {
    const rlimit few{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &few);
  });
  expect_no_claim(result);
  EXPECT_THAT(result.output, HasSubstr("lock_holder_sle"));
}

// Two jobs of one shell that has ended: one healthy, the other in a deadlock of its own.
TEST(Orphans, OfTheSameSessionAreNoPartOfATreeThatDoesNotWaitForThem) {
  const std::string hung =
      "python3 " + std::string(IPCDOCTOR_PROGRAMS) + "/unclosed_write_end/consumer_keeps_end.py";
  Process shell({"bash", "-c", "bash -c '" + hung + "; true' & sleep 1000 & echo job $! end"},
                false);
  const std::string said = shell.read_until("READY");
  ASSERT_THAT(said, HasSubstr("READY"));
  const pid_t healthy = std::atoi(said.substr(said.find("job ") + 4).c_str());
  ASSERT_GT(healthy, 0);
  std::this_thread::sleep_for(500ms);
  const Result result = run_command(attach(healthy));
  expect_no_claim(result);
  EXPECT_THAT(result.output, HasSubstr("more in the same session)")) << "and are counted apart";
  std::vector<std::string> verbose = attach(healthy);
  verbose.push_back("-v");
  EXPECT_THAT(run_command(verbose).output, Not(HasSubstr("consumer_keeps_end.py")));
}

TEST(Check, SaysOfDescriptorsWhatAReportSays) {
  Process program({kHealthy + "lock_holder_sleeps"}, false);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  const Result check = run_command({IPCDOCTOR_BINARY, "check"});
  const Result report = run_command(attach(program.pid()));
  const bool gap = report.output.find("not seen: descriptors of") != std::string::npos;
  if (!gap) return;  // it may still advise, as on a PID namespace
  EXPECT_THAT(check.output, Not(HasSubstr("Everything can be seen"))) << report.output;
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
