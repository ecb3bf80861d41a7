#include "runtime/shell/bash.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "linux/regular_file.h"

namespace ipcdoctor::runtime::shell {
namespace {

constexpr int kMaxLine = 10'000'000;
constexpr std::size_t kMaxWord = 256;
constexpr std::size_t kMaxScript = 1 << 20;
constexpr std::size_t kMaxComm = 15;  // TASK_COMM_LEN - 1
constexpr int kMaxCompound = 500;     // lines of one command

/// The string that an exported `char *` refers to; "" for a null pointer.
Result<std::string> read_text(const linux::AddressSpace& space, unwind::Images& images,
                              const char* symbol, std::size_t limit) {
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

/// The first of a script's lines; empty if it cannot be read.
std::vector<std::string> lines_of_script(const linux::AddressSpace& space) {
  const linux::UniqueFd handle(::openat(space.dir.fd(), "fd/255", O_PATH | O_CLOEXEC));
  const Result<linux::UniqueFd> file = linux::reopen_regular(handle);
  std::vector<std::string> lines;
  if (!file) return lines;
  std::string text(kMaxScript, '\0');
  const ssize_t size = ::pread(file->get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  std::istringstream in(std::move(text));
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  return lines;
}

/// `word` stands in the line as a word, perhaps behind a path.
bool has_word(const std::string& line, const std::string& word) {
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  };
  for (std::size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    // comm has at most 15 characters: a longer name goes on
    const bool ends = end == line.size() || !is_part(line[end]) || word.size() == kMaxComm;
    if ((at == 0 || !is_part(line[at - 1])) && ends) return true;
  }
  return false;
}

/// The line of the command whose child is awaited.
/// @param parsed  line_number  @param begun  line_number_for_err_trap
int line_of_child(const std::vector<std::string>& script, const std::string& child, int parsed,
                  int begun) {
  const auto has_child = [&](int line) {
    return line >= 1 && static_cast<std::size_t>(line) <= script.size() &&
           has_word(script[static_cast<std::size_t>(line) - 1], child);
  };
  // A subshell has closed the script.
  if (script.empty()) return begun >= 1 && begun <= parsed ? begun : parsed;
  if (has_child(begun)) return begun;
  for (int line = parsed; line > parsed - kMaxCompound && line >= 1; --line)
    if (has_child(line)) return line;
  return parsed;
}

}  // namespace

Result<snapshot::Frame> read_script_frame(const linux::AddressSpace& space, unwind::Images& images,
                                          const std::string& awaited) {
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
  const bool inline_code =
      arguments && arguments->find(std::string("\0-c\0", 4)) != std::string::npos;
  if (inline_code || script->empty() || *script == *shell || script->front() == '-')
    return no_script;
  const auto line = space.memory.read_object<int>(*line_at);
  if (!line) return line.error();
  if (*line < 1 || *line > kMaxLine)
    return Error{Cause::Malformed, 0, "read the line of a bash script"};
  int at = *line;
  const auto begun_at = images.address_of(space, "bash", "line_number_for_err_trap");
  const auto begun = begun_at ? space.memory.read_object<int>(*begun_at) : Result<int>(Error{});
  // A copy of bash itself runs a compound command, of which only the end is known; a builtin knows
  // its line.
  const bool runs_program = !awaited.empty() && awaited != "bash" && word && word->empty();
  if (runs_program && begun) at = line_of_child(lines_of_script(space), awaited, at, *begun);
  snapshot::Frame frame;
  frame.module = "bash";
  frame.file = escape_untrusted(*script);
  frame.line = at;
  frame.function = word ? escape_untrusted(*word) : "";
  frame.user_code = true;
  return frame;
}

}  // namespace ipcdoctor::runtime::shell
