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

/// Writes all outputs. A file appears whole or not at all.
Status write_outputs(const report::Report& report, const ReportOptions& options);

}  // namespace ipcdoctor::cmd
