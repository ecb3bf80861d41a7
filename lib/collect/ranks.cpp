#include "collect/ranks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "base/text.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

/// The variables of one launcher; "" where it has none.
struct Launcher {
  std::string_view rank, size, job, step;
};

/// The first that gives a rank counts: those of MPI's own launchers before those of Slurm, which
/// also start them.
constexpr std::array kLaunchers = {
    Launcher{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_NAMESPACE", ""},
    Launcher{"PMIX_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_NAMESPACE", ""},
    Launcher{"PMI_RANK", "PMI_SIZE", "PMI_JOBID", ""},
    Launcher{"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"},
    Launcher{"SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_STEP_ID"},
};

int number_in(std::string_view text) {
  int number = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc{} && end == text.data() + text.size();
  return whole && number >= 0 ? number : -1;
}

}  // namespace

snapshot::Rank parse_rank(std::string_view environment) {
  std::map<std::string_view, std::string_view> known;
  while (!environment.empty()) {
    const std::string_view entry = environment.substr(0, environment.find('\0'));
    environment.remove_prefix(std::min(entry.size() + 1, environment.size()));
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    known.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  const auto value = [&](std::string_view name) {
    const auto it = known.find(name);
    return it == known.end() ? std::string_view() : it->second.substr(0, 256);
  };
  for (const Launcher& launcher : kLaunchers) {
    const int number = number_in(value(launcher.rank));
    if (number < 0) continue;
    std::string job(value(launcher.job));
    if (!value(launcher.step).empty()) job += "." + std::string(value(launcher.step));
    return {escape_untrusted(job), number, number_in(value(launcher.size)),
            std::string(launcher.rank)};
  }
  return {};
}

void read_ranks(System& system) {
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || system.progress().is_late()) continue;
    const Risk risk(system.progress(), process->pid, Fact::Environment);
    if (!risk.allowed()) continue;
    const auto bytes = process->dir->read("environ", kMaxBytes);
    if (bytes) process->out.rank = parse_rank(*bytes);
  }
}

}  // namespace ipcdoctor::collect
