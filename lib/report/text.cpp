#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <ostream>
#include <ranges>
#include <set>
#include <string_view>

#include "base/text.h"
#include "report/layout.h"
#include "report/report.h"
#include "report/stacks.h"
#include "report/waits.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::Finding;
using diagnosis::Verdict;
using snapshot::TaskRef;

constexpr std::size_t kShownGroups = 3;  // of stuck tasks or culprits, without -v
constexpr std::size_t kShownUnseen = 3;
constexpr std::size_t kShownChain = 8;
constexpr std::size_t kShownLabels = 4;
constexpr std::size_t kShownWaits = 8;

class TextWriter {
 public:
  TextWriter(std::ostream& out, const Report& report, const TextOptions& options)
      : out_(out),
        report_(report),
        options_(options),
        width_(static_cast<std::size_t>(options.width)),
        begin_(std::chrono::steady_clock::now()) {}

  void write() {
    if (report_.diagnosis.findings.empty()) write_no_finding();
    for (const Finding& finding : report_.diagnosis.findings) write_finding(finding);
    const bool claims_nothing = std::ranges::all_of(
        report_.diagnosis.findings, [](const Finding& finding) { return !finding.unless.empty(); });
    if (claims_nothing && !report_.diagnosis.findings.empty()) write_waits();
    if (options_.stacks) {
      out_ << "Stacks, innermost call first\n" << stacks_text(report_.snapshot);
    }
    write_unseen();
    write_footer();
    if (options_.stacks && report_.elapsed.graph > 0) write_elapsed();
  }

 private:
  std::string paint(const char* code, const std::string& text) const {
    return options_.colour == Colour::On ? std::string("\033[") + code + "m" + text + "\033[0m"
                                         : text;
  }

  static const char* colour_of(Verdict verdict) {
    switch (verdict) {
      case Verdict::Deadlock:
        return "1;31";
      case Verdict::Stuck:
        return "1;35";
      case Verdict::Waiting:
        return "1;32";
      case Verdict::Running:
        return "1;32";
      case Verdict::Inconclusive:
        return "1;33";
    }
    return "0";
  }

  /// The first word gets its colour after the layout, which counts columns.
  void headline(Verdict verdict, const std::string& rest, const std::string& right) {
    const std::string word = capitals(verdict);
    const std::string line = justify(word + "  " + rest, right, width_);
    out_ << paint(colour_of(verdict), word) << line.substr(word.size()) << '\n';
  }

  void item(const std::string& text, std::string_view first, std::string_view rest) {
    out_ << wrap(text, width_, first, rest);
  }

  std::string label(TaskRef task) const {
    return escape_untrusted(snapshot::label(report_.snapshot, task));
  }

  std::string labels(const std::vector<TaskRef>& tasks) const {
    return labels_of(report_.snapshot, tasks, options_.stacks ? tasks.size() : kShownLabels);
  }

  /// Those with the same text stand on one line, in the order of their first.
  void write_groups(const std::vector<std::pair<std::string, TaskRef>>& entries,
                    std::string_view heading) {
    std::vector<std::pair<std::string_view, std::vector<TaskRef>>> groups;
    std::map<std::string_view, std::size_t> place;
    std::set<std::pair<std::size_t, TaskRef>> listed;
    for (const auto& [text, task] : entries) {
      const auto [it, is_new] = place.try_emplace(text, groups.size());
      if (is_new) groups.push_back({text, {}});
      if (listed.emplace(it->second, task).second) groups[it->second].second.push_back(task);
    }
    const std::size_t limit = options_.stacks ? groups.size() : kShownGroups;
    const std::string blank(heading.size(), ' ');
    for (std::size_t i = 0; i < groups.size() && i < limit; ++i) {
      item(labels(groups[i].second).append(groups[i].first),
           i == 0 ? heading : std::string_view(blank), blank + "  ");
    }
    if (groups.size() > limit)
      out_ << blank << "and " << groups.size() - limit << " more (-v shows all)\n";
  }

  static std::string at(const std::string& where, const std::string& function) {
    std::string out = where.empty() ? "" : "  " + where;
    if (!function.empty()) out += (where.empty() ? "  in " : " in ") + function;
    return escape_untrusted(out);
  }

  void write_stuck(const Finding& finding) {
    std::vector<std::pair<std::string, TaskRef>> entries;
    for (const diagnosis::StuckTask& s : finding.stuck) {
      entries.push_back(
          {at(s.where, s.function) + "  waits for " + escape_untrusted(s.waits_for), s.task});
    }
    // Few are shown: first those that stand in the user's own code.
    std::ranges::stable_partition(
        entries, [](const auto& entry) { return !entry.first.starts_with("  waits for "); });
    write_groups(entries, "  Stuck: ");
  }

  void write_culprits(const Finding& finding) {
    std::vector<std::pair<std::string, TaskRef>> entries;
    for (const diagnosis::Culprit& c : finding.culprits) {
      std::string text = c.dead ? "  (dead)" : "";
      if (c.fd >= 0) text += "  fd " + std::to_string(c.fd);
      entries.push_back({text + at(c.where, c.function) + "  " + escape_untrusted(c.why), c.task});
    }
    const bool outside = finding.verdict == Verdict::Waiting && finding.unless.empty();
    write_groups(entries, outside ? "  For:   " : "  Blame: ");
  }

