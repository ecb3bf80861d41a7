#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "commands.h"
#include "examine.h"
#include "exit_code.h"
#include "linux/confined.h"
#include "reports.h"
#include "snapshot/join.h"
#include "snapshot_file.h"
#include "telling.h"

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

/// What the process without rights makes of the files.
struct Analysis {
  int exit_code = kNoFinding;
  std::string error;                           ///< for kUsage
  std::vector<std::vector<Rendered>> reports;  ///< one, or one of each snapshot
};

Analysis usage_error(std::string text) {
  return {.exit_code = kUsage, .error = std::move(text), .reports = {}};
}

Analysis analyze_texts(std::vector<SnapshotText> texts, const AnalyzeOptions& options,
                       const Setting& setting) {
  auto snapshots = parse_files(std::move(texts));
  if (!snapshots) return usage_error(words_of(snapshots.error()));
  if (!options.each && snapshots->size() > 1 && snapshot::belong_together(*snapshots)) {
    Result<snapshot::Snapshot> joined = snapshot::join(*std::move(snapshots));
    if (!joined) return usage_error(words_of(joined.error()));
    snapshots = std::vector<snapshot::Snapshot>();
    snapshots->push_back(*std::move(joined));
  }
  if (snapshots->size() > 1 && goes_to_files(options.report))
    return usage_error("--format: several snapshots cannot be reported in one file");
  Analysis analysis;
  for (snapshot::Snapshot& snapshot : *snapshots) {
    const Examination examination = examine(std::move(snapshot));
    analysis.reports.push_back(render_outputs(examination.report(), options.report, setting));
    const int one = examination.exit_code();
    if (one == kFinding || analysis.exit_code == kNoFinding) analysis.exit_code = one;
  }
  return analysis;
}

// The answer: texts with their lengths, as many as the parent can tell how many there are.

void put(std::string& bytes, std::string_view text) {
  const std::uint64_t size = text.size();
  bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += text;
}

std::string take(std::string_view& bytes) {
  std::uint64_t size = 0;
  if (bytes.copy(reinterpret_cast<char*>(&size), sizeof size) < sizeof size) return "";
  bytes.remove_prefix(sizeof size);
  std::string text(bytes.substr(0, size));
  bytes.remove_prefix(text.size());
  return text;
}

std::string to_bytes(const Analysis& analysis) {
  std::string bytes(1, static_cast<char>(analysis.exit_code));
  put(bytes, analysis.error);
  for (const auto& report : analysis.reports) {
    for (const Rendered& rendered : report) {
      put(bytes, rendered.text);
      put(bytes, rendered.summary);
    }
  }
  return bytes;
}

/// @param outputs  of each report
Analysis from_bytes(std::string_view bytes, std::size_t outputs) {
  Analysis analysis;
  if (bytes.empty()) return analysis;
  analysis.exit_code = bytes.front();
  bytes.remove_prefix(1);
  analysis.error = take(bytes);
  while (!bytes.empty()) {
    auto& report = analysis.reports.emplace_back();
    for (std::size_t i = 0; i < outputs; ++i) {
      std::string text = take(bytes);
      report.push_back({.text = std::move(text), .summary = take(bytes)});
    }
  }
  return analysis;
}

/// Snapshots come from elsewhere, and reading one should take no more than trust in its text.
Result<Analysis> analyze_without_rights(std::vector<SnapshotText> texts,
                                        const AnalyzeOptions& options) {
  const Setting setting = read_setting(options.report);
  std::uint64_t size = 0;
  for (const SnapshotText& text : texts) size += text.bytes.size();
  linux::Confinement confinement;
  confinement.memory = (std::uint64_t{2} << 30) + 64 * size;
  confinement.cpu = std::chrono::seconds(0);  // whoever waits may end it
  confinement.answer = std::uint64_t{4} << 30;
  auto reader = linux::Confined::start(confinement, -1, [&](std::string_view) {
    return to_bytes(analyze_texts(std::move(texts), options, setting));
  });
  if (!reader) return reader.error();
  texts.clear();  // the child has its own
  Telling telling("reading the snapshots");
  const auto answer = reader->ask("", [&] {
    telling.tick();
    return true;
  });
  if (!answer) {
    Error error = answer.error();
    error.what = "the reader of snapshots " + error.what;
    return error;
  }
  return from_bytes(*answer, outputs_of(options.report).size());
}

int analyze(const AnalyzeOptions& options) {
  if (const Status writable = check_outputs(options.report); !writable)
    return fail(kUsage, words_of(writable.error()));
  auto texts = read_files(options.files);
  if (!texts) return fail(kUsage, words_of(texts.error()));
  const auto analysis = analyze_without_rights(*std::move(texts), options);
  if (!analysis) return fail(exit_code_of(analysis.error()), words_of(analysis.error()));
  if (!analysis->error.empty()) return fail(analysis->exit_code, escape_untrusted(analysis->error));
  for (const auto& report : analysis->reports) {
    const Status written = write_rendered(report, options.report);
    if (!written) return fail(kUsage, words_of(written.error()));
  }
  return analysis->exit_code;
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
