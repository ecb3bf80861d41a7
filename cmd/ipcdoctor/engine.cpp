#include "engine.h"

#include <algorithm>
#include <array>
#include <ranges>

namespace ipcdoctor::cmd {
namespace {

/// How an engine is told what to start.
enum class Takes {
  Words,   ///< the words follow its own
  Line,    ///< one line follows, for a shell over there
  Module,  ///< a line as the value of ansible's -a
};

struct Preset {
  std::string_view name;
  Takes takes;
  bool one_host_each;
  std::array<std::string_view, 5> options;  ///< before the command; %D is the folder
};

constexpr Preset kPresets[] = {
    {"ssh", Takes::Line, true, {}},
    {"kubectl", Takes::Words, true, {"--"}},
    {"pdsh", Takes::Line, false, {}},
    {"clush", Takes::Line, false, {"-L"}},
    {"mpirun", Takes::Words, false, {"-N", "1", "--output-filename", "%D/mpirun:nocopy"}},
    {"srun", Takes::Words, false, {"--overlap", "--ntasks-per-node=1", "-o", "%D/%N.json"}},
    {"ansible", Takes::Module, false, {"-m", "raw", "--tree", "%D"}},
};

constexpr Preset kOther{"", Takes::Words, false, {}};

/// Of the first word that names one: sudo, env or a wrapper may stand before it.
const Preset& preset_of(const Words& via) {
  for (const std::string& word : via) {
    const std::string name = word.substr(word.rfind('/') + 1);
    const auto it = std::ranges::find(kPresets, name, &Preset::name);
    if (it != std::end(kPresets)) return *it;
  }
  return kOther;
}

Words split_at_commas(const std::string& list) {
  Words parts;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (end > at) parts.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

Result<Words> split_words(std::string_view text) {
  Words words;
  char quote = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_blank = c == ' ' || c == '\t' || c == '\n';
    if (quote == 0 && is_blank) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == quote)
      quote = 0;
    else if (quote == 0 && (c == '\'' || c == '"'))
      quote = c;
    else if (c == '\\' && quote != '\'' && i + 1 < text.size())
      words.back() += text[++i];
    else
      words.back() += c;
  }
  if (quote != 0)
    return Error{Cause::Malformed, 0, "a quote is not closed in " + std::string(text)};
  if (words.empty()) return Error{Cause::Malformed, 0, "no command"};
  return words;
}

std::string quoted_words(const Words& words) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

std::vector<Start> starts_of(const Words& via, const Words& command, const std::string& folder) {
  const Preset& preset = preset_of(via);
  Words tail;
  for (std::string option : preset.options | std::views::transform([](std::string_view text) {
                              return std::string(text);
                            })) {
    if (option.empty()) continue;
    if (option.starts_with("%D")) option.replace(0, 2, folder);
    tail.push_back(option);
  }
  if (preset.takes == Takes::Module) tail.push_back("-a");
  if (preset.takes == Takes::Words)
    tail.insert(tail.end(), command.begin(), command.end());
  else
    tail.push_back(quoted_words(command));
  const auto start = [&](std::string host, Words words) {
    words.insert(words.end(), tail.begin(), tail.end());
    return Start{std::move(host), std::move(words)};
  };
  if (!preset.one_host_each || via.size() < 2) return {start("", via)};
  std::vector<Start> starts;
  for (const std::string& host : split_at_commas(via.back())) {
    Words words(via.begin(), via.end() - 1);
    words.push_back(host);
    starts.push_back(start(host, std::move(words)));
  }
  return starts;
}

}  // namespace ipcdoctor::cmd
