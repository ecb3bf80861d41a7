#pragma once

#include <string>
#include <string_view>

#include "options.h"
#include "report/report.h"

namespace ipcdoctor::cmd {

bool is_format(std::string_view name);
std::string format_names();  ///< "text, json, ..."

/// Whether every output can be written, as far as that can be told before the work.
Status check_outputs(const ReportOptions& options);

/// Writes all outputs. A file appears whole or not at all.
Status write_outputs(const report::Report& report, const ReportOptions& options);

}  // namespace ipcdoctor::cmd
