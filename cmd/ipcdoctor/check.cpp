#include <linux/netlink.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <fstream>
#include <iostream>
#include <vector>

#include "commands.h"
#include "exit_code.h"
#include "linux/capabilities.h"
#include "linux/kcmp.h"
#include "linux/namespaces.h"
#include "linux/pidfd.h"
#include "linux/proc_dir.h"
#include "linux/process_memory.h"
#include "linux/sock_diag.h"
#include "linux/task_iterator.h"
#include "linux/unique_fd.h"
#include "report/layout.h"
#include "reports.h"

namespace ipcdoctor::cmd {
namespace {

std::string status_field(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":"))
      return line.substr(line.find_first_not_of(": \t", name.size()));
  }
  return "";
}

bool can_read(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return static_cast<bool>(std::getline(file, line));
}

/// A child of ours that blocks, so that reading it harms nobody.
class Patient {
 public:
  Patient() {
    int ends[2];
    if (::pipe(ends) != 0) return;
    pipe_ = ends[0];
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      char byte = 0;
      (void)!::read(ends[0], &byte, 1);  // until it is killed
      ::_exit(0);
    }
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Patient(const Patient&) = delete;
  Patient& operator=(const Patient&) = delete;
  ~Patient() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Pid pid() const { return Pid{pid_}; }
  int pipe() const { return pipe_; }  ///< its descriptor of one
  std::string file(const std::string& name) const {
    return "/proc/" + std::to_string(pid_) + "/" + name;
  }

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

bool can_read_memory_of(Pid pid) {
  static const int kWord = 0;  // of which a fork has a copy at the same address
  const auto dir = linux::ProcDir::open(pid);
  const auto memory =
      dir ? linux::ProcessMemory::open(*dir) : Result<linux::ProcessMemory>(dir.error());
  return memory && memory->read_u32(RemoteAddr{reinterpret_cast<std::uintptr_t>(&kWord)});
}

/// Whether what a process has open can be seen: its list, and what each means.
bool shows_descriptors(Pid pid) {
  const auto dir = linux::ProcDir::open(pid);
  if (!dir) return dir.error().cause == Cause::Gone;
  const auto fds = dir->list_numbers("fd");
  if (!fds) return fds.error().cause == Cause::Gone;
  if (fds->empty()) return true;  // a kernel thread
  const auto link = dir->read_link("fd/" + std::to_string(fds->front()));
  return link || link.error().cause == Cause::Gone;
}

class Check {
 public:
  int run() {
    utsname system{};
    ::uname(&system);
    line("kernel", system.release);
    line("user", ::geteuid() == 0 ? "root" : "uid " + std::to_string(::geteuid()));
    check_ptrace();
    check_namespaces();
    check_descriptors();
    check_kernel();
    std::cout << (advice_.empty() ? "\nEverything can be seen.\n"
                                  : "\nTo see the rest:\n" + advice_);
    return advice_.empty() ? kNoFinding : kBlindSpots;
  }

 private:
  static void line(const std::string& name, const std::string& value) {
    constexpr std::size_t kValues = 26;  // the column of values
    const std::string padded =
        name + std::string(name.size() < kValues ? kValues - name.size() : 1, ' ');
    std::cout << wrapped(value, padded, std::string(kValues, ' '));
  }

  void advise(const std::string& text) { advice_ += wrapped(text, "  - ", "    "); }

  static std::string wrapped(const std::string& text, const std::string& first,
                             const std::string& rest) {
    return report::wrap(text, static_cast<std::size_t>(width_of(STDOUT_FILENO)), first, rest);
  }

  void check_ptrace() {
    const Result<linux::OwnRights> read = linux::read_own_rights();
    if (!read) {
      line("rights", to_string(read.error()));
      return advise("mount /proc");
    }
    rights_ = *read;
    line("CAP_SYS_PTRACE", rights_.can_ptrace() ? "yes: the processes of every user"
                                                : "no: only those of the same user");
    if (!rights_.can_ptrace())
      advise("run it as root, or: sudo setcap cap_sys_ptrace+ep \"$(command -v ipcdoctor)\"");
    static const char* const kScopes[] = {
        "0: all processes of the same user", "1: only our own descendants",
        "2: only with CAP_SYS_PTRACE", "3: nobody, until the next boot"};
    const int scope = rights_.ptrace_scope;
    line("ptrace_scope (Yama)", scope >= 0 && scope <= 3 ? kScopes[scope] : "unknown");
    if (scope == 1 && !rights_.can_ptrace()) {
      advise(
          "sudo sysctl kernel.yama.ptrace_scope=0, or start the program with `ipcdoctor run -- "
          "COMMAND`");
    }
    if (scope == 2 && !rights_.can_ptrace()) advise("sudo sysctl kernel.yama.ptrace_scope=0");
    if (scope == 3)
      advise("ptrace_scope 3 forbids reading calls and memory of others until the next boot");
    // then Yama refuses what a container could refuse, too
    refused_by_yama_ = scope == 3 || (scope == 2 && !rights_.can_ptrace());
    const Patient patient;
    const bool calls = can_read(patient.file("syscall"));
    line("blocked calls",
         calls ? "yes" : "no: /proc/PID/syscall of a child of ours cannot be read");
    if (!calls && !refused_by_yama_)
      advise("allow ptrace in this container: docker run --cap-add SYS_PTRACE");
    const bool memory = can_read(patient.file("maps")) && can_read_memory_of(patient.pid());
    line("locks held (memory)", memory ? "yes" : "no: /proc/PID/mem of a child of ours");
    if (calls && !memory && !refused_by_yama_)
      advise("allow ptrace in this container: docker run --cap-add SYS_PTRACE");
    check_calls(patient);
    const auto tasks = linux::read_kernel_tasks();
    line("registers and alarms",
         tasks ? "yes, by a BPF iterator"
               : "not all, stacks are guessed in parts: " + to_string(tasks.error()));
    line("kernel stacks",
         can_read(patient.file("stack")) ? "yes" : "no (root only; rarely needed)");
  }

