#include "runtime/known_programs.h"

#include <algorithm>
#include <csignal>

namespace ipcdoctor::runtime {
namespace {

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

constexpr std::uint64_t kInterrupt = bit(SIGINT);
constexpr std::uint64_t kEnding = bit(SIGHUP) | bit(SIGINT) | bit(SIGQUIT) | bit(SIGTERM);
constexpr std::uint64_t kUser = bit(SIGUSR1) | bit(SIGUSR2);

struct Row {
  std::string_view program;
  std::uint64_t signals;
  std::uint32_t effects;  ///< of each of the handlers
  std::string_view does;
};

constexpr Row kRows[] = {
    {"ash", kInterrupt, snapshot::kExits, "ends the shell"},
    {"bash", kInterrupt, snapshot::kExits, "ends the shell"},
    {"dash", kInterrupt, snapshot::kExits, "ends the shell"},
    {"ksh93", kInterrupt, snapshot::kExits, "ends the shell"},
    {"mksh", kInterrupt, snapshot::kExits, "ends the shell"},
    {"zsh", kInterrupt, snapshot::kExits, "ends the shell"},
    {"sort", kEnding | kUser, snapshot::kExits, "removes temporary files and ends"},
    {"csplit", kEnding | kUser, snapshot::kExits, "removes temporary files and ends"},
    {"make", kEnding, snapshot::kExits, "ends the recipes and make"},
    {"ninja", kEnding, snapshot::kExits, "ends the jobs and ninja"},
    {"xargs", kUser, 0, "changes the number of slots"},
    {"gzip", kEnding, snapshot::kExits, "removes the output and ends"},
    {"git", kEnding, snapshot::kExits, "removes temporary files and ends"},
    {"node", bit(SIGINT) | bit(SIGTERM), snapshot::kExits, "resets the terminal and ends"},
    {"nodejs", bit(SIGINT) | bit(SIGTERM), snapshot::kExits, "resets the terminal and ends"},
};

/// Through this one a program of Node's gets the signals that it asked for (process.on()).
constexpr std::string_view kOfPrograms = "uv__signal_handler";

/// The last component, without what the kernel adds for a file that was replaced.
std::string_view file_name(std::string_view exe) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (exe.ends_with(kDeleted)) exe.remove_suffix(kDeleted.size());
  return exe.substr(exe.rfind('/') + 1);
}

}  // namespace

std::vector<snapshot::Handler> known_handlers(std::string_view exe, std::uint64_t caught) {
  std::vector<snapshot::Handler> handlers;
  const std::string_view name = file_name(exe);
  for (const Row& row : kRows) {
    if (row.program != name) continue;
    for (int signal = 1; signal <= 64; ++signal) {
      if ((caught & row.signals & bit(signal)) == 0) continue;
      handlers.push_back(
          {signal, true, true, std::string(name), snapshot::effects_of(row.effects, row.does)});
    }
  }
  return handlers;
}

bool is_of_program(const snapshot::Handler& handler) {
  return handler.name.starts_with(kOfPrograms);
}

std::optional<snapshot::Effects> known_effects(std::string_view exe, std::string_view name) {
  constexpr std::string_view kEndingHandlers[] = {
      "termsig_sighandler", "sigint_sighandler", "wait_sigint_handler"};  // bash 5.2, sig.c, jobs.c
  if (file_name(exe) != "bash") return std::nullopt;
  const std::string_view function = name.substr(0, name.find(' '));
  if (std::ranges::find(kEndingHandlers, function) == std::end(kEndingHandlers))
    return std::nullopt;
  return snapshot::effects_of(snapshot::kExits, "ends the shell");
}

}  // namespace ipcdoctor::runtime
