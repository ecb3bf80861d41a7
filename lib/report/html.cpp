#include <ostream>
#include <sstream>

#include "report/crowd.h"
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
:root{color-scheme:light dark;--text:#222;--back:#fff;--box:#f4f4f4;--line:#ddd;--bad:#b00;--odd:#770;--good:#070}
@media(prefers-color-scheme:dark){:root{--text:#ddd;--back:#181818;--box:#262626;--line:#444;--bad:#f66;--odd:#dd5;--good:#6c6}}
body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:var(--text);background:var(--back)}
h1,h2{margin-bottom:.2em}h2{margin-top:1.6em}h3{margin:1.2em 0 .3em}.deadlock{color:var(--bad)}.stuck,.inconclusive{color:var(--odd)}
.waiting,.running{color:var(--good)}.fix{background:var(--box);border-left:.3em solid var(--good);padding:.5em 1em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em 1em .3em 0;vertical-align:top;border-top:1px solid var(--line)}
td{overflow-wrap:anywhere}th{white-space:nowrap}@media(min-width:45em){td:nth-child(2){white-space:nowrap}}
.blame th{color:var(--bad)}summary{cursor:pointer;font-weight:bold;margin:.8em 0}
code,pre{font-family:monospace}pre{overflow-x:auto;background:var(--box);padding:.7em}small{opacity:.8}
</style></head><body>
)";

std::string lines(std::string_view text) {
  std::string out;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);)
    out += (out.empty() ? "" : "<br>") + escape_markup(line);
  return out;
}

std::string place(const std::string& where, const std::string& function) {
  if (where.empty() && function.empty()) return "";
  return "<code>" + escape_markup(where + (function.empty() ? "" : " in " + function)) + "</code>";
}

class HtmlWriter {
 public:
  HtmlWriter(std::ostream& out, const Report& report) : out_(out), report_(report) {}

  void write() {
    const std::string verdict = to_string(report_.diagnosis.verdict);
    out_ << kHead << "<h1 class=\"" << verdict << "\">" << verdict << "</h1>\n";
    for (const Finding& finding : report_.diagnosis.findings) write_finding(finding);
    const std::string text = plain_text(report_);
    if (report_.diagnosis.findings.empty()) {
      write_block(text);
    } else {
      write_fold("Report as text", text);
    }
    write_unseen();
    write_fold("Stacks, innermost call first", stacks_text(report_.snapshot));
    out_ << "<p><small>ipcdoctor " << escape_markup(report_.version) << ", host "
         << escape_markup(report_.snapshot.host) << ", Linux "
         << escape_markup(report_.snapshot.kernel) << "</small></p>\n</body></html>\n";
  }

 private:
  std::string label(snapshot::TaskRef task) const {
    return escape_markup(snapshot::label(report_.snapshot, task));
  }

  void write_block(const std::string& text) {
    out_ << "<pre>";
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out_ << escape_markup(line) << '\n';
    out_ << "</pre>\n";
  }

  void write_fold(const char* summary, const std::string& text) {
    out_ << "<details><summary>" << summary << "</summary>\n";
    write_block(text);
    out_ << "</details>\n";
  }

  void write_row(const char* kind, const char* word, const std::string& who,
                 const std::string& where, const std::string& what) {
    out_ << "<tr class=\"" << kind << "\"><th>" << word << "</th><td>" << who << "</td><td>"
         << where << "</td><td>" << escape_markup(what) << "</td></tr>\n";
  }

  void write_culprits(const Finding& finding) {
    std::vector<std::string> fds, texts;
    for (const diagnosis::Culprit& c : finding.culprits) {
      fds.push_back((c.fd >= 0 ? " fd " + std::to_string(c.fd) : "") + (c.dead ? " (dead)" : ""));
      texts.push_back(fds.back() + "\n" + c.where + "\n" + c.function + "\n" + c.why);
    }
    for (const Line& line : crowds_folded(texts)) {
      const diagnosis::Culprit& c = finding.culprits[line.index];
      write_row("blame", "to blame", label(c.task) + fds[line.index] + and_more(line.more),
                place(c.where, c.function), c.why);
    }
  }

  void write_stuck(const Finding& finding) {
    std::vector<std::string> texts;
    for (const diagnosis::StuckTask& s : finding.stuck)
      texts.push_back(s.where + "\n" + s.function + "\n" + s.waits_for);
    for (const Line& line : crowds_folded(texts)) {
      const diagnosis::StuckTask& s = finding.stuck[line.index];
      write_row("stuck-task", "stuck", label(s.task) + and_more(line.more),
                place(s.where, s.function), "waits for " + s.waits_for);
    }
  }

  void write_finding(const Finding& finding) {
    out_ << "<h2 class=\"" << to_string(finding.verdict) << "\">" << lines(finding.title)
         << "</h2>\n<p>" << escape_markup(finding.code) << ' '
         << escape_markup(class_and_grade(finding)) << "</p>\n<p>" << lines(finding.explanation)
         << "</p>\n<p class=\"fix\"><b>Fix:</b> " << lines(finding.fix) << "</p>\n<table>\n";
    write_culprits(finding);
    write_stuck(finding);
    out_ << "</table>\n";
    if (!finding.chain.empty()) out_ << "<h3>Who waits for whom</h3>\n<ul>";
    for (const diagnosis::ChainLink& link : finding.chain) {
      const std::string by = link.by.empty() ? "" : " by " + link.by;
      out_ << "<li>" << label(link.from) << " \u2192 " << label(link.to) << escape_markup(by)
           << (link.evidence.empty() ? "" : ": ") << escape_markup(link.evidence) << "</li>\n";
    }
    if (!finding.chain.empty()) out_ << "</ul>\n";
    if (!finding.assumptions.empty() || !finding.evidence.empty())
      out_ << "<h3>Evidence</h3>\n<ul>";
    for (const std::string& assumption : finding.assumptions)
      out_ << "<li>assuming: " << escape_markup(assumption) << "</li>\n";
    for (const diagnosis::Evidence& e : finding.evidence) {
      out_ << "<li>" << escape_markup(e.fact) << " <code>" << escape_markup(e.source)
           << "</code></li>\n";
    }
    if (!finding.assumptions.empty() || !finding.evidence.empty()) out_ << "</ul>\n";
  }

  void write_unseen() {
    const std::vector<std::string> facts =
        unseen_lines(report_.snapshot, report_.diagnosis.inconclusive, false);
    if (facts.empty()) return;
    out_ << "<h2>Not seen</h2>\n<ul>";
    for (const std::string& fact : facts) out_ << "<li>" << escape_markup(fact) << "</li>\n";
    out_ << "</ul>\n";
  }

  std::ostream& out_;
  const Report& report_;
};

}  // namespace

/// One page without scripts and without anything from elsewhere.
void write_html(std::ostream& out, const Report& report) {
  HtmlWriter(out, report).write();
}

}  // namespace ipcdoctor::report
