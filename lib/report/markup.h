#pragma once

#include <string>
#include <string_view>

#include "report/report.h"

namespace ipcdoctor::report {

/// Hostile text inside XML or HTML, elements and attributes alike: controls become \xNN, then & < >
/// " ' are escaped.
std::string escape_markup(std::string_view text);

/// escape_untrusted() of each line; the line ends stay.
std::string safe_lines(std::string_view text);

/// The text report without colours, 100 columns wide, as the body of other formats.
std::string plain_text(const Report& report);

/// "unclosed-write-end (proved)"
std::string class_and_grade(const diagnosis::Finding& finding);

/// Whether a test should fail for it.
bool is_failure(const diagnosis::Finding& finding);

/// File and line of a "where"; line 0 if there is none.
struct Place {
  std::string file;
  int line = 0;
};

/// Where a task stands: `where` of the finding, with the path that its stack has, below the
/// report's directory.
Place place_of(const Report& report, snapshot::TaskRef task, std::string_view where);

/// The best line to show a finding at: the first culprit's, else the first stuck task's.
Place place_of(const Report& report, const diagnosis::Finding& finding);

}  // namespace ipcdoctor::report
