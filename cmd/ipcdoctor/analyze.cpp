#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "reports.h"
#include "snapshot/join.h"
#include "snapshot_file.h"

namespace ipcdoctor::cmd {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> files;
  bool each = false;
  ReportOptions report;
};

bool goes_to_files(const ReportOptions& report) {
  return std::ranges::any_of(report.outputs, [](const Output& o) { return o.path != ""; });
}

int analyze_each(std::vector<snapshot::Snapshot> snapshots, const ReportOptions& report) {
  if (snapshots.size() > 1 && goes_to_files(report))
    return fail(kUsage, "--format: several snapshots cannot be reported in one file");
  std::vector<Examination> examinations;
  for (snapshot::Snapshot& snapshot : snapshots) examinations.emplace_back(std::move(snapshot));
  int exit_code = kNoFinding;
  for (const Examination& examination : examinations) {
    const int one = report_on(examination, report);
    if (one == kUsage) return one;
    if (one == kFinding || exit_code == kNoFinding) exit_code = one;
  }
  return exit_code;
}

int analyze(const AnalyzeOptions& options) {
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  auto snapshots = load_files(options.files);
  if (!snapshots) return fail(kUsage, words_of(snapshots.error()));
  if (options.each || snapshots->size() == 1 || !snapshot::belong_together(*snapshots))
    return analyze_each(*std::move(snapshots), options.report);
  Result<snapshot::Snapshot> joined = snapshot::join(*std::move(snapshots));
  if (!joined) return fail(kUsage, words_of(joined.error()));
  return report_on(Examination(*std::move(joined)), options.report);
}

}  // namespace

void add_analyze(CLI::App& app, Command& command) {
  auto options = std::make_shared<AnalyzeOptions>();
  CLI::App* analyze_command = app.add_subcommand("analyze", "diagnose what `ipcdoctor save` wrote");
  analyze_command
      ->add_option("FILE", options->files,
                   "a snapshot, or a folder of them; - is standard input; those of several hosts "
                   "are told as one program")
      ->required();
  analyze_command->add_flag("--each", options->each, "a report for each snapshot");
  add_report_options(*analyze_command, options->report);
  analyze_command->footer("\nExample: ipcdoctor analyze h1.json h2.json -v");
  analyze_command->callback(
      [options, &command] { command = [options] { return analyze(*options); }; });
}

}  // namespace ipcdoctor::cmd
