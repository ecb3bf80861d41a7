#include <CLI/CLI.hpp>
#include <memory>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "linux/big_pages.h"
#include "reports.h"

namespace ipcdoctor::cmd {
namespace {

struct AttachOptions {
  std::vector<Pid> pids;
  collect::Options collect;
  ReportOptions report;
  Watching watching = Watching::WhereItMayTell;  ///< --observe auto
};

int attach(const AttachOptions& options) {
  linux::use_big_pages();
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  Result<Examination> examination =
      examine(options.pids, options.collect, options.report, options.watching);
  if (!examination) return fail(exit_code_of(examination.error()), words_of(examination.error()));
  return report_on(*examination, options.report);
}

}  // namespace

void add_attach(CLI::App& app, Command& command) {
  auto options = std::make_shared<AttachOptions>();
  CLI::App* attach_command = app.add_subcommand(
      "attach", "diagnose the program of PID: its job and all below, without stopping it");
  add_pids(*attach_command, options->pids);
  add_report_options(*attach_command, options->report);
  add_collect_options(*attach_command, options->collect);
  add_observe(*attach_command, options->collect)
      ->description(
          "watch for so long, to recognise polling loops; a few seconds, where only that can tell "
          "more, if it is not given; 0 for not at all")
      ->each([options](const std::string&) { options->watching = Watching::Never; });
  add_duration(*attach_command, "--timeout", options->collect.deadline,
               "say what is known after so long (10s)", Zero::Refused);
  attach_command->footer(
      "\nExample: ipcdoctor attach \"$(pgrep -o myserver)\" --format html=hang.html");
  attach_command->callback(
      [options, &command] { command = [options] { return attach(*options); }; });
}

}  // namespace ipcdoctor::cmd
