#include "collect/command_line.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::size_t kMaxBytes = 64 << 10;
constexpr std::size_t kMaxArgs = 256;
constexpr std::string_view kRedacted = "***";

bool names_a_secret(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kWords = {"password", "passwd",  "passphrase",
                                                             "secret",   "token",   "apikey",
                                                             "api_key",  "api-key", "credential"};
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::any_of(
      kWords, [&](std::string_view word) { return lower.find(word) != std::string::npos; });
}

/// "scheme://user:secret@host".
void redact_url(std::string& text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string::npos) return;
  const std::size_t at = text.find('@', scheme);
  const std::size_t colon = text.find(':', scheme + 3);
  if (at == std::string::npos || colon == std::string::npos || colon > at) return;
  text.replace(colon + 1, at - colon - 1, kRedacted);
}

}  // namespace

std::vector<std::string> parse_command_line(std::string_view bytes) {
  std::vector<std::string> args;
  bool next_is_secret = false;
  while (!bytes.empty() && args.size() < kMaxArgs) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    std::string arg(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    const std::size_t equals = arg.find('=');
    const bool is_option = arg.starts_with('-');
    if (next_is_secret && !is_option) {
      arg = kRedacted;
      next_is_secret = false;
    } else if (equals < 64 && names_a_secret(std::string_view(arg).substr(0, equals))) {
      arg.replace(equals + 1, std::string::npos, kRedacted);
    } else {
      next_is_secret = is_option && names_a_secret(arg);
      redact_url(arg);
    }
    args.push_back(escape_untrusted(arg));
  }
  return args;
}

void read_command_lines(System& system) {
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || system.progress().is_late()) continue;
    const Risk risk(system.progress(), process->pid, Fact::CommandLine);
    if (!risk.allowed()) continue;
    const auto bytes = process->dir->read("cmdline", kMaxBytes * 32);
    if (bytes)
      process->out.args = parse_command_line(std::string_view(*bytes).substr(0, kMaxBytes));
  }
}

}  // namespace ipcdoctor::collect
