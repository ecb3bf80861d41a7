#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "commands.h"
#include "exit_code.h"
#include "snapshot/join.h"
#include "snapshot_file.h"

namespace ipcdoctor::cmd {
namespace {

int token(const std::vector<std::string>& files) {
  const auto snapshots = load_files(files);
  if (!snapshots) return fail(kUsage, words_of(snapshots.error()));
  const std::string text = snapshot::token_of(*snapshots);
  if (text.empty()) return fail(kUsage, "a snapshot that an older ipcdoctor saved has no id");
  std::cout << text << '\n';
  return kNoFinding;
}

}  // namespace

void add_token(CLI::App& app, Command& command) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* token_command = app.add_subcommand(
      "token", "print what `save --after` needs to prove that it looks later than these");
  token_command->add_option("FILE", *files, "all snapshots of the first look; - is standard input")
      ->required();
  token_command->footer(
      "\nExample: ipcdoctor save 4242 -o 2.json --after $(ipcdoctor token 1.json)");
  token_command->callback([files, &command] { command = [files] { return token(*files); }; });
}

}  // namespace ipcdoctor::cmd
