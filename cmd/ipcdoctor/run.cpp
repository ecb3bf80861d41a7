#include "watch/run.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <memory>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "output_file.h"
#include "probes/all_probes.h"
#include "reports.h"

namespace ipcdoctor::cmd {
namespace {

// As timeout(1) and env(1).
constexpr int kEnded = 124;
constexpr int kCannotExecute = 126;
constexpr int kNoSuchCommand = 127;

struct RunCommand {
  std::vector<std::string> argv;
  watch::RunOptions run;
  ReportOptions report;
};

/// Ends us as the command ended, so that a shell sees the same.
int pass_on(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  const int signal = WTERMSIG(wait_status);
  const rlimit no_core{0, 0};  // the command has left its own core file
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  (void)std::signal(signal, SIG_DFL);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signal);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
  return 128 + signal;  // not reached: such a signal ended the command too
}

/// One line below the report.
std::string what_follows(watch::Why why, const watch::RunOptions& run) {
  if (why == watch::Why::NeedsHelp)
    return "only somebody outside of the command could help it: it is not ended (--grade stuck "
           "ends it)";
  if (why == watch::Why::MayHang)
    return "the command rests, or hangs if nobody comes who is named above: it is not ended "
           "(--grade suspected ends it)";
  if (why == watch::Why::PartHangs)
    return "a part of the command hangs; the command itself goes on and is not ended (--fail-fast "
           "ends it)";
  if (why == watch::Why::ToldToEnd) return "told to end while the command hangs: passing it on";
  if (run.keep) return "the command is left as it is (--keep)";
  return why == watch::Why::TimeIsOver ? "the time of the command is over: ending it"
                                       : "the command hangs: ending it";
}

int run(RunCommand& options) {
  if (const Status writable = check_outputs(options.report); !writable) {
    return fail(kRunFailed, words_of(writable.error()));
  }
  Status written = Done{};
  const auto on_hang = [&](watch::Why why, snapshot::Snapshot snapshot) {
    Examination examination(std::move(snapshot));
    if (why == watch::Why::ToldToEnd && examination.exit_code() != kFinding) return;
    if (why == watch::Why::TimeIsOver) examination.suppose();
    examination.symbolise(options.report);
    ReportOptions report = options.report;
    // a file is a verdict on the command, which may still end well
    if (why == watch::Why::NeedsHelp || why == watch::Why::MayHang) report.outputs.clear();
    written = write_outputs(examination.report(), report);
    const std::string next = what_follows(why, options.run);
    if (!options.report.quiet)
      (void)write_descriptor(STDERR_FILENO,  // who has gone needs no line, and the report told it
                             "ipcdoctor: " + next + "\n");
  };
  options.run.on_refusal = [&](const Error& why) {
    if (!options.report.quiet)
      (void)write_descriptor(STDERR_FILENO, "ipcdoctor: cannot tell whether the command hangs: " +
                                                words_of(why) + "\n");
  };
  const Result<watch::RunOutcome> outcome = watch::run(options.argv, options.run, on_hang);
  (void)std::signal(SIGPIPE, SIG_IGN);  // the exit code is for others than who reads our words
  if (!outcome) {
    const Error& error = outcome.error();
    return fail(error.number == ENOENT ? kNoSuchCommand : kCannotExecute, words_of(error));
  }
  if (!written) return fail(kRunFailed, words_of(written.error()));
  return outcome->ended_by_us ? kEnded : pass_on(outcome->wait_status);
}

}  // namespace

void add_run(CLI::App& app, Command& command) {
  auto options = std::make_shared<RunCommand>();
  options->report.standard_fd = STDERR_FILENO;  // standard output is the command's
  CLI::App* run_command =
      app.add_subcommand("run", "run a command; when it hangs, say why and end it (exit code 124)");
  run_command->add_option("COMMAND", options->argv, "what to run, after --")->required();
  run_command->positionals_at_end();
  add_report_options(*run_command, options->report);
  add_argv(*run_command, options->run.hang.collect);
  add_duration(*run_command, "--timeout", options->run.timeout,
               "report and end it after so long, hung or not (0: never)");
  add_duration(*run_command, "--stall", options->run.hang.stall,
               "how far apart a deadlock is proved twice (2s)");
  add_duration(*run_command, "--kill-after", options->run.kill_after,
               "KILL so long after TERM (5s)");
  // a person at the terminal may be the outsider who helps
  options->run.hang.enough =
      ::isatty(STDERR_FILENO) != 0 ? watch::Grade::Tree : watch::Grade::Stuck;
  options->run.hang.probes = probes::all_probes();
  add_grade(
      *run_command, options->run.hang.enough,
      "the weakest claim that ends it: tree also where processes cannot be looked into (default "
      "at a terminal), stuck also what only somebody outside could help (default elsewhere), "
      "suspected also what only polls");
  run_command->add_flag("--keep", options->run.keep,
                        "report, but do not end it, nor if ipcdoctor is killed");
  run_command->add_flag("--fail-fast", options->run.fail_fast,
                        "end it when any part of it hangs, not only when it cannot end");
  run_command->footer(
      "\nReports without a file go to standard error. Otherwise the exit code is COMMAND's.\n"
      "Example: ipcdoctor run --timeout 10m -- make test\n"
      "         ipcdoctor run --format text --format junit=hang.xml -- make test");
  run_command->callback([options, &command] { command = [options] { return run(*options); }; });
}

}  // namespace ipcdoctor::cmd
