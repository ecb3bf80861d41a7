#include "runtime/shell/bash.h"

#include <algorithm>
#include <string>

#include "base/text.h"

namespace ipcdoctor::runtime::shell {
namespace {

constexpr int kMaxLine = 10'000'000;
constexpr std::size_t kMaxWord = 256;

/// The string that an exported `char *` refers to; "" for a null pointer.
Result<std::string> read_text(const linux::AddressSpace& space, unwind::Images& images, const char* symbol,
                              std::size_t limit) {
  const auto variable = images.address_of(space, "bash", symbol);
  if (!variable) return variable.error();
  const auto text = space.memory.read_u64(*variable);
  if (!text) return text.error();
  if (*text == 0) return std::string();
  return space.memory.read_string(RemoteAddr{*text}, limit);
}

bool is_bash(const linux::AddressSpace& space) {
  const auto exe = space.dir.read_link("exe");
  if (!exe) return false;
  const std::string name = exe->substr(exe->rfind('/') + 1);
  return name == "bash" || name == "bash (deleted)";
}

}  // namespace

Result<snapshot::Frame> read_script_frame(const linux::AddressSpace& space, unwind::Images& images) {
  const Error no_script{Cause::Unsupported, 0, "find the script of a bash"};
  if (!is_bash(space)) return no_script;
  // a loaded extension could define such names; dist_version is bash's own
  if (!images.address_of(space, "bash", "dist_version")) return no_script;
  const auto shell = read_text(space, images, "shell_name", kMaxWord);
  const auto script = read_text(space, images, "dollar_vars", 4096);
  const auto word = read_text(space, images, "this_command_name", kMaxWord);
  const auto line_at = images.address_of(space, "bash", "line_number");
  if (!shell || !script || !line_at) return no_script;
  // without a script $0 is the shell's own name ("bash", "-bash") or the word behind `-c CODE`
  const auto arguments = space.dir.read("cmdline", 1 << 16);
  const bool inline_code = arguments && arguments->find(std::string("\0-c\0", 4)) != std::string::npos;
  if (inline_code || script->empty() || *script == *shell || script->front() == '-') return no_script;
  const auto line = space.memory.read_object<int>(*line_at);
  if (!line) return line.error();
  if (*line < 1 || *line > kMaxLine) return Error{Cause::Malformed, 0, "read the line of a bash script"};
  snapshot::Frame frame;
  frame.module = "bash";
  frame.file = escape_untrusted(*script);
  frame.line = *line;
  frame.function = word ? escape_untrusted(*word) : "";
  frame.user_code = true;
  return frame;
}

}  // namespace ipcdoctor::runtime::shell
