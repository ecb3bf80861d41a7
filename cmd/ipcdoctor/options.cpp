#include "options.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "reports.h"
#include "suggest.h"

namespace ipcdoctor::cmd {

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {"", 1000}};
  const Error wrong{Cause::Malformed, 0,
                    "not a time such as 90s, 2m or 500ms: " + std::string(text)};
  double number = 0;
  const auto [rest, failure] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc{}) return wrong;
  const std::string_view suffix(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  const auto unit = std::ranges::find(kUnits, suffix, &std::pair<std::string_view, double>::first);
  if (unit == std::end(kUnits)) return wrong;
  const double ms = number * unit->second;
  constexpr double kYear = 365 * 24 * 3600e3;
  if (!(ms >= 0 && ms <= kYear)) return wrong;  // also refuses NaN
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms));
}

CLI::Option* add_duration(CLI::App& command, const std::string& name,
                          std::chrono::milliseconds& value, const std::string& description,
                          Zero zero) {
  return command
      .add_option_function<std::string>(
          name,
          [&value, name, zero](const std::string& text) {
            const auto time = parse_duration(text);
            if (!time) throw CLI::ValidationError(name, time.error().what);
            if (time->count() == 0 && zero == Zero::Refused)
              throw CLI::ValidationError(name, text + " is no time at all; such as 10s");
            value = *time;
          },
          description)
      ->type_name("TIME");
}

/// "htlm is none of text, json, html; did you mean html?"
static std::string none_of(const std::string& wrong, const std::vector<std::string>& words) {
  return wrong + " is none of " + fmt::format("{}", fmt::join(words, ", ")) +
         did_you_mean(wrong, words);
}

CLI::Validator one_of(std::vector<std::string> words) {
  std::string description = fmt::format("{{{}}}", fmt::join(words, ","));
  return {[words = std::move(words)](const std::string& word) {
            return std::ranges::find(words, word) != words.end() ? "" : none_of(word, words);
          },
          std::move(description)};
}

void add_grade(CLI::App& command, watch::Grade& grade, const std::string& description) {
  static const std::map<std::string, watch::Grade> kGrades = {
      {"proved", watch::Grade::Proved},       {"tree", watch::Grade::Tree},
      {"assuming", watch::Grade::Assuming},   {"stuck", watch::Grade::Stuck},
      {"suspected", watch::Grade::Suspected},
  };
  command
      .add_option_function<std::string>(
          "--grade", [&grade](const std::string& name) { grade = kGrades.at(name); }, description)
      ->check(one_of({"proved", "tree", "stuck", "assuming", "suspected"}))
      ->type_name("GRADE");
}

static Output parse_output(const std::string& text) {
  const auto equals = text.find('=');
  Output output{text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
  if (output.path == "-") output.path.clear();
  if (!is_format(output.format)) {
    throw CLI::ValidationError("--format", none_of(output.format, format_names()));
  }
  return output;
}

void add_report_options(CLI::App& command, ReportOptions& options) {
  command
      .add_option_function<std::vector<std::string>>(
          "--format",
          [&options](const std::vector<std::string>& values) {
            for (const std::string& value : values) options.outputs.push_back(parse_output(value));
            for (const Output& one : options.outputs)
              if (std::ranges::count(options.outputs, one.path, &Output::path) > 1)
                throw CLI::ValidationError("--format",
                                           "only one format can go to " +
                                               (one.path.empty() ? "standard output" : one.path));
          },
          "how to report (text), and where to; several at once, each to its own file")
      ->type_name("F[=FILE]:{" + fmt::format("{}", fmt::join(format_names(), ",")) + "}")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_flag("-v,--verbose", options.verbose, "the stacks of all threads too");
  command.add_flag("-q,--quiet", options.quiet,
                   "no text; the exit code tells, and what --format asks for");
  static const std::map<std::string, When> kWhen = {
      {"auto", When::Auto}, {"always", When::Always}, {"never", When::Never}};
  command
      .add_option_function<std::string>(
          "--color", [&options](const std::string& value) { options.colour = kWhen.at(value); },
          "whether text has colours (auto: on a terminal)")
      ->check(one_of({"auto", "always", "never"}))
      ->type_name("WHEN");
}

void add_argv(CLI::App& command, collect::Options& options) {
  command.add_flag_callback(
      "--argv", [&options] { options.argv = collect::Argv::Values; },
      "in json and snapshot all arguments of programs, but for what looks like a secret; without "
      "it only the program, the script and the names of options");
}

void add_collect_options(CLI::App& command, collect::Options& options) {
  using collect::StopPolicy;
  static const std::map<std::string, StopPolicy> kPolicies = {
      {"never", StopPolicy::Never}, {"auto", StopPolicy::Auto}, {"always", StopPolicy::Always}};
  command
      .add_option_function<std::string>(
          "--stop", [&options](const std::string& value) { options.stop = kPolicies.at(value); },
          "whether threads may be stopped for a moment for their registers (never)")
      ->check(one_of({"never", "auto", "always"}))
      ->type_name("WHEN");
  add_argv(command, options);
  command.add_flag("--overdue", options.overdue,
                   "PID should have ended or answered by now: what its main thread waits for is "
                   "told even if a service at rest would wait like that");
}

CLI::Option* add_observe(CLI::App& command, collect::Options& options) {
  return add_duration(command, "--observe", options.observe,
                      "watch for so long, to recognise polling loops (none)");
}

static Pid parse_pid(const std::string& word) {
  constexpr int kMost = 4194304;  // PID_MAX_LIMIT
  int pid = 0;
  const char* end = word.data() + word.size();
  const auto [rest, failure] = std::from_chars(word.data(), end, pid);
  if (failure == std::errc{} && rest == end && pid > 0 && pid <= kMost) return Pid{pid};
  throw CLI::ValidationError("PID", word + " is none: a number from 1 to " + std::to_string(kMost) +
                                        ", such as `pgrep -o NAME` prints");
}

CLI::Option* add_pids(CLI::App& command, std::vector<Pid>& pids) {
  return command
      .add_option_function<std::vector<std::string>>(
          "PID",
          [&pids](const std::vector<std::string>& words) {
            for (const std::string& word : words) pids.push_back(parse_pid(word));
          },
          "a process of the program; its job and its descendants belong to it")
      ->required()
      ->type_name("");
}

}  // namespace ipcdoctor::cmd
