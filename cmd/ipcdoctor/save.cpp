#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "collect/choose.h"
#include "commands.h"
#include "exit_code.h"
#include "look.h"
#include "options.h"
#include "output_file.h"
#include "snapshot/codec.h"

namespace ipcdoctor::cmd {
namespace {

struct SaveOptions {
  std::vector<Pid> pids;
  collect::Choice choice;
  collect::Options collect;
  std::string path;
};

/// What an engine gets of a host on which there is no such program: a snapshot too, so that the
/// host counts as looked at.
Result<snapshot::Snapshot> look(const SaveOptions& options) {
  if (options.choice.is_empty()) return look_at(options.pids, options.collect);
  Result<std::vector<Pid>> targets = collect::find_targets(options.choice, options.collect);
  if (!targets) return targets.error();
  targets->insert(targets->end(), options.pids.begin(), options.pids.end());
  return targets->empty() ? collect::collect_place(options.collect)
                          : look_at(*targets, options.collect);
}

int save(const SaveOptions& options) {
  const bool to_file = options.path != "-";
  if (to_file) {
    if (const Status writable = check_writable(options.path); !writable)
      return fail(kUsage, words_of(writable.error()));
  }
  const Result<snapshot::Snapshot> snapshot = look(options);
  if (!snapshot) return fail(exit_code_of(snapshot.error()), words_of(snapshot.error()));
  std::ostringstream out;
  snapshot::save(out, *snapshot);
  const std::string text = std::move(out).str();
  const Status written = to_file ? write_whole(options.path, text) : write_descriptor(1, text);
  return written ? kNoFinding : fail(kUsage, words_of(written.error()));
}

void add_variable(collect::Choice& choice, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw CLI::ValidationError("--env", text + " is not of the form NAME=VALUE");
  choice.variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
}

void add_slurm_job(collect::Choice& choice, const std::string& text) {
  const std::size_t dot = text.find('.');
  const std::string job = text.substr(0, dot);
  if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos)
    throw CLI::ValidationError("--slurm", text + " is not of the form JOB or JOB.STEP");
  choice.variables.emplace_back("SLURM_JOB_ID", job);
  if (dot != std::string::npos)
    choice.variables.emplace_back("SLURM_STEP_ID", text.substr(dot + 1));
}

void add_choice(CLI::App& command, collect::Choice& choice) {
  command
      .add_option("--program", choice.program,
                  "all processes of this name: of the executable, or of a script; none is no error")
      ->type_name("NAME");
  command
      .add_option_function<std::vector<std::string>>(
          "--env",
          [&choice](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) add_variable(choice, text);
          },
          "all that were started with this in their environment")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option_function<std::string>(
          "--slurm", [&choice](const std::string& text) { add_slurm_job(choice, text); },
          "all of this job of Slurm, or of one of its steps")
      ->type_name("JOB[.STEP]");
}

}  // namespace

void add_save(CLI::App& app, Command& command) {
  auto options = std::make_shared<SaveOptions>();
  options->collect.symbols =
      collect::Symbols::All;  // the images may not be there when it is analysed
  options->collect.place = true;
  CLI::App* save_command =
      app.add_subcommand("save", "write down all that is needed to diagnose later, elsewhere");
  add_pids(*save_command, options->pids)->required(false);
  add_choice(*save_command, options->choice);
  save_command->add_option("-o,--output", options->path, "the snapshot; - is standard output")
      ->required()
      ->type_name("FILE");
  save_command
      ->add_option("--after", options->collect.after,
                   "this is a second look: what `ipcdoctor token` says of the files of the first")
      ->type_name("TOKEN");
  add_collect_options(*save_command, options->collect);
  add_observe(*save_command, options->collect);
  add_duration(*save_command, "--timeout", options->collect.deadline,
               "say what is known after so long (10s)", Zero::Refused);
  save_command->footer(
      "\nExample: ipcdoctor save 4242 -o hang.json && ipcdoctor analyze hang.json");
  save_command->callback([options, &command] {
    if (options->pids.empty() && options->choice.is_empty())
      throw CLI::RequiredError("PID, --program, --env or --slurm");
    command = [options] { return save(*options); };
  });
}

}  // namespace ipcdoctor::cmd
