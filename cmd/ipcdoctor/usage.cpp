#include "usage.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <vector>

#include "suggest.h"

namespace ipcdoctor::cmd {
namespace {

constexpr std::size_t kWidth = 80;
constexpr const char* kSeeHelp = " (see ipcdoctor --help)";
constexpr std::size_t kDescriptions = 30;  // the column in which CLI11 puts them

/// One line, broken at spaces. What follows hangs below a description, else below the text.
std::string wrap(std::string line) {
  std::string out;
  std::size_t hang = line.find_first_not_of(' ');
  if (line.size() > kDescriptions && line[kDescriptions - 1] == ' ') hang = kDescriptions;
  while (line.size() > kWidth) {
    const std::size_t space = line.rfind(' ', kWidth);
    if (space == std::string::npos || space <= hang) break;  // one long word
    out += line.substr(0, space) + '\n';
    line = std::string(hang, ' ') + line.substr(space + 1);
  }
  return out + line;
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> names_of_options(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

/// A word such as --name, --name=x or -n.
bool is_option(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && word != "--" &&
         std::isdigit(static_cast<unsigned char>(word[1])) == 0;
}

std::string unknown_option(const CLI::App& command, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (!is_option(words[i])) {
      if (command.get_positionals_at_end()) return "";  // the rest is another command's
      continue;
    }
    const bool is_long = words[i].starts_with("--");
    const std::string name =
        is_long ? words[i].substr(0, words[i].find('=')) : words[i].substr(0, 2);
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option == nullptr) {
      return "no option " + name + " of `ipcdoctor " + command.get_name() + "`" +
             did_you_mean(name, names_of_options(command)) + " (see ipcdoctor " +
             command.get_name() + " --help)";
    }
    const bool value_is_next = option->get_items_expected_min() > 0 && words[i] == name;
    if (value_is_next) ++i;
  }
  return "";
}

}  // namespace

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

std::string unknown_command(const CLI::App& app, const std::string& name) {
  return "no command " + name + did_you_mean(name, names_of_commands(app));
}

std::string help_of(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  const std::string name = (parent == nullptr ? "" : parent->get_name() + " ") + app.get_name();
  // not app.help(), which is that of the subcommand that was given
  std::istringstream lines(app.get_formatter()->make_help(&app, name, CLI::AppFormatMode::Normal));
  std::string out;
  bool blank = true;  // none at the beginning, and never two
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() && blank) continue;
    blank = line.empty();
    out += wrap(line) + '\n';
  }
  return out;
}

std::string unknown_names(const CLI::App& app, int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return "";
  if (is_option(words[0])) {
    if (app.get_option_no_throw(words[0]) != nullptr) return "";
    for (const CLI::App* command : app.get_subcommands({}))
      if (command->get_option_no_throw(words[0].substr(0, words[0].find('='))) != nullptr)
        return words[0] + " stands after the command, as in: ipcdoctor " + command->get_name() +
               " " + words[0] + kSeeHelp;
    return "no option " + words[0] + did_you_mean(words[0], names_of_options(app)) + kSeeHelp;
  }
  const CLI::App* command = find_command(app, words[0]);
  if (command == nullptr) return unknown_command(app, words[0]) + kSeeHelp;
  return unknown_option(*command, {words.begin() + 1, words.end()});
}

}  // namespace ipcdoctor::cmd
