#include "github_actions.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/text.h"

namespace ipcdoctor::cmd {

bool in_github_actions() {
  const char* set = std::getenv("GITHUB_ACTIONS");
  return set != nullptr && std::string_view(set) == "true";
}

std::string stop_commands(std::string_view text) {
  const std::string broken = break_workflow_commands(text);
  std::array<std::uint64_t, 2> random{};
  // without a random word the runner goes on to look for commands, and finds broken ones
  if (::getrandom(random.data(), sizeof random, 0) != sizeof random) return broken;
  const std::string word = fmt::format("ipcdoctor-{:016x}{:016x}", random[0], random[1]);
  return "::stop-commands::" + word + "\n" + broken + (broken.ends_with('\n') ? "" : "\n") +
         "::" + word + "::\n";
}

}  // namespace ipcdoctor::cmd
