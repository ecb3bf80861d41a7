#include "runtime/shell/bash.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <optional>
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
constexpr int kMaxLoops = 1000;
constexpr std::size_t kMaxCalls = 64;
constexpr std::size_t kMaxCollisions = 256;
constexpr std::uint32_t kMaxBuckets = 1 << 20;

// variables.h, hashlib.h, array.h: the same in bash 5.0 to 5.3, but for the word in front of an
// array's members that 5.0 and 5.1 have.
constexpr std::uint64_t kContextTable = 32;
constexpr std::uint64_t kBucketKey = 8;
constexpr std::uint64_t kBucketData = 16;
constexpr std::uint64_t kVariableValue = 8;
constexpr std::uint64_t kArrayHead[] = {16, 24};
constexpr std::uint64_t kElementValue = 8;
constexpr std::uint64_t kElementNext = 16;
constexpr std::uint64_t kHeadIndex = ~std::uint64_t{0};

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

/// hash_string() of hashlib.c: FNV-1.
std::uint32_t hash_of(const std::string& name) {
  std::uint32_t hash = 2166136261U;
  for (const char c : name) hash = (hash * 16777619U) ^ static_cast<unsigned char>(c);
  return hash;
}

/// The value of a global variable: where its SHELL_VAR's `value` points to.
std::optional<std::uint64_t> find_global(const linux::AddressSpace& space, unwind::Images& images,
                                         const std::string& name) {
  const auto& memory = space.memory;
  const auto globals = images.address_of(space, "bash", "global_variables");
  const auto context = globals ? memory.read_u64(*globals) : Result<std::uint64_t>(Error{});
  const auto table = context ? memory.read_u64(RemoteAddr{*context + kContextTable})
                             : Result<std::uint64_t>(Error{});
  if (!table) return std::nullopt;
  const auto buckets = memory.read_u64(RemoteAddr{*table});
  const auto count = memory.read_object<std::uint32_t>(RemoteAddr{*table + 8});
  if (!buckets || !count || *count == 0 || *count > kMaxBuckets || (*count & (*count - 1)) != 0)
    return std::nullopt;
  auto bucket = memory.read_u64(RemoteAddr{*buckets + (hash_of(name) & (*count - 1)) * 8});
  for (std::size_t i = 0; i < kMaxCollisions && bucket && *bucket != 0; ++i) {
    const auto key = memory.read_u64(RemoteAddr{*bucket + kBucketKey});
    const auto text =
        key ? memory.read_string(RemoteAddr{*key}, kMaxWord) : Result<std::string>(Error{});
    if (text && *text == name) {
      const auto variable = memory.read_u64(RemoteAddr{*bucket + kBucketData});
      const auto value = variable ? memory.read_u64(RemoteAddr{*variable + kVariableValue})
                                  : Result<std::uint64_t>(Error{});
      return value ? std::optional(*value) : std::nullopt;
    }
    bucket = memory.read_u64(RemoteAddr{*bucket});
  }
  return std::nullopt;
}

/// The elements 0, 1, 2, ... of one of the arrays that bash keeps of its calls; empty if it is not
/// found, or not as it should be.
std::vector<std::string> read_calls(const linux::AddressSpace& space, unwind::Images& images,
                                    const std::string& name) {
  const auto& memory = space.memory;
  const auto array = find_global(space, images, name);
  if (!array) return {};
  for (const std::uint64_t offset : kArrayHead) {
    const auto head = memory.read_u64(RemoteAddr{*array + offset});
    const auto index = head ? memory.read_u64(RemoteAddr{*head}) : Result<std::uint64_t>(Error{});
    if (!index || *index != kHeadIndex) continue;
    std::vector<std::string> elements;
    auto element = memory.read_u64(RemoteAddr{*head + kElementNext});
    while (element && *element != *head && elements.size() < kMaxCalls) {
      const auto at = memory.read_u64(RemoteAddr{*element});
      const auto value = memory.read_u64(RemoteAddr{*element + kElementValue});
      const auto text =
          value ? memory.read_string(RemoteAddr{*value}, 4096) : Result<std::string>(Error{});
      if (!at || *at != elements.size() || !text) return {};
      elements.push_back(*text);
      element = memory.read_u64(RemoteAddr{*element + kElementNext});
    }
    return elements;
  }
  return {};
}

bool is_bash(const linux::AddressSpace& space) {
  const auto exe = space.dir.read_link("exe");
  if (!exe) return false;
  const std::string name = exe->substr(exe->rfind('/') + 1);
  return name == "bash" || name == "bash (deleted)";
}

/// The first of a script's lines; empty if it cannot be read.
std::vector<std::string> lines_of_script(const linux::AddressSpace& space) {
  std::vector<std::string> lines;
  const auto handle = space.dir.open_in("fd/255", O_PATH, "open");
  if (!handle) return lines;
  const Result<linux::UniqueFd> file = linux::reopen_regular(*handle);
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

snapshot::Frame frame_of(const std::string& file, int line, const std::string& function) {
  snapshot::Frame frame;
  frame.module = "bash";
  frame.file = escape_untrusted(file);
  frame.line = line;
  frame.function = escape_untrusted(function);
  frame.user_code = true;
  return frame;
}

}  // namespace

Result<std::vector<snapshot::Frame>> read_script_frames(const linux::AddressSpace& space,
                                                        unwind::Images& images,
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
  // Lines count in the file where the running function stands, or in the one that is sourced.
  const std::vector<std::string> sources = read_calls(space, images, "BASH_SOURCE");
  const std::string& source = sources.empty() || sources[0].empty() ? *script : sources[0];
  if (runs_program && begun)
    at = line_of_child(source == *script ? lines_of_script(space) : std::vector<std::string>(),
                       awaited, at, *begun);
  std::vector<snapshot::Frame> frames = {frame_of(source, at, word ? *word : "")};
  const std::vector<std::string> lines = read_calls(space, images, "BASH_LINENO");
  const std::vector<std::string> names = read_calls(space, images, "FUNCNAME");
  for (std::size_t i = 1; i < std::min({sources.size(), lines.size(), names.size()}); ++i) {
    const int called_at = std::atoi(lines[i - 1].c_str());
    if (called_at < 1 || called_at > kMaxLine) break;
    frames.push_back(frame_of(sources[i], called_at, names[i]));
  }
  return frames;
}

bool is_in_loop(const linux::AddressSpace& space, unwind::Images& images) {
  if (!is_bash(space) || !images.address_of(space, "bash", "dist_version")) return false;
  const auto level_at = images.address_of(space, "bash", "loop_level");
  const auto level = level_at ? space.memory.read_object<int>(*level_at) : Result<int>(Error{});
  return level && *level > 0 && *level <= kMaxLoops;
}

}  // namespace ipcdoctor::runtime::shell
