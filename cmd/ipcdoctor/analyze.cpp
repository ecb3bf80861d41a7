#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "reports.h"
#include "snapshot/codec.h"
#include "snapshot_file.h"

namespace ipcdoctor::cmd {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> files;
  ReportOptions report;
};

int analyze(const AnalyzeOptions& options) {
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  std::vector<Examination> examinations;
  for (const std::string& path : options.files) {
    Result<snapshot::Snapshot> snapshot = path == "-" ? snapshot::load(std::cin) : load_file(path);
    if (!snapshot) return fail(kUsage, words_of(snapshot.error()));
    examinations.emplace_back(*std::move(snapshot));
  }
  int exit_code = kNoFinding;
  for (const Examination& examination : examinations) {
    const int one = report_on(examination, options.report);
    if (one == kUsage) return one;
    if (one == kFinding || exit_code == kNoFinding) exit_code = one;
  }
  return exit_code;
}

}  // namespace

void add_analyze(CLI::App& app, Command& command) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App* analyze_command = app.add_subcommand("analyze", "diagnose what `ipcdoctor save` wrote");
  analyze_command
      ->add_option("FILE", options->files,
                   "a snapshot; - is standard input; each is diagnosed by itself")
      ->required();
  add_report_options(*analyze_command, options->report);
  analyze_command->footer("\nExample: ipcdoctor analyze hang.json -v");
  analyze_command->callback([options, &command] {
    const bool to_files =
        std::ranges::any_of(options->report.outputs, [](const Output& o) { return o.path != ""; });
    if (options->files.size() > 1 && to_files) {
      throw CLI::ValidationError("--format", "several snapshots cannot be reported in one file");
    }
    command = [options] { return analyze(*options); };
  });
}

}  // namespace ipcdoctor::cmd
