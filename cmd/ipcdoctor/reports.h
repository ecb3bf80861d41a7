#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "options.h"
#include "report/report.h"

namespace ipcdoctor::cmd {

/// Not a report, but what `analyze` makes one of.
inline constexpr std::string_view kSnapshotFormat = "snapshot";

bool is_format(std::string_view name);
bool wants_snapshot(const ReportOptions& options);
std::vector<std::string> format_names();

/// Whether every output can be written, as far as that can be told before the work.
Status check_outputs(const ReportOptions& options);

/// Columns of that terminal, from 40 to 200; $COLUMNS may override; 80 where there is none.
int width_of(int fd);

/// What reports depend on beside their options: the terminal and the folder that we are in.
struct Setting {
  std::string directory;
  bool terminal = false;  ///< standard output, or what stands for it
  int width = 80;
};
Setting read_setting(const ReportOptions& options);

/// The text of one output. Which one it is is its place in outputs_of().
struct Rendered {
  std::string text;
  std::string summary;  ///< of the step, where GitHub asks for one
};
/// All outputs, files first: whoever reads standard output may be gone, or may end us.
std::vector<Output> outputs_of(const ReportOptions& options);
/// Makes no system call.
std::vector<Rendered> render_outputs(const report::Report& report, const ReportOptions& options,
                                     const Setting& setting);
/// A file appears whole or not at all.
Status write_rendered(const std::vector<Rendered>& rendered, const ReportOptions& options);

/// Renders and writes all outputs.
Status write_outputs(const report::Report& report, const ReportOptions& options);

}  // namespace ipcdoctor::cmd
