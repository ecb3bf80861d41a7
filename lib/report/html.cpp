#include <ostream>
#include <sstream>

#include "report/markup.h"
#include "report/report.h"
#include "report/stacks.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::Finding;

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>ipcdoctor</title><style>
body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
h2{margin-top:2em}.deadlock{color:#b00}.stuck{color:#808}.waiting,.running{color:#070}.inconclusive{color:#960}
table{border-collapse:collapse}td,th{text-align:left;padding:.2em 1em .2em 0;vertical-align:top}
code,pre{font-family:monospace}pre{white-space:pre-wrap;background:#f4f4f4;padding:.7em}
</style></head><body>
)";

std::string lines(std::string_view text) {
  std::string out;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) out += (out.empty() ? "" : "<br>") + escape_markup(line);
  return out;
}

std::string place(const std::string& where, const std::string& function) {
  return "<code>" + escape_markup(where + (function.empty() ? "" : " in " + function)) + "</code>";
}

class HtmlWriter {
 public:
  HtmlWriter(std::ostream& out, const Report& report) : out_(out), report_(report) {}

  void write() {
    const std::string verdict = to_string(report_.diagnosis.verdict);
    out_ << kHead << "<h1 class=\"" << verdict << "\">" << verdict << "</h1>\n<pre>";
    std::istringstream text(plain_text(report_));
    for (std::string line; std::getline(text, line);) out_ << escape_markup(line) << '\n';
    out_ << "</pre>\n";
    for (const Finding& finding : report_.diagnosis.findings) write_finding(finding);
    out_ << "<h2>Stacks</h2>\n<pre>";
    std::istringstream stacks(stacks_text(report_.snapshot));
    for (std::string line; std::getline(stacks, line);) out_ << escape_markup(line) << '\n';
    out_ << "</pre>\n";
    write_unseen();
    out_ << "<p>ipcdoctor " IPCDOCTOR_VERSION ", host " << escape_markup(report_.snapshot.host) << ", Linux "
         << escape_markup(report_.snapshot.kernel) << "</p>\n</body></html>\n";
  }

 private:
  std::string label(snapshot::TaskRef task) const { return escape_markup(snapshot::label(report_.snapshot, task)); }

  void write_finding(const Finding& finding) {
    out_ << "<h2 class=\"" << to_string(finding.verdict) << "\">" << escape_markup(finding.code) << ' '
         << escape_markup(class_and_grade(finding)) << "</h2>\n<p><b>" << lines(finding.title) << "</b></p>\n<p>"
         << lines(finding.explanation) << "</p>\n<p><b>Fix:</b> " << lines(finding.fix) << "</p>\n<table>";
    for (const diagnosis::Culprit& c : finding.culprits) {
      out_ << "<tr><th>to blame</th><td>" << label(c.task) << (c.dead ? " (dead)" : "") << "</td><td>"
           << place(c.where, c.function) << "</td><td>" << escape_markup(c.why) << "</td></tr>\n";
    }
    for (const diagnosis::StuckTask& s : finding.stuck) {
      out_ << "<tr><th>stuck</th><td>" << label(s.task) << "</td><td>" << place(s.where, s.function)
           << "</td><td>waits for " << escape_markup(s.waits_for) << "</td></tr>\n";
    }
    out_ << "</table>\n<ul>";
    for (const std::string& assumption : finding.assumptions) out_ << "<li>assuming: " << escape_markup(assumption) << "</li>\n";
    for (const diagnosis::Evidence& e : finding.evidence) {
      out_ << "<li>" << escape_markup(e.fact) << " <code>" << escape_markup(e.source) << "</code></li>\n";
    }
    out_ << "</ul>\n";
  }

  void write_unseen() {
    if (report_.snapshot.unseen.empty()) return;
    out_ << "<h2>Not seen</h2>\n<ul>";
    for (const snapshot::Unseen& unseen : report_.snapshot.unseen) {
      out_ << "<li>" << escape_markup(to_string(unseen.error)) << "</li>\n";
    }
    out_ << "</ul>\n";
  }

  std::ostream& out_;
  const Report& report_;
};

}  // namespace

/// One page without scripts and without anything from elsewhere.
void write_html(std::ostream& out, const Report& report) { HtmlWriter(out, report).write(); }

}  // namespace ipcdoctor::report