  void write_lines(std::string_view text, std::string_view first, std::string_view rest) {
    bool begun = false;
    while (!text.empty()) {
      const auto end = text.find('\n');
      item(escape_untrusted(text.substr(0, end)), begun ? rest : first, rest);
      begun = true;
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
  }

  static std::string short_name(TaskRef task) { return snapshot::number_of(task); }

  /// Steps that follow on each other make one line: 40 ──child-exit──▶ 42 ──pipe-write-end──▶ 40
  void write_chain(const Finding& finding) {
    std::vector<std::string> paths;
    TaskRef last;
    for (const diagnosis::ChainLink& link : finding.chain) {
      const std::string by = escape_untrusted(link.by);
      const std::string step = (by.empty() ? " ──▶ " : " ──" + by + "──▶ ") + short_name(link.to);
      if (!paths.empty() && link.from == last && columns_of(paths.back() + step) + 4 <= width_) {
        paths.back() += step;
      } else {
        paths.push_back(short_name(link.from) + step);
      }
      last = link.to;
    }
    const std::size_t limit = options_.stacks ? paths.size() : kShownChain;
    for (std::size_t i = 0; i < paths.size() && i < limit; ++i) item(paths[i], "  ", "      ");
    if (paths.size() > limit)
      out_ << "  and " << paths.size() - limit << " more steps (-v shows all)\n";
  }

  void write_finding(const Finding& finding) {
    std::string rest = escape_untrusted(finding.slug);
    if (finding.grade != diagnosis::Grade::None) rest += " (" + to_string(finding.grade) + ")";
    headline(finding.verdict, rest, escape_untrusted(finding.code));
    write_lines(finding.title, "  ", "  ");
    write_stuck(finding);
    write_culprits(finding);
    write_lines(finding.fix, "  Fix: ", "       ");
    write_chain(finding);
    for (const std::string& helper : finding.unless)
      item("unless: " + escape_untrusted(helper) + " helps", "  ", "    ");
    for (const std::string& assumption : finding.assumptions) {
      item("assuming: " + escape_untrusted(assumption), "  ", "    ");
    }
    if (options_.stacks) {
      write_lines(finding.explanation, "  ", "  ");
      for (const diagnosis::Evidence& e : finding.evidence) {
        item(escape_untrusted(e.fact) + "  (" + escape_untrusted(e.source) + ")", "  - ", "    ");
      }
    }
    std::string also;
    for (const std::string& slug : finding.also)
      also += (also.empty() ? "" : ", ") + escape_untrusted(slug);
    if (!also.empty()) item("also: " + also, "  ", "    ");
  }

  /// What the targets wait for, and why that can still come.
  void write_no_finding() {
    const Verdict verdict = report_.diagnosis.verdict;
    headline(verdict, std::string(words_for(verdict)), "");
    write_waits();
  }

  void write_waits() {
    const std::vector<std::string> lines = wait_lines(report_);
    const std::size_t limit = options_.stacks ? lines.size() : kShownWaits;
    for (std::size_t i = 0; i < std::min(lines.size(), limit); ++i)
      item(lines[i], i == 0 ? "  waiting: " : "           ", "             ");
    if (lines.size() > limit)
      out_ << "           and " << lines.size() - limit << " more (-v shows all)\n";
  }

  void write_unseen() {
    const std::vector<std::string> lines =
        unseen_lines(report_.snapshot, report_.diagnosis.inconclusive, options_.stacks);
    const std::size_t shown = options_.stacks ? lines.size() : std::min(lines.size(), kShownUnseen);
    for (const std::string& line : lines | std::views::take(shown))
      item("not seen: " + escape_untrusted(line), "", "  ");
    if (lines.size() > shown)
      out_ << "not seen: " << lines.size() - shown << " facts more (-v shows all)\n";
  }

  void write_footer() {
    const snapshot::Snapshot& snapshot = report_.snapshot;
    std::size_t processes = 0;
    std::size_t threads = 0;
    for (const snapshot::Process* process : examined(snapshot)) {
      processes += process->exited ? 0 : 1;
      threads += process->threads.size();
    }
    const bool all =
        unseen_lines(snapshot, report_.diagnosis.inconclusive, options_.stacks).empty();
    std::string text =
        count_of(processes, "process", "processes") + ", " +
        count_of(threads, "thread", "threads") + (all ? ", all seen in " : ", seen in ") +
        std::to_string(std::llround(snapshot.elapsed_ms)) + " ms, " +
        (snapshot.stopped_threads == 0 ? "none" : std::to_string(snapshot.stopped_threads)) +
        " stopped.";
    if (!report_.diagnosis.findings.empty()) {
      const std::string more =
          "More: ipcdoctor explain " + escape_untrusted(report_.diagnosis.findings.front().slug);
      if (columns_of(text) + columns_of(more) + 2 <= width_) {
        out_ << justify(text, more, width_) << '\n';
        return;
      }
      item(text, "", "");
      text = more;
    }
    item(text, "", "");
  }

  void write_elapsed() {
    const double own =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin_)
            .count();
    char text[120];
    std::snprintf(text, sizeof text,
                  "Time: collection %.0f, graph %.1f, probes %.1f, report %.1f ms.",
                  report_.snapshot.elapsed_ms, report_.elapsed.graph, report_.elapsed.probes, own);
    item(text, "", "");
  }

  std::ostream& out_;
  const Report& report_;
  const TextOptions& options_;
  std::size_t width_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace

void write_text(std::ostream& out, const Report& report, const TextOptions& options) {
  TextWriter(out, report, options).write();
}

}  // namespace ipcdoctor::report
