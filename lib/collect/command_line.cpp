#include "collect/command_line.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "collect/redact.h"

namespace ipcdoctor::collect {
namespace {

constexpr std::size_t kMaxBytes = 64 << 10;
constexpr std::size_t kMaxArgs = 256;
constexpr std::size_t kMaxOptionName = 40;
constexpr std::string_view kLeftOut = "...";

std::vector<std::string_view> split(std::string_view bytes) {
  std::vector<std::string_view> args;
  while (!bytes.empty() && args.size() < kMaxArgs) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    args.push_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return args;
}

/// Whether its first operand is a script: python3.11, bash, node ...
bool is_interpreter(std::string_view program) {
  static constexpr std::string_view kNames[] = {"python", "pypy", "sh",   "bash", "dash",
                                                "ash",    "zsh",  "ksh",  "perl", "ruby",
                                                "node",   "php",  "java", "lua",  "busybox"};
  program.remove_prefix(program.find_last_of('/') + 1);
  if (program.starts_with('-')) program.remove_prefix(1);  // a login shell
  program = program.substr(0, program.find_first_of("0123456789."));
  return std::ranges::find(kNames, program) != std::end(kNames);
}

/// "--name" of "--name=value"; of a short option its letter, as "-pVALUE" may hold a value.
std::string_view option_name(std::string_view arg) {
  if (arg == "-jar" || arg == "-cp") return arg;
  if (!arg.starts_with("--")) return arg.substr(0, 2);
  const std::string_view name = arg.substr(0, arg.find('='));
  const bool plain = std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || c == '-' || c == '_' || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
  });
  return plain && name.size() <= kMaxOptionName ? name : kLeftOut;
}

std::vector<std::string> names_only(const std::vector<std::string_view>& args) {
  std::vector<std::string> out;
  bool script_is_next = !args.empty() && is_interpreter(args[0]);
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string_view arg = args[i];
    const bool option = arg.size() > 1 && arg[0] == '-';
    if (i == 0) {
      out.emplace_back(redact(arg));  // some put their state there
    } else if (option) {
      const std::string_view name = option_name(arg);
      const bool has_value = arg.find('=') != std::string_view::npos && name.starts_with("--");
      out.emplace_back(std::string(name) + (has_value ? "=" : "") +
                       (name.size() < arg.size() && name != kLeftOut ? std::string(kLeftOut) : ""));
      if (name == "-c" || name == "-e") script_is_next = false;  // what follows is the program
    } else if (script_is_next) {
      out.emplace_back(redact(arg));
      script_is_next = false;
    } else {
      out.emplace_back(kLeftOut);
    }
  }
  return out;
}

bool is_number(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// "me:secret" of `curl -u`.
std::string redact_user(std::string_view arg) {
  const std::size_t colon = arg.find(':');
  return colon == std::string_view::npos
             ? std::string(arg)
             : std::string(arg.substr(0, colon + 1)) + std::string(kRedacted);
}

std::vector<std::string> with_values(const std::vector<std::string_view>& args) {
  std::vector<std::string> out;
  std::string_view before;  // the option that this may be the value of
  for (const std::string_view arg : args) {
    const bool option = arg.starts_with('-');
    if (!option && names_a_secret(before)) {
      out.emplace_back(kRedacted);
    } else if (!option && before == "-p" && !is_number(arg)) {
      out.emplace_back(kRedacted);  // a password as often as a port
    } else if (!option && (before == "-u" || before == "--user")) {
      out.push_back(redact_user(arg));
    } else if (arg.starts_with("-p") && arg.size() > 3 && !is_number(arg.substr(2))) {
      out.emplace_back("-p" + std::string(kRedacted));
    } else if (arg.starts_with("-u") && arg.find(':') != std::string_view::npos) {
      out.push_back(redact_user(arg));
    } else {
      out.push_back(redact(arg));
    }
    before = option && arg.find('=') == std::string_view::npos ? arg : std::string_view();
  }
  return out;
}

}  // namespace

std::vector<std::string> parse_command_line(std::string_view bytes, Argv argv) {
  const std::vector<std::string_view> args = split(bytes);
  std::vector<std::string> out = argv == Argv::Names ? names_only(args) : with_values(args);
  for (std::string& arg : out) arg = escape_untrusted(arg);
  return out;
}

void read_command_lines(System& system, Argv argv) {
  std::optional<linux::deputy::ReadAhead> ahead;
  {
    const Risk all(system.progress(), Pid{}, Fact::CommandLine);
    if (all.allowed()) ahead.emplace(linux::deputy::Wish::Read, system.files("cmdline"));
  }
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || system.progress().is_late()) continue;
    const Risk risk(system.progress(), process->pid, Fact::CommandLine);
    if (!risk.allowed()) continue;
    const auto bytes = process->dir->read("cmdline", kMaxBytes * 32);
    if (bytes) {
      process->out.args = parse_command_line(std::string_view(*bytes).substr(0, kMaxBytes), argv);
    }
  }
}

}  // namespace ipcdoctor::collect
