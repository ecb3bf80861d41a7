#include "reports.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "github_actions.h"
#include "output_file.h"
#include "snapshot/codec.h"
#include "version.h"

namespace ipcdoctor::cmd {
namespace {

using Write = void (*)(std::ostream&, const report::Report&);

struct Format {
  std::string_view name;
  Write write;  ///< nullptr: text, which needs to know the terminal
};

constexpr Format kFormats[] = {
    {"text", nullptr},
    {"json", report::write_json},
    {"brief", report::write_brief},
    {"html", report::write_html},
    {"dot", report::write_dot},
    {"mermaid", report::write_mermaid},
    {"junit", report::write_junit},
    {"sarif", report::write_sarif},
    {"github", report::write_github},
    {kSnapshotFormat,
     [](std::ostream& out, const report::Report& report) { snapshot::save(out, report.snapshot); }},
};

/// What the first of these variables that is set says, setlocale(3); UTF-8 where none is, as in
/// most containers and jobs.
report::Charset charset_of_locale() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    std::string name = value;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool is_utf8 = name.find("utf-8") != std::string::npos || name.ends_with("utf8");
    return is_utf8 ? report::Charset::Utf8 : report::Charset::Ascii;
  }
  return report::Charset::Utf8;
}

report::TextOptions text_options(const Output& output, const ReportOptions& options,
                                 const Setting& setting) {
  const bool terminal = output.path.empty() && setting.terminal;
  const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org: set and not empty
  const char* term = std::getenv("TERM");
  const bool plain = (no_colour != nullptr && *no_colour != '\0') ||
                     (term != nullptr && std::string_view(term) == "dumb");
  const bool colour =
      options.colour == When::Auto ? terminal && !plain : options.colour == When::Always;
  return {.colour = colour ? report::Colour::On : report::Colour::Off,
          .width = terminal ? setting.width : 80,
          .stacks = options.verbose,
          .charset = output.path.empty() ? charset_of_locale() : report::Charset::Utf8};
}

std::string render(const report::Report& report, const Output& output, const ReportOptions& options,
                   const Setting& setting) {
  std::ostringstream out;
  const auto format = std::ranges::find(kFormats, output.format, &Format::name);
  if (format->write != nullptr) {
    format->write(out, report);
    return std::move(out).str();
  }
  report::write_text(out, report, text_options(output, options, setting));
  std::string text = std::move(out).str();
  // it goes to the log of the job, in which the runner looks for commands
  return output.path.empty() && in_github_actions() ? stop_commands(text) : text;
}

}  // namespace

bool is_format(std::string_view name) {
  return std::ranges::find(kFormats, name, &Format::name) != std::end(kFormats);
}

bool wants_snapshot(const ReportOptions& options) {
  return std::ranges::find(options.outputs, kSnapshotFormat, &Output::format) !=
         options.outputs.end();
}

std::vector<Output> outputs_of(const ReportOptions& options) {
  if (options.outputs.empty() && !options.quiet) return {{"text", ""}};
  std::vector<Output> outputs = options.outputs;
  std::ranges::stable_sort(
      outputs, [](const Output& a, const Output& b) { return a.path.empty() < b.path.empty(); });
  return outputs;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : kFormats) names.emplace_back(format.name);
  return names;
}

Status check_outputs(const ReportOptions& options) {
  for (const Output& output : outputs_of(options)) {
    if (output.path.empty()) continue;
    if (Status status = check_writable(output.path); !status) return status;
  }
  return Done{};
}

namespace {

/// GitHub gives each step a file for its summary, and shows below the job what is appended to it.
std::string_view step_summary_file() {
  const char* path = std::getenv("GITHUB_STEP_SUMMARY");
  return path == nullptr ? "" : path;
}

std::string step_summary(const report::Report& report) {
  std::ostringstream text;
  report::write_step_summary(text, report);
  return std::move(text).str();
}

}  // namespace

int width_of(int fd) {
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr && std::atoi(columns) > 0) {
    return std::clamp(std::atoi(columns), 40, 200);
  }
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::clamp(static_cast<int>(size.ws_col), 40, 200);
}

Setting read_setting(const ReportOptions& options) {
  std::error_code gone;  // the directory was removed: paths stay whole
  return {.directory = std::filesystem::current_path(gone).string(),
          .terminal = ::isatty(options.standard_fd) == 1,
          .width = width_of(options.standard_fd)};
}

std::vector<Rendered> render_outputs(const report::Report& given, const ReportOptions& options,
                                     const Setting& setting) {
  report::Report report = given;
  report.directory = setting.directory;
  report.version = kVersion;
  std::vector<Rendered> rendered;
  for (const Output& output : outputs_of(options)) {
    const bool summary = output.format == "github" && !step_summary_file().empty();
    rendered.push_back({.text = render(report, output, options, setting),
                        .summary = summary ? step_summary(report) : ""});
  }
  return rendered;
}

/// All of them, though one cannot be written. @return the first failure
Status write_rendered(const std::vector<Rendered>& rendered, const ReportOptions& options) {
  Status all = Done{};
  const auto add = [&](Status status) {
    if (all && !status) all = std::move(status);
  };
  const std::vector<Output> outputs = outputs_of(options);
  for (std::size_t i = 0; i < outputs.size() && i < rendered.size(); ++i) {
    const auto& [text, summary] = rendered[i];
    const auto& [format, path] = outputs[i];
    // A verdict begins a line, and a command for GitHub's runner is none elsewhere. On standard
    // error the command that is run may have begun one.
    const bool is_lines = format == "text" || format == "github" || format == "brief";
    const std::string begin = options.standard_fd == STDERR_FILENO && is_lines ? "\n" : "";
    add(path.empty() ? write_descriptor(options.standard_fd, begin + text)
                     : write_whole(path, text));
    if (!summary.empty()) add(append_to(std::string(step_summary_file()), summary));
  }
  return all;
}

Status write_outputs(const report::Report& report, const ReportOptions& options) {
  return write_rendered(render_outputs(report, options, read_setting(options)), options);
}

}  // namespace ipcdoctor::cmd