  /// System calls that profiles of containers refuse.
  void check_calls(const Patient& patient) {
    const auto order =
        linux::compare_tasks(linux::Kcmp::Vm, Tid{::getpid()}, Tid{patient.pid().value});
    line("what processes share",
         order ? "yes" : "not surely, without kcmp(2): " + to_string(order.error()));
    const auto pidfd = linux::open_pidfd(patient.pid());
    const auto fill = pidfd ? linux::read_pipe_fill(*pidfd, patient.pipe())
                            : Result<linux::PipeFill>(pidfd.error());
    line("what pipes hold", fill ? "yes" : "no: " + to_string(fill.error()));
    if (!order || (!fill && !refused_by_yama_))
      advise(
          "let this container's seccomp profile allow kcmp(2) and pidfd_getfd(2), or run "
          "ipcdoctor outside of it");
  }

  void check_namespaces() {
    const bool initial = linux::in_init_pid_namespace().value_or(false);
    line("PID namespace",
         initial ? "the host's" : "a container's: processes outside of it are not seen");
    if (!initial)
      advise(
          "run ipcdoctor on the host, or in a container with --pid=host, to see holders outside");
    const bool first = linux::in_init_user_namespace().value_or(true);
    line("user namespace", first ? "the host's" : "another one: rights count in it alone");
    if (!first) advise("run ipcdoctor outside of this user namespace to look at what is outside");
    line("/proc",
         rights_.hides_pids ? "hides the processes of others (hidepid)" : "shows all processes");
    if (rights_.hides_pids) advise("sudo mount -o remount,hidepid=off /proc, or run as root");
  }

  /// As a report will say it: one process that may not be looked into may hold any pipe.
  void check_descriptors() {
    const auto proc = linux::ProcDir::open_system();
    const auto pids = proc ? proc->list_numbers(".") : proc.error();
    if (!pids) {
      line("descriptors", to_string(pids.error()));
      return advise("mount /proc");
    }
    std::vector<int> hidden;
    for (const int pid : *pids)
      if (!shows_descriptors(Pid{pid})) hidden.push_back(pid);
    if (hidden.empty()) return line("descriptors", "of all processes");
    constexpr std::size_t kShown = 4;
    std::string who;
    for (std::size_t i = 0; i < hidden.size() && i < kShown; ++i)
      who += (i == 0 ? "PID " : ", ") + std::to_string(hidden[i]);
    if (hidden.size() > kShown) who += ", ...";
    line("descriptors", "not of " + std::to_string(hidden.size()) + " of " +
                            std::to_string(pids->size()) + " processes: " + who);
    if (rights_.can_ptrace())
      advise(
          "even with CAP_SYS_PTRACE these may not be looked into, as a security module or another "
          "user namespace protects them: run ipcdoctor on the host, outside of any container");
  }

  void check_kernel() {
    constexpr std::chrono::milliseconds kPatience{1000};
    const auto local = linux::read_unix_sockets(kPatience);
    const auto remote = linux::read_inet_sockets(kPatience);
    const bool both = local && remote;
    line("peers of sockets",
         both ? "yes" : "no: " + to_string(local ? remote.error() : local.error()));
    if (!both) advise("sudo modprobe -a unix_diag inet_diag tcp_diag udp_diag");
    const std::string seccomp = status_field("Seccomp");
    line("seccomp",
         seccomp == "0" || seccomp.empty() ? "none" : "filtered: some reads may be refused");
    line("file locks", ::access("/proc/locks", R_OK) == 0 ? "yes" : "no");
  }

  linux::OwnRights rights_;
  std::string advice_;
  bool refused_by_yama_ = false;
};

}  // namespace

void add_check(CLI::App& app, Command& command) {
  CLI::App* check_command =
      app.add_subcommand("check", "what you may see here, and how to get the rest");
  check_command->footer("\nExample: ipcdoctor check; sudo ipcdoctor check");
  check_command->callback([&command] { command = [] { return Check{}.run(); }; });
}

}  // namespace ipcdoctor::cmd
