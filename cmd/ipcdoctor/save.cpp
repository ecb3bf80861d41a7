#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "commands.h"
#include "exit_code.h"
#include "options.h"
#include "output_file.h"
#include "snapshot/codec.h"

namespace ipcdoctor::cmd {
namespace {

struct SaveOptions {
  std::vector<Pid> pids;
  collect::Options collect;
  std::string path;
};

int save(const SaveOptions& options) {
  const bool to_file = options.path != "-";
  if (to_file) {
    if (const Status writable = check_writable(options.path); !writable)
      return fail(kUsage, words_of(writable.error()));
  }
  const Result<snapshot::Snapshot> snapshot = collect::collect(options.pids, options.collect);
  if (!snapshot) return fail(kNoTarget, words_of(snapshot.error()));
  std::ostringstream out;
  snapshot::save(out, *snapshot);
  const std::string text = std::move(out).str();
  const Status written = to_file ? write_whole(options.path, text) : write_descriptor(1, text);
  return written ? kNoFinding : fail(kUsage, words_of(written.error()));
}

}  // namespace

void add_save(CLI::App& app, Command& command) {
  auto options = std::make_shared<SaveOptions>();
  options->collect.symbols =
      collect::Symbols::All;  // the images may not be there when it is analysed
  CLI::App* save_command =
      app.add_subcommand("save", "write down all that is needed to diagnose later, elsewhere");
  add_pids(*save_command, options->pids);
  save_command->add_option("-o,--output", options->path, "the snapshot; - is standard output")
      ->required()
      ->type_name("FILE");
  add_collect_options(*save_command, options->collect);
  add_duration(*save_command, "--timeout", options->collect.deadline,
               "say what is known after so long (10s)", Zero::Refused);
  save_command->footer(
      "\nExample: ipcdoctor save 4242 -o hang.json && ipcdoctor analyze hang.json");
  save_command->callback([options, &command] { command = [options] { return save(*options); }; });
}

}  // namespace ipcdoctor::cmd
