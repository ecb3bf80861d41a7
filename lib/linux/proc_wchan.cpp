#include "linux/proc_wchan.h"

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

/// Symbols of C hold no dot, so a dot begins what the compiler appended.
std::string_view without_suffix(std::string_view symbol) {
  return symbol.substr(0, symbol.find('.'));
}

}  // namespace

std::string parse_wchan(std::string_view text) {
  const std::string_view word = take_word(text);
  return word == "0" ? std::string() : std::string(without_suffix(word.substr(0, word.find('\n'))));
}

Result<std::string> read_wchan(const ProcDir& task) {
  const auto text = task.read_record("wchan");
  if (!text) return text.error();
  return parse_wchan(*text);
}

std::vector<std::string> parse_kernel_stack(std::string_view text) {
  std::vector<std::string> functions;
  std::string_view line;
  while (take_line(text, line)) {  // "[<0>] pipe_read+0x2f1/0x4a0 [module]"
    if (!take_prefix(line, "[<")) continue;
    const std::size_t close = line.find(">]");
    if (close == std::string_view::npos) continue;
    line.remove_prefix(close + 2);
    const std::string_view word = take_word(line);
    functions.emplace_back(without_suffix(word.substr(0, word.find('+'))));
  }
  return functions;
}

Result<std::vector<std::string>> read_kernel_stack(const ProcDir& task) {
  const auto text = task.read("stack");
  if (!text) return text.error();
  return parse_kernel_stack(*text);
}

}  // namespace ipcdoctor::linux
