#include <algorithm>
#include <map>
#include <ostream>
#include <sstream>

#include "base/text.h"
#include "report/alike.h"
#include "report/crowd.h"
#include "report/layout.h"
#include "report/markup.h"
#include "report/report.h"
#include "report/waits.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::Finding;
using diagnosis::Verdict;
using snapshot::TaskRef;

// Of each list the first; together with the headings no more than 40 lines.
constexpr std::size_t kMaxFix = 4;
constexpr std::size_t kMaxCulprits = 4;
constexpr std::size_t kMaxStuck = 4;
constexpr std::size_t kMaxEvidence = 5;
constexpr std::size_t kMaxConditions = 3;
constexpr std::size_t kMaxUnseen = 2;
constexpr std::size_t kMaxOthers = 3;
constexpr std::size_t kMaxWaits = 12;
constexpr std::size_t kMaxLength = 400;  // of a text, in characters

/// A code span of Markdown: nothing in it is markup, mention or link. Its fence is longer than
/// any run of backticks in it (CommonMark 0.31, "Code spans").
std::string code(std::string text) {
  text = escape_untrusted(text);
  if (columns_of(text) > kMaxLength) {
    std::size_t end = kMaxLength;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end) + "...";
  }
  std::size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  if (text.empty()) return "";
  const std::string fence(longest + 1, '`');
  const std::string pad = longest > 0 ? " " : "";
  return fence + pad + text + pad + fence;
}

class BriefWriter {
 public:
  explicit BriefWriter(const Report& report) : report_(report) {}

  std::string write() {
    const std::vector<Finding>& findings = report_.diagnosis.findings;
    if (findings.empty())
      write_waits();
    else
      write_finding(findings.front());
    write_others();
    write_list("not seen", unseen_lines(report_.snapshot, report_.diagnosis.inconclusive, false),
               kMaxUnseen);
    write_next();
    return std::move(out_).str();
  }

 private:
  std::string label(TaskRef task) const { return snapshot::label(report_.snapshot, task); }

  void write_list(const char* word, const std::vector<std::string>& texts, std::size_t limit) {
    const std::size_t shown = texts.size() > limit ? limit - 1 : texts.size();
    for (std::size_t i = 0; i < shown; ++i) out_ << "- " << word << ": " << code(texts[i]) << '\n';
    if (texts.size() > shown) out_ << "- " << word << ": " << texts.size() - shown << " more\n";
  }

  /// Alike ones, which differ in their numbers, are one.
  void write_crowd(const char* word, const std::vector<std::pair<TaskRef, std::string>>& entries,
                   std::size_t limit) {
    struct Group {
      std::string who, text;
      std::size_t more = 0;
    };
    std::map<std::string, std::size_t> places;
    std::vector<Group> groups;
    for (const auto& [task, text] : entries) {
      const auto [it, is_new] = places.try_emplace(without_numbers(text), groups.size());
      if (is_new)
        groups.push_back({label(task), text, 0});
      else
        ++groups[it->second].more;
    }
    std::vector<std::string> texts;
    for (const Group& group : groups)
      texts.push_back(group.who + and_more(group.more) + group.text);
    write_list(word, texts, limit);
  }

  std::string at(TaskRef task, const std::string& where, const std::string& function) const {
    if (where.empty() && function.empty()) return "";
    return " at " + where + (function.empty() ? "" : " in " + function + "()") +
           caller_words(report_.snapshot, task, where);
  }

  void write_finding(const Finding& finding) {
    out_ << "## " << capitals(finding.verdict) << ": " << class_and_grade(finding) << ", "
         << escape_untrusted(finding.code) << "\n\n"
         << code(finding.title.substr(0, finding.title.find('\n'))) << "\n\n";
    std::vector<std::pair<TaskRef, std::string>> culprits, stuck;
    for (const diagnosis::Culprit& c : finding.culprits) {
      const std::string fd = fd_words(c);
      const std::string why = why_beside_title(finding, c);
      culprits.emplace_back(c.task, (c.dead ? " (dead)" : "") + (fd.empty() ? "" : " " + fd) +
                                        at(c.task, c.where, c.function) +
                                        (why.empty() ? "" : ": " + why));
    }
    for (const diagnosis::StuckTask* s : stuck_beside_blame(finding))
      stuck.emplace_back(s->task,
                         at(s->task, s->where, s->function) + ": waits for " + s->waits_for);
    write_crowd("to blame", culprits, kMaxCulprits);
    write_crowd("stuck", stuck, kMaxStuck);
    std::vector<std::string> fixes, facts;
    std::istringstream fix(finding.fix);
    for (std::string line; std::getline(fix, line);) fixes.push_back(line);
    write_list("fix", fixes, kMaxFix);
    if (const std::string words = checked_words(finding); !words.empty())
      write_list("checked", {words.substr(words.find(' ') + 1)}, 1);
    std::map<std::string, std::size_t> alike;
    for (const diagnosis::Evidence& e : finding.evidence)
      if (++alike[without_numbers(e.fact + e.source)] == 1)
        facts.push_back(e.fact + " (" + e.source + ")");
    write_list("evidence", facts, kMaxEvidence);
    write_list("unless one of these helps", finding.unless, kMaxConditions);
    write_list("assuming", finding.assumptions, kMaxConditions);
  }

  void write_waits() {
    out_ << "## " << capitals(report_.diagnosis.verdict) << ": "
         << words_for(report_.diagnosis.verdict) << "\n\n";
    write_list("waiting", wait_lines(report_), kMaxWaits);
  }

  void write_others() {
    const std::vector<Alike> groups = alike_findings(report_);
    std::vector<std::string> texts;
    if (!groups.empty() && groups.front().count > 1)
      texts.push_back("the same " + likewise(report_, groups.front()));
    for (std::size_t i = 1; i < groups.size(); ++i) {
      const Finding& finding = *groups[i].first;
      const std::string more = likewise(report_, groups[i]);
      texts.push_back(capitals(finding.verdict) + " " + class_and_grade(finding) + ": " +
                      finding.title + (more.empty() ? "" : "; " + more));
    }
    write_list("also found", texts, kMaxOthers);
  }

  void write_next() {
    std::string pids;
    for (const Pid pid : report_.snapshot.targets) pids += " " + std::to_string(pid.value);
    out_ << "\nNext:\n\n";
    const std::vector<Finding>& findings = report_.diagnosis.findings;
    if (!findings.empty())
      out_ << "- " << code("ipcdoctor explain " + findings.front().slug)
           << ": what this class means, when it is wrong, what to do\n";
    if (pids.empty() || !report_.snapshot.hosts.empty()) return;
    out_ << "- " << code("ipcdoctor stacks -v" + pids) << ": where all threads are\n"
         << "- " << code("ipcdoctor save" + pids + " -o hang.json")
         << ": all that was seen, for `ipcdoctor analyze`\n";
    const bool is_blind =
        !report_.snapshot.unseen.empty() || report_.diagnosis.verdict == Verdict::Inconclusive;
    if (is_blind) out_ << "- `ipcdoctor check`: what keeps it from seeing more\n";
  }

  const Report& report_;
  std::ostringstream out_;
};

}  // namespace

void write_brief(std::ostream& out, const Report& report) {
  out << break_workflow_commands(BriefWriter(report).write());
}

}  // namespace ipcdoctor::report
