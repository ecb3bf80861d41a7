#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/text.h"
#include "commands.h"
#include "exit_code.h"
#include "github_actions.h"
#include "suggest.h"
#include "usage.h"

namespace ipcdoctor::cmd {

int fail(int exit_code, std::string_view text) {
  const std::string line = escape_untrusted(text);
  std::cerr << "ipcdoctor: " << (in_github_actions() ? break_workflow_commands(line) : line)
            << '\n';
  return exit_code;
}

std::string words_of(const Error& error) {
  return error.number == 0 && !error.what.empty() ? error.what : to_string(error);
}

static int help(const CLI::App& app, const std::string& name) {
  const CLI::App* command = name.empty() ? &app : find_command(app, name);
  if (command == nullptr) return fail(kUsage, unknown_command(app, name));
  std::cout << help_of(*command);
  return kNoFinding;
}

void add_help(CLI::App& app, Command& command) {
  auto name = std::make_shared<std::string>();
  CLI::App* help_command = app.add_subcommand("help", "the options and examples of a command");
  help_command->add_option("COMMAND", *name, "such as run");
  help_command->footer("\nExample: ipcdoctor help attach");
  help_command->callback(
      [&app, name, &command] { command = [&app, name] { return help(app, *name); }; });
}

}  // namespace ipcdoctor::cmd
