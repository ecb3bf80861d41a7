#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "collect/collect.h"
#include "watch/hang_watch.h"

namespace CLI {
class App;
class Option;
class Validator;
}  // namespace CLI

namespace ipcdoctor::cmd {

/// "90s", "2m", "500ms", "1h"; a bare number means seconds.
/// @return Malformed for anything else, for less than nothing and for more than a year.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// One --format F[=FILE].
struct Output {
  std::string format;
  std::string path;  ///< "" = standard output
};

enum class When { Auto, Always, Never };

struct ReportOptions {
  std::vector<Output> outputs;  ///< text on standard output if it is empty
  bool verbose = false;         ///< -v: all stacks
  bool quiet = false;           ///< -q: no text unless it is asked for
  When colour = When::Auto;     ///< --color
  int standard_fd = 1;          ///< where an output without a file goes
};

/// --format, -v, -q and --color.
void add_report_options(CLI::App& command, ReportOptions& options);

/// --stop, --overdue, --argv. Stacks are named later, and only those that are shown.
void add_collect_options(CLI::App& command, collect::Options& options);

/// --observe
CLI::Option* add_observe(CLI::App& command, collect::Options& options);

/// --argv
void add_argv(CLI::App& command, collect::Options& options);

/// The positional PIDs: at least one, unless the option is made to be not required.
CLI::Option* add_pids(CLI::App& command, std::vector<Pid>& pids);

/// One of these words; another one is told with what was probably meant.
CLI::Validator one_of(std::vector<std::string> words);

/// --grade
void add_grade(CLI::App& command, watch::Grade& grade, const std::string& description);

/// Whether 0 is a time, such as where it means that there is no limit.
enum class Zero { Allowed, Refused };

/// An option of this name that takes a time with a unit.
CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          std::chrono::milliseconds& value, const std::string& description,
                          Zero zero = Zero::Allowed);

}  // namespace ipcdoctor::cmd
