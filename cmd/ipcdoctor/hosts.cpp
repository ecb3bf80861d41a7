#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <thread>

#include "commands.h"
#include "engine.h"
#include "examine.h"
#include "exit_code.h"
#include "linux/unique_fd.h"
#include "reports.h"
#include "snapshot/join.h"
#include "snapshot_file.h"
#include "telling.h"
#include "watch/child.h"

namespace ipcdoctor::cmd {
namespace {

using Clock = std::chrono::steady_clock;
using Snapshots = std::vector<snapshot::Snapshot>;

struct HostsOptions {
  std::string via;
  std::string program;
  std::vector<std::string> variables;
  std::string slurm;
  std::string remote = "ipcdoctor";
  int rounds = 2;
  bool dry_run = false;
  std::chrono::milliseconds timeout{60000};
  ReportOptions report;
};

/// A folder that is gone with this object.
class Folder {
 public:
  static Result<Folder> make() {
    std::string path = (std::filesystem::temp_directory_path() / "ipcdoctor-hosts.XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) return Error{cause_of(errno), errno, "make " + path};
    return Folder(std::move(path));
  }
  Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    std::error_code ignored;  // what is left lies among temporary files
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// An engine that runs, in a session of its own.
struct Running {
  std::string host;
  pid_t pid = -1;
  int status = -1;
  bool is_over = false;
};

Result<Pid> start_engine(const Words& words, const std::string& output) {
  const linux::UniqueFd in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const linux::UniqueFd out(::open(output.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!in.is_open() || !out.is_open()) return Error{cause_of(errno), errno, "write " + output};
  return watch::start_child(words,
                            {.session = watch::Session::Own, .in = in.get(), .out = out.get()});
}

void wait_for(std::vector<Running>& engines, Clock::time_point deadline) {
  Telling telling("waiting for the hosts");
  for (;;) {
    telling.tick();
    bool all_over = true;
    for (Running& one : engines) {
      if (!one.is_over) one.is_over = ::waitpid(one.pid, &one.status, WNOHANG) == one.pid;
      all_over = all_over && one.is_over;
    }
    if (all_over || Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (Running& one : engines) {
    if (one.is_over) continue;
    (void)::kill(-one.pid, SIGKILL);  // it may have ended just now
    (void)::waitpid(one.pid, &one.status, 0);
  }
}

std::string ending_of(const Running& engine) {
  if (!engine.is_over) return "no answer in time";
  if (WIFSIGNALED(engine.status))
    return "ended by signal " + std::to_string(WTERMSIG(engine.status));
  return "exit code " + std::to_string(WEXITSTATUS(engine.status));
}

Words remote_command(const HostsOptions& options, const std::string& token) {
  Words words{options.remote, "save", "-o", "-"};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (value.empty()) return;
    words.push_back(name);
    words.push_back(value);
  };
  add("--program", options.program);
  for (const std::string& variable : options.variables) add("--env", variable);
  add("--slurm", options.slurm);
  add("--after", token);
  return words;
}

/// Starts the engine and says who did not answer. @return what came back
Result<Snapshots> run_round(const HostsOptions& options, const Words& via,
                            const std::string& folder, const std::string& token) {
  std::error_code failure;
  std::filesystem::create_directory(folder, failure);
  std::vector<Running> engines;
  for (const Start& start : starts_of(via, remote_command(options, token), folder)) {
    const std::string output = folder + "/out." + std::to_string(engines.size());
    const auto pid = start_engine(start.words, output);
    if (!pid) {
      wait_for(engines, Clock::now());
      return pid.error();
    }
    engines.push_back({start.host, pid->value, -1, false});
  }
  wait_for(engines, Clock::now() + options.timeout);
  for (const Running& one : engines) {
    if (one.is_over && one.status == 0) continue;
    const std::string who = one.host.empty() ? via.front() : via.front() + " " + one.host;
    std::cerr << "ipcdoctor: " << who << ": " << ending_of(one) << '\n';
  }
  return load_below(folder);
}

void say_who_did_not_return(const Snapshots& first, const Snapshots& second) {
  std::set<std::string> names;
  for (const snapshot::Snapshot& one : first) names.insert(one.host);
  for (const snapshot::Snapshot& one : second) names.erase(one.host);
  for (const std::string& name : names)
    std::cerr << "ipcdoctor: " << name << " did not answer the second time\n";
}

int dry_run(const HostsOptions& options, const Words& via) {
  for (int round = 1; round <= options.rounds; ++round) {
    const std::string token = round == 1 ? "" : "TOKEN";
    for (const Start& start : starts_of(via, remote_command(options, token), "DIR"))
      std::cout << quoted_words(start.words) << '\n';
  }
  return kNoFinding;
}

int hosts(const HostsOptions& options) {
  const Result<Words> via = split_words(options.via);
  if (!via) return fail(kUsage, "--via: " + via.error().what);
  if (options.dry_run) return dry_run(options, *via);
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  const Result<Folder> folder = Folder::make();
  if (!folder) return fail(kUsage, words_of(folder.error()));
  Snapshots all;
  for (int round = 1; round <= options.rounds; ++round) {
    const std::string token = round == 1 ? "" : snapshot::token_of(all);
    auto some = run_round(options, *via, folder->path() + "/" + std::to_string(round), token);
    if (!some) return fail(kNoTarget, words_of(some.error()));
    if (round == 2) say_who_did_not_return(all, *some);
    std::ranges::move(*some, std::back_inserter(all));
    if (all.empty()) return fail(kNoTarget, "no host has answered");
  }
  const bool found =
      std::ranges::any_of(all, [](const snapshot::Snapshot& one) { return !one.targets.empty(); });
  if (!found) return fail(kNoTarget, "no such program runs on any of the hosts");
  Result<snapshot::Snapshot> joined = snapshot::join(std::move(all));
  if (!joined) return fail(kUsage, words_of(joined.error()));
  return report_on(examine(*std::move(joined)), options.report);
}

}  // namespace

void add_hosts(CLI::App& app, Command& command) {
  auto options = std::make_shared<HostsOptions>();
  CLI::App* hosts_command =
      app.add_subcommand("hosts", "one verdict over a program that runs on several hosts");
  hosts_command
      ->add_option("--via", options->via,
                   "what starts a command on all hosts: ssh, kubectl exec (with a list of hosts or "
                   "pods), pdsh, clush, mpirun, srun, ansible")
      ->required()
      ->type_name("COMMAND");
  hosts_command->add_option("--program", options->program, "as of `save`")->type_name("NAME");
  hosts_command->add_option("--env", options->variables, "as of `save`")->type_name("NAME=VALUE");
  hosts_command->add_option("--slurm", options->slurm, "as of `save`")->type_name("JOB[.STEP]");
  hosts_command
      ->add_option("--rounds", options->rounds, "how often to look: 1, or 2 for proofs (2)")
      ->check(CLI::Range(1, 2))
      ->type_name("N");
  hosts_command
      ->add_option("--remote", options->remote, "where ipcdoctor is on the hosts (ipcdoctor)")
      ->type_name("PATH");
  hosts_command->add_flag("--dry-run", options->dry_run, "print the commands, start none");
  add_duration(*hosts_command, "--timeout", options->timeout,
               "for each look; who has not answered is told (60s)", Zero::Refused);
  add_report_options(*hosts_command, options->report);
  hosts_command->footer("\nExample: ipcdoctor hosts --via 'clush -w h[1-3]' --program app");
  hosts_command->callback([options, &command] {
    if (options->program.empty() && options->variables.empty() && options->slurm.empty())
      throw CLI::RequiredError("--program, --env or --slurm");
    command = [options] { return hosts(*options); };
  });
}

}  // namespace ipcdoctor::cmd
