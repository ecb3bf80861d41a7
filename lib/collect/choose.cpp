#include "collect/choose.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "collect/command_line.h"
#include "collect/helper.h"
#include "collect/targets.h"
#include "linux/proc_dir.h"
#include "linux/proc_stat.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_program(const linux::ProcDir& dir, const linux::Stat& stat, Progress& progress, Pid pid,
                const std::string& name) {
  if (stat.comm == name) return true;
  if (const auto exe = dir.read_link("exe"); exe && last_part(*exe) == name) return true;
  const Risk risk(progress, pid, Fact::CommandLine);
  const auto bytes = risk.allowed() ? dir.read("cmdline", kMaxBytes) : Result<std::string>();
  if (!bytes) return false;
  const std::vector<std::string> args = parse_command_line(*bytes, Argv::Names);
  // "..." stands for what is neither the program nor a script
  return std::ranges::any_of(args, [&](const std::string& arg) {
    return !arg.starts_with('-') && last_part(arg) == name;
  });
}

bool has_variables(const linux::ProcDir& dir, Progress& progress, Pid pid,
                   const std::vector<std::pair<std::string, std::string>>& variables) {
  if (variables.empty()) return true;
  const Risk risk(progress, pid, Fact::Environment);
  const auto bytes = risk.allowed() ? dir.read("environ", kMaxBytes) : Result<std::string>();
  if (!bytes) return false;
  const std::string text = std::string(1, '\0') + *bytes + '\0';
  return std::ranges::all_of(variables, [&](const auto& variable) {
    const std::string entry =
        std::string(1, '\0') + variable.first + "=" + variable.second + std::string(1, '\0');
    return text.find(entry) != std::string::npos;
  });
}

std::vector<int> fitting(const Choice& choice, Progress& progress) {
  std::vector<int> found;
  const auto proc = linux::ProcDir::open_system();
  const auto pids = proc ? proc->list_numbers(".") : Result<std::vector<int>>(proc.error());
  if (!pids) return found;
  for (const int number : *pids) {
    if (progress.is_late()) break;
    const Pid pid{number};
    const auto dir = linux::ProcDir::open(pid);
    const auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
    if (!stat || stat->is_kernel_thread() || stat->has_exited()) continue;
    const bool fits =
        (choice.program.empty() || is_program(*dir, *stat, progress, pid, choice.program)) &&
        has_variables(*dir, progress, pid, choice.variables);
    if (fits) found.push_back(number);
  }
  return found;
}

}  // namespace

Result<std::vector<Pid>> find_targets(const Choice& choice, const Options& options) {
  const auto answer = run_in_helper({options.deadline, options.patience, false},
                                    [&](Progress& progress, const Send& send) {
                                      std::string text;
                                      for (const int pid : fitting(choice, progress))
                                        text += std::to_string(pid) + " ";
                                      send(text);
                                    });
  if (!answer) return answer.error();
  std::vector<Pid> targets;
  std::optional<Error> denied;
  std::istringstream numbers(*answer);
  for (int number = 0; numbers >> number;) {
    const Status status = check_target(Pid{number});
    if (status)
      targets.push_back(Pid{number});
    else if (status.error().cause == Cause::Denied)
      denied = status.error();
  }
  if (targets.empty() && denied) return *denied;
  return targets;
}

}  // namespace ipcdoctor::collect
