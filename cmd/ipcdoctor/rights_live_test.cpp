#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "process_for_tests.h"

/// Who may see less is told what and why, claims nothing of a healthy program, and `check` says the
/// same beforehand. Prints what is said as a table.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kAs = "setpriv --reuid 12345 --regid 12345 --clear-groups ";
const std::string kNoPtrace = "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace ";
const std::string kHidden = "mount -t proc -o hidepid=2 proc /proc && ";

/// One line of the table: who looks at whom.
struct Situation {
  std::string name;
  std::string target;   ///< before the program, for sh
  std::string looks;    ///< before ipcdoctor, for sh
  std::string expects;  ///< what a person is told, in the report or instead of it
  int refused = -1;     ///< a system call
};

const std::vector<Situation> kSituations = {
    {"root", "", "", "no deadlock"},
    {"root without CAP_SYS_PTRACE", "", kNoPtrace, "lacks a capability"},
    {"root without it, another user's", kAs, kNoPtrace, "lacks a capability"},
    {"a user, his own", kAs, kAs, "no deadlock"},
    {"a user, root's", "", kAs, "belongs to another user (uid 0): sudo"},
    {"a user namespace, outside", "", "unshare -Ur ", "outside of the user namespace"},
    {"inside of a PID namespace, outside", "", "unshare -pf --mount-proc ",
     "in this PID namespace"},
    {"outside of one, inside", "unshare -pf --mount-proc ", "", "no deadlock"},
    {"hidepid, root's", "", "unshare -m sh -c '" + kHidden + "exec " + kAs + "\"$0\" \"$@\"' ",
     "/proc hides it (hidepid"},
    {"hidepid, his own", kAs, "unshare -m sh -c '" + kHidden + "exec " + kAs + "\"$0\" \"$@\"' ",
     "hidepid"},
    {"seccomp: kcmp", "", "", "", SYS_kcmp},
    {"seccomp: pidfd_getfd", "", "", "", SYS_pidfd_getfd},
    {"seccomp: process_vm_readv", "", "", "no deadlock", SYS_process_vm_readv},
    {"seccomp: bpf", "", "", "no deadlock", SYS_bpf},
    {"seccomp: socket", "", "", "", SYS_socket},
    {"seccomp: statx", "", "", "", SYS_statx},
};

Result look(const Situation& situation, const std::string& arguments) {
  return run_command({"sh", "-c", "exec " + situation.looks + IPCDOCTOR_BINARY " " + arguments},
                     [&] {
                       if (situation.refused >= 0)
                         filter_call(situation.refused, SECCOMP_RET_ERRNO | EPERM);
                     });
}

/// The lines of a text that hold one of the words, or the first line.
std::string told(const Result& result) {
  std::istringstream text(result.output);
  std::string first, gaps, line;
  while (std::getline(text, line)) {
    if (first.empty()) first = line;
    if (line.starts_with("not seen:")) gaps += "; " + line;
  }
  return first + gaps;
}

/// The process of the program itself, below whatever started it.
pid_t innermost(pid_t pid) {
  for (;;) {
    const std::string children =
        read_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    const pid_t child = std::atoi(children.c_str());
    if (child <= 0) return pid;
    pid = child;
  }
}

TEST(Rights, AreToldWhereTheyAreMissing) {
  if (::geteuid() != 0 || run_command({"unshare", "-mpf", "--mount-proc", "true"}).exit_code != 0 ||
      run_command({"unshare", "-Ur", "true"}).exit_code != 0)
    GTEST_SKIP() << "no right to make namespaces";
  if (run_command({"sh", "-c", kAs + IPCDOCTOR_BINARY " --version"}).exit_code != 0)
    GTEST_SKIP() << "another user may not run " IPCDOCTOR_BINARY;
  const std::string program = std::string(IPCDOCTOR_PROGRAMS) + "/healthy/lock_holder_sleeps";
  for (const Situation& situation : kSituations) {
    SCOPED_TRACE(situation.name);
    Process target({"sh", "-c", "exec " + situation.target + program}, false);
    ASSERT_THAT(target.read_until("READY"), HasSubstr("READY"));
    const pid_t pid = innermost(target.pid());
    const Result report = look(situation, "attach " + std::to_string(pid));
    const Result check = look(situation, "check");
    const bool all = check.output.find("Everything can be seen") != std::string::npos;
    std::cout << situation.name << "\n    exit code " << report.exit_code << ": " << told(report)
              << "\n    check: " << (all ? "everything can be seen" : "not everything") << '\n';

    EXPECT_THAT(report.exit_code, AnyOf(0, 3, 4)) << report.output;
    EXPECT_THAT(report.output, Not(HasSubstr("DEADLOCK")));
    EXPECT_THAT(report.output, Not(HasSubstr("STUCK")));
    EXPECT_THAT(report.output, HasSubstr(situation.expects));
    const bool gap = report.output.find("not seen:") != std::string::npos;
    if (report.exit_code == 3) {
      EXPECT_TRUE(gap) << report.output;
    }
    EXPECT_FALSE(all && (gap || report.exit_code != 0)) << report.output << check.output;
  }
}

/// What the kernel protects from other processes of the same user, too.
TEST(Rights, OfTheSameUserAreNotEnoughForProtectedProcesses) {
  if (::geteuid() != 0 ||
      run_command({"sh", "-c", kAs + IPCDOCTOR_BINARY " --version"}).exit_code != 0)
    GTEST_SKIP() << "another user may not run " IPCDOCTOR_BINARY;
  const fs::path copy = fs::temp_directory_path() / ("set_user_id_" + std::to_string(::getpid()));
  fs::copy_file(std::string(IPCDOCTOR_PROGRAMS) + "/healthy/lock_holder_sleeps", copy);
  ::chmod(copy.c_str(), 04755);
  {
    Process target({"sh", "-c", "exec " + kAs + copy.string()}, false);
    ASSERT_THAT(target.read_until("READY"), HasSubstr("READY"));
    const Result report =
        run_command({"sh", "-c", kAs + IPCDOCTOR_BINARY " attach " + std::to_string(target.pid())});
    std::cout << "set-user-id, its user\n    exit code " << report.exit_code << ": " << told(report)
              << '\n';
    EXPECT_EQ(report.exit_code, 4);
    EXPECT_EQ(std::ranges::count(report.output, '\n'), 1) << report.output;
  }
  fs::remove(copy);
  Process target({"sh", "-c", "exec " + kAs + "sleep 1000"}, false, [] {});
  for (int i = 0;
       i < 200 &&
       !read_file("/proc/" + std::to_string(target.pid()) + "/cmdline").starts_with("sleep");
       ++i)
    std::this_thread::sleep_for(10ms);
  EXPECT_THAT(
      run_command({"sh", "-c", kAs + IPCDOCTOR_BINARY " attach " + std::to_string(target.pid())})
          .exit_code,
      AnyOf(0, 3));
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
