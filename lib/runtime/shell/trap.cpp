#include "runtime/shell/trap.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace ipcdoctor::runtime::shell {
namespace {

using snapshot::Effects;

constexpr std::size_t kMaxTrap = 1024;
constexpr std::uint64_t kLeastAddress = 4096;  // smaller ones mean "default" and "ignored"

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_assignment(std::string_view command) {
  const auto end = command.find('=');
  return end != command.npos && end > 0 && command.find(' ') == command.npos &&
         std::ranges::all_of(command.substr(0, end),
                             [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; }) &&
         std::isdigit(static_cast<unsigned char>(command[0])) == 0;
}

/// One simple command. false: it may do anything.
bool add_command(std::string_view command, Effects& effects) {
  constexpr std::string_view kToStderr = ">&2";
  const bool to_stderr = command.ends_with(kToStderr);
  if (to_stderr) command = trimmed(command.substr(0, command.size() - kToStderr.size()));
  if (command.find_first_of("`<>|&(){}") != command.npos) return false;
  const std::string_view word = command.substr(0, command.find(' '));
  if (command.empty() || word == ":" || word == "true" || is_assignment(command)) return true;
  if (word == "exit") {
    effects.mask |= snapshot::kLeaves;
    return true;
  }
  if (word != "echo" && word != "printf") return false;
  effects.mask |= snapshot::kWrites;
  effects.fds.push_back(to_stderr ? 2 : 1);
  return true;
}

/// What runs behind `exit` does not.
std::optional<Effects> effects_of_text(std::string_view text) {
  Effects effects = snapshot::effects_of(0, "");
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(";\n"), text.size());
    if (!add_command(trimmed(text.substr(0, end)), effects)) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  std::ranges::sort(effects.fds);
  const auto same = std::ranges::unique(effects.fds);
  effects.fds.erase(same.begin(), same.end());
  effects.summary = effects.may(snapshot::kLeaves)   ? "ends the script"
                    : effects.may(snapshot::kWrites) ? "prints"
                                                     : "sets variables";
  return effects;
}

}  // namespace

std::optional<Effects> read_trap(const linux::AddressSpace& space, unwind::Images& images,
                                 int signal, bool in_wait) {
  const auto executing = images.address_of(space, "bash", "executing_builtin");
  const auto traps = images.address_of(space, "bash", "trap_list");
  if (!executing || !traps || signal < 1 || signal > 64) return std::nullopt;
  const auto in_builtin = space.memory.read_u32(*executing);
  if (!in_builtin) return std::nullopt;
  if (*in_builtin == 0) return snapshot::effects_of(0, "waits until the command has ended");
  const auto text =
      space.memory.read_u64(RemoteAddr{traps->value + 8 * static_cast<std::uint64_t>(signal)});
  if (!text || *text < kLeastAddress) return std::nullopt;
  const auto code = space.memory.read_string(RemoteAddr{*text}, kMaxTrap);
  if (!code || code->size() >= kMaxTrap) return std::nullopt;
  auto effects = effects_of_text(*code);
  if (in_wait && effects && !effects->may(snapshot::kLeaves)) return std::nullopt;
  return effects;
}

}  // namespace ipcdoctor::runtime::shell
