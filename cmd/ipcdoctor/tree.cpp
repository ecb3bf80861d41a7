#include "report/tree.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>
#include <thread>

#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "github_actions.h"
#include "options.h"
#include "output_file.h"

namespace ipcdoctor::cmd {
namespace {

using Clock = std::chrono::steady_clock;
using snapshot::TaskRef;

struct TreeOptions {
  std::vector<Pid> pids;
  collect::Options collect;
  bool verbose = false;
  bool watch = false;
  std::chrono::milliseconds interval{2000};
};

winsize size_of_terminal() {
  winsize size{};
  (void)::ioctl(1, TIOCGWINSZ, &size);  // else it stays empty
  if (size.ws_col == 0) size.ws_col = 80;
  if (size.ws_row == 0) size.ws_row = 24;
  return size;
}

/// Since when a thread has not been switched to, as far as it was looked at.
class Stillness {
 public:
  void look(const snapshot::Snapshot& snapshot, Clock::time_point now) {
    std::map<TaskRef, Since> next;
    for (const snapshot::Process& process : snapshot.processes)
      for (const snapshot::Thread& thread : process.threads) {
        const TaskRef task{process.pid, thread.tid};
        const auto before = since_.find(task);
        const bool is_still = before != since_.end() &&
                              before->second.start_ticks == process.start_ticks &&
                              before->second.switches == thread.switches;
        next[task] = is_still ? before->second : Since{process.start_ticks, thread.switches, now};
      }
    since_ = std::move(next);
  }

  std::map<TaskRef, std::chrono::seconds> until(Clock::time_point now) const {
    std::map<TaskRef, std::chrono::seconds> out;
    for (const auto& [task, since] : since_)
      out[task] = std::chrono::duration_cast<std::chrono::seconds>(now - since.begin);
    return out;
  }

 private:
  struct Since {
    std::uint64_t start_ticks = 0, switches = 0;
    Clock::time_point begin;
  };
  std::map<TaskRef, Since> since_;
};

/// What fits on the screen, which it begins anew.
std::string screen_of(const std::string& text, std::size_t rows) {
  std::string out = "\033[H\033[2J";
  std::size_t begin = 0;
  for (std::size_t row = 1; row < rows && begin < text.size(); ++row) {
    const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    out += text.substr(begin, end - begin);
    begin = end;
  }
  return begin < text.size() ? out + "..." : out;
}

int tree(const TreeOptions& options) {
  const bool is_terminal = ::isatty(1) == 1;
  if (options.watch && !is_terminal) return fail(kUsage, "--watch: standard output is no terminal");
  Stillness stillness;
  for (bool is_first = true;; is_first = false) {
    const Result<Examination> examination =
        examine(options.pids, options.collect, {}, Watching::Never);
    if (!examination)
      return is_first ? fail(exit_code_of(examination.error()), words_of(examination.error()))
                      : kNoFinding;
    const Clock::time_point now = Clock::now();
    stillness.look(examination->snapshot(), now);
    const winsize size = size_of_terminal();
    std::ostringstream out;
    report::write_tree(
        out, examination->report(),
        {.width = is_terminal ? size.ws_col : 80U,
         .likeness = options.verbose ? report::Likeness::Each : report::Likeness::Folded,
         .still = stillness.until(now)});
    std::string text = std::move(out).str();
    if (options.watch) text = screen_of(text, size.ws_row);
    if (in_github_actions()) text = stop_commands(text);
    if (const Status written = write_descriptor(1, text); !written)
      return fail(kUsage, words_of(written.error()));
    if (!options.watch) return examination->exit_code() == kBlindSpots ? kBlindSpots : kNoFinding;
    std::this_thread::sleep_for(options.interval);
  }
}

}  // namespace

void add_tree(CLI::App& app, Command& command) {
  auto options = std::make_shared<TreeOptions>();
  CLI::App* tree_command = app.add_subcommand(
      "tree", "the processes of the program of PID and what each thread waits for");
  add_pids(*tree_command, options->pids);
  tree_command->add_flag("-v,--verbose", options->verbose,
                         "a line for each thread also where many are alike");
  tree_command->add_flag("-w,--watch", options->watch,
                         "on a terminal: again and again, and for how long each has not run");
  add_duration(*tree_command, "--interval", options->interval, "between two looks of --watch (2s)",
               Zero::Refused);
  add_duration(*tree_command, "--timeout", options->collect.deadline,
               "say what is known after so long (10s)", Zero::Refused);
  tree_command->footer("\nExample: ipcdoctor tree -w \"$(pgrep -o myserver)\"");
  tree_command->callback([options, &command] { command = [options] { return tree(*options); }; });
}

}  // namespace ipcdoctor::cmd
