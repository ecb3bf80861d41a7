#include "snapshot/known_programs.h"

#include <algorithm>
#include <csignal>

namespace ipcdoctor::snapshot {
namespace {

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

constexpr std::uint64_t kNone = 0;
constexpr std::uint64_t kInterrupt = bit(SIGINT);
constexpr std::uint64_t kEnding = bit(SIGHUP) | bit(SIGINT) | bit(SIGQUIT) | bit(SIGTERM);
constexpr std::uint64_t kUser = bit(SIGUSR1) | bit(SIGUSR2);
constexpr unsigned kFilter = kAnswersAtTheEnd;

struct Row {
  std::string_view program;   ///< perhaps with a version behind: "php8.2"
  std::string_view language;  ///< that it runs; "": it is none
  unsigned traits = 0;
  /// Handlers: of which signals, what each does.
  std::uint64_t signals = kNone;
  std::uint32_t effects = 0;
  std::string_view does = {};
};

constexpr Row kRows[] = {
    {"sh", "shell"},
    {"ash", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"bash", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"dash", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"fish", "shell"},
    {"ksh", "shell"},
    {"ksh93", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"mksh", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"zsh", "shell", 0, kInterrupt, kExits, "ends the shell"},
    {"java", "Java"},
    {"node", "Node", 0, kInterrupt | bit(SIGTERM), kExits, "resets the terminal and ends"},
    {"nodejs", "Node", 0, kInterrupt | bit(SIGTERM), kExits, "resets the terminal and ends"},
    {"perl", "Perl"},
    {"php", "PHP"},
    {"php-cgi", "PHP"},
    {"php-fpm", "PHP"},
    {"ruby", "Ruby"},
    {"make", "", kStartsJobs | kHasTokens, kEnding, kExits, "ends the recipes and make"},
    {"gmake", "", kHasTokens},
    {"ninja", "", 0, kEnding, kExits, "ends the jobs and ninja"},
    {"parallel", "", kStartsJobs},
    {"xargs", "", kStartsJobs, kUser, 0, "changes the number of slots"},
    {"sort", "", kFilter | kCatchesAll, kEnding | kUser, kExits,
     "removes temporary files and ends"},
    {"csplit", "", kCatchesAll, kEnding | kUser, kExits, "removes temporary files and ends"},
    {"b2sum", "", kFilter},
    {"cksum", "", kFilter},
    {"column", "", kFilter},
    {"md5sum", "", kFilter},
    {"sha1sum", "", kFilter},
    {"sha256sum", "", kFilter},
    {"sha512sum", "", kFilter},
    {"shuf", "", kFilter},
    {"tac", "", kFilter},
    {"tsort", "", kFilter},
    {"wc", "", kFilter},
    {"git", "", 0, kEnding, kExits, "removes temporary files and ends"},
    {"gzip", "", 0, kEnding, kExits, "removes the output and ends"},
};

/// Through this one a program of Node's gets the signals that it asked for (process.on()).
constexpr std::string_view kOfPrograms = "uv__signal_handler";

/// The last component, without what the kernel adds for a file that was replaced.
std::string_view file_name(std::string_view exe) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (exe.ends_with(kDeleted)) exe.remove_suffix(kDeleted.size());
  return exe.substr(exe.rfind('/') + 1);
}

const Row* find_row(std::string_view program) {
  const auto* row = std::ranges::find(kRows, program, &Row::program);
  return row == std::end(kRows) ? nullptr : row;
}

}  // namespace

std::string_view interpreted_by(std::string_view program) {
  const Row* row = find_row(program);
  if (row == nullptr)
    row = find_row(program.substr(0, program.find_last_not_of("0123456789.") + 1));
  return row == nullptr ? "" : row->language;
}

bool has_trait(const Process& process, Trait trait) {
  const Row* row = find_row(process.comm);
  return row != nullptr && (row->traits & trait) != 0;
}

std::vector<Handler> known_handlers(std::string_view exe, std::uint64_t caught) {
  std::vector<Handler> handlers;
  const std::string_view name = file_name(exe);
  const Row* row = find_row(name);
  for (int signal = 1; row != nullptr && signal <= 64; ++signal)
    if ((caught & row->signals & bit(signal)) != 0)
      handlers.push_back(
          {signal, true, true, std::string(name), effects_of(row->effects, row->does)});
  return handlers;
}

bool is_of_program(const Handler& handler) {
  return handler.name.starts_with(kOfPrograms);
}

std::optional<Effects> known_effects(std::string_view exe, std::string_view name) {
  constexpr std::string_view kEndingHandlers[] = {
      "termsig_sighandler", "sigint_sighandler", "wait_sigint_handler"};  // bash 5.2, sig.c, jobs.c
  if (file_name(exe) != "bash") return std::nullopt;
  const std::string_view function = name.substr(0, name.find(' '));
  if (std::ranges::find(kEndingHandlers, function) == std::end(kEndingHandlers))
    return std::nullopt;
  return effects_of(kExits, "ends the shell");
}

}  // namespace ipcdoctor::snapshot
