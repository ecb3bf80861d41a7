#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "commands.h"
#include "exit_code.h"
#include "github_actions.h"
#include "look.h"
#include "options.h"
#include "output_file.h"
#include "report/report.h"
#include "version.h"

namespace ipcdoctor::cmd {
namespace {

struct StacksOptions {
  std::vector<Pid> pids;
  collect::Options collect;
  std::string format = "text";
  bool verbose = false;
};

int stacks(const StacksOptions& options) {
  const Result<snapshot::Snapshot> snapshot = look_at(options.pids, options.collect);
  if (!snapshot) return fail(exit_code_of(snapshot.error()), words_of(snapshot.error()));
  std::ostringstream out;
  if (options.format == "json") {
    report::write_stacks_json(out, *snapshot, kVersion);
  } else {
    report::write_stacks_text(out, *snapshot);
  }
  std::string text = std::move(out).str();
  if (options.format != "json" && in_github_actions()) text = stop_commands(text);
  const Status written = write_descriptor(1, text);
  if (!written) return fail(kUsage, words_of(written.error()));
  return snapshot->unseen.empty() ? kNoFinding : kBlindSpots;
}

}  // namespace

void add_stacks(CLI::App& app, Command& command) {
  auto options = std::make_shared<StacksOptions>();
  options->collect.depth = collect::Depth::Stacks;
  CLI::App* stacks_command = app.add_subcommand(
      "stacks", "where all threads of the processes rooted at PID are, without stopping them");
  add_pids(*stacks_command, options->pids);
  stacks_command->add_option("--format", options->format, "text or json")
      ->check(one_of({"text", "json"}))
      ->type_name("F");
  stacks_command->add_flag("-v,--verbose", options->verbose,
                           "the native frames of Python's threads too, in one stack");
  add_duration(*stacks_command, "--timeout", options->collect.deadline,
               "say what is known after so long (10s)", Zero::Refused);
  stacks_command->footer("\nExample: ipcdoctor stacks -v \"$(pgrep -o myserver)\"");
  stacks_command->callback([options, &command] {
    if (options->verbose) options->collect.symbols = collect::Symbols::All;
    command = [options] { return stacks(*options); };
  });
}

}  // namespace ipcdoctor::cmd
