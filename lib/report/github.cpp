#include <ostream>
#include <sstream>

#include "base/text.h"
#include "report/markup.h"
#include "report/report.h"

namespace ipcdoctor::report {
namespace {

/// Data and properties of a workflow command (docs.github.com, "Workflow commands"): % CR LF, in
/// properties : , too.
std::string escape_command(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%')
      out += "%25";
    else if (c == '\n')
      out += "%0A";
    else if (c == '\r')
      out += "%0D";
    else if (property && c == ':')
      out += "%3A";
    else if (property && c == ',')
      out += "%2C";
    else
      out += c;
  }
  return out;
}

std::string properties(const Report& report, const diagnosis::Finding& finding) {
  std::string out = "title=" + escape_command(finding.code + " " + class_and_grade(finding), true);
  const Place place = place_of(report, finding);
  if (place.line > 0) {
    out += ",file=" + escape_command(escape_untrusted(place.file), true) +
           ",line=" + std::to_string(place.line);
  }
  return out;
}

}  // namespace

/// Annotations of GitHub Actions: one line a finding, then the text report folded away.
void write_github(std::ostream& out, const Report& report) {
  for (const diagnosis::Finding& finding : report.diagnosis.findings) {
    const std::string text = safe_lines(finding.title) + "\nFix: " + safe_lines(finding.fix);
    out << (is_failure(finding) ? "::error " : "::notice ") << properties(report, finding)
        << "::" << escape_command(text, false) << '\n';
  }
  out << "::group::ipcdoctor report\n"
      << break_workflow_commands(plain_text(report)) << "::endgroup::\n";
}

void write_step_summary(std::ostream& out, const Report& report) {
  for (const diagnosis::Finding& finding : report.diagnosis.findings)
    out << "### " << (is_failure(finding) ? "\u274c " : "") << finding.code << ' '
        << class_and_grade(finding) << "\n\n";
  if (report.diagnosis.findings.empty())
    out << "### ipcdoctor: " << to_string(report.diagnosis.verdict) << "\n\n";
  // Indented by four it is code, whatever is in it.
  std::istringstream text(plain_text(report));
  for (std::string line; std::getline(text, line);) out << "    " << line << '\n';
  if (report.diagnosis.findings.empty()) return;
  out << "\n```mermaid\n";
  write_mermaid(out, report);
  out << "```\n";
}

}  // namespace ipcdoctor::report
