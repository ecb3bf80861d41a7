#include <CLI/CLI.hpp>
#include <memory>
#include <thread>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "probes/all_probes.h"
#include "reports.h"
#include "telling.h"
#include "watch/hang_watch.h"

namespace ipcdoctor::cmd {
namespace {

struct WatchCommand {
  std::vector<Pid> pids;
  watch::HangOptions hang;
  std::chrono::milliseconds timeout{0};  ///< 0 = none
  ReportOptions report;
};

/// @return nothing where it does not hang in time
Result<std::optional<watch::Hang>> wait_for_hang(watch::HangWatch& hang_watch,
                                                 std::chrono::milliseconds timeout) {
  Telling telling("watching the processes");
  const auto begin = watch::Clock::now();
  while (timeout.count() == 0 || watch::Clock::now() - begin < timeout) {
    Result<std::optional<watch::Hang>> hang = hang_watch.look(watch::Clock::now());
    if (!hang || (*hang && !(*hang)->conditional)) return hang;
    telling.tick();
    std::this_thread::sleep_for(hang_watch.pause());
  }
  return std::optional<watch::Hang>();
}

int watch_for_hang(const WatchCommand& options) {
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  watch::HangWatch hang_watch(options.pids, options.hang);
  Result<std::optional<watch::Hang>> hang = wait_for_hang(hang_watch, options.timeout);
  if (!hang) return fail(exit_code_of(hang.error()), words_of(hang.error()));
  Result<snapshot::Snapshot> snapshot =
      *hang ? std::move((*hang)->snapshot) : hang_watch.last_look();
  if (!snapshot) return fail(exit_code_of(snapshot.error()), words_of(snapshot.error()));
  Examination examination(*std::move(snapshot));
  examination.symbolise(options.report);
  return report_on(examination, options.report);
}

}  // namespace

void add_watch(CLI::App& app, Command& command) {
  auto options = std::make_shared<WatchCommand>();
  // nothing is ended, so less than a proof is worth a report
  options->hang.enough = watch::Grade::Assuming;
  options->hang.probes = probes::all_probes();
  CLI::App* watch_command = app.add_subcommand(
      "watch", "wait until the processes rooted at PID hang, then diagnose them");
  add_pids(*watch_command, options->pids);
  add_report_options(*watch_command, options->report);
  add_collect_options(*watch_command, options->hang.collect);
  add_observe(*watch_command, options->hang.collect);
  add_duration(*watch_command, "--stall", options->hang.stall,
               "how far apart a hang is seen twice (2s)");
  add_grade(*watch_command, options->hang.enough,
            "the weakest claim that is reported, as for run (assuming)");
  add_duration(*watch_command, "--timeout", options->timeout,
               "report after so long, hung or not (0: never)");
  watch_command->footer("\nExample: ipcdoctor watch --timeout 1h --format html=hang.html 4242");
  watch_command->callback(
      [options, &command] { command = [options] { return watch_for_hang(*options); }; });
}

}  // namespace ipcdoctor::cmd
