#include <algorithm>
#include <cstdio>
#include <ostream>
#include <sstream>

#include "report/markup.h"
#include "report/report.h"

namespace ipcdoctor::report {
namespace {

/// Text of several lines; the newlines stay.
std::string escape_lines(const std::string& text) {
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out += escape_markup(line) + "\n";
  return out;
}

}  // namespace

/// One test suite with one case a finding, or one that passes; the schema that Jenkins, GitLab and
/// others read.
void write_junit(std::ostream& out, const Report& report) {
  const auto& findings = report.diagnosis.findings;
  const auto failures = std::ranges::count_if(findings, is_failure);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.3f", report.snapshot.elapsed_ms / 1000);
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite "
         "name=\"ipcdoctor\" tests=\""
      << std::max<std::size_t>(findings.size(), 1) << "\" failures=\"" << failures
      << "\" errors=\"0\" time=\"" << seconds << "\">\n";
  for (const diagnosis::Finding& finding : findings) {
    out << "    <testcase classname=\"ipcdoctor\" name=\""
        << escape_markup(finding.code + " " + finding.slug) << "\">";
    if (is_failure(finding)) {
      out << "\n      <failure type=\"" << to_string(finding.verdict) << "\" message=\""
          << escape_markup(finding.title) << "\">" << escape_lines(finding.explanation) << "\n"
          << escape_lines(finding.fix) << "</failure>\n    ";
    }
    out << "</testcase>\n";
  }
  if (findings.empty()) out << "    <testcase classname=\"ipcdoctor\" name=\"no deadlock\"/>\n";
  out << "    <system-out>" << escape_lines(plain_text(report))
      << "</system-out>\n  </testsuite>\n</testsuites>\n";
}

}  // namespace ipcdoctor::report
