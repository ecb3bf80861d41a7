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
#include "report/alike.h"
#include "report/layout.h"
#include "report/ranks.h"
#include "report/report.h"
#include "report/shown.h"
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
constexpr std::size_t kShownSteps = 3;  // of equal ones that follow on each other
constexpr std::size_t kShownLabels = 4;
constexpr std::size_t kShownWaits = 8;
constexpr std::size_t kShownElsewhere = 4;  // findings of several hosts after the first

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
    write_findings();
    const bool claims_nothing = std::ranges::all_of(
        report_.diagnosis.findings, [](const Finding& finding) { return !finding.unless.empty(); });
    if (claims_nothing && !report_.diagnosis.findings.empty()) write_waits();
    write_ranks();
    if (options_.stacks) {
      out_ << "Stacks, innermost call first\n"
           << stacks_text(report_.snapshot, shown(report_).processes);
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

  struct Group {
    std::string_view text;
    std::vector<TaskRef> tasks;
    std::vector<TaskRef> likewise;  ///< their texts differ from it in numbers only
  };

  /// Where there are too many to show, those that differ in numbers only join the first of them.
  static std::vector<Group> alike_folded(std::vector<Group> groups) {
    if (groups.size() <= kShownGroups) return groups;
    std::vector<Group> folded;
    std::map<std::string, std::size_t> place;
    for (Group& group : groups) {
      const auto [it, is_new] = place.try_emplace(without_numbers(group.text), folded.size());
      if (is_new) {
        folded.push_back(std::move(group));
      } else {
        std::vector<TaskRef>& likewise = folded[it->second].likewise;
        likewise.insert(likewise.end(), group.tasks.begin(), group.tasks.end());
      }
    }
    return folded;
  }

  /// Those with the same text stand on one line, in the order of their first.
  void write_groups(const std::vector<std::pair<std::string, TaskRef>>& entries,
                    std::string_view heading) {
    std::vector<Group> groups;
    std::map<std::string_view, std::size_t> place;
    std::set<std::pair<std::size_t, TaskRef>> listed;
    for (const auto& [text, task] : entries) {
      const auto [it, is_new] = place.try_emplace(text, groups.size());
      if (is_new) groups.push_back({text, {}, {}});
      if (listed.emplace(it->second, task).second) groups[it->second].tasks.push_back(task);
    }
    if (!options_.stacks) groups = alike_folded(std::move(groups));
    const std::size_t limit = options_.stacks ? groups.size() : kShownGroups;
    const std::string blank(heading.size(), ' ');
    for (std::size_t i = 0; i < groups.size() && i < limit; ++i) {
      const Group& group = groups[i];
      item(labels(group.tasks).append(group.text) +
               (group.likewise.empty() ? "" : "; likewise " + labels(group.likewise)),
           i == 0 ? heading : std::string_view(blank), blank + "  ");
    }
    if (groups.size() > limit)
      out_ << blank << "and " << groups.size() - limit << " more (-v shows all)\n";
  }

  std::string at(TaskRef task, const std::string& where, const std::string& function) const {
    std::string out = where.empty() ? "" : "  " + where;
    if (!function.empty()) out += (where.empty() ? "  in " : " in ") + function;
    return escape_untrusted(out) + caller_words(report_.snapshot, task, where);
  }

  void write_stuck(const Finding& finding) {
    std::vector<std::pair<std::string, TaskRef>> entries;
    for (const diagnosis::StuckTask* s : stuck_beside_blame(finding)) {
      const snapshot::Thread* thread = snapshot::find_thread(report_.snapshot, s->task);
      if (thread != nullptr && !thread->housekeeping.empty() && !options_.stacks) continue;
      entries.push_back(
          {at(s->task, s->where, s->function) + "  waits for " + escape_untrusted(s->waits_for),
           s->task});
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
      if (const std::string fd = fd_words(c); !fd.empty()) text += "  " + fd;
      text += at(c.task, c.where, c.function);
      if (const std::string why = why_beside_title(finding, c); !why.empty())
        text += "  " + escape_untrusted(why);
      entries.push_back({std::move(text), c.task});
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

  std::string short_name(TaskRef task) const {
    return snapshot::host_prefix(report_.snapshot, task.pid.value) +
           snapshot::number_of(report_.snapshot, task);
  }

  std::string arrow(const diagnosis::ChainLink& link) const {
    const std::string by = escape_untrusted(link.by);
    return options_.charset == Charset::Utf8 ? " ──" + by + "──▶ " : " --" + by + "--> ";
  }

  /// Steps that follow on each other.
  using Path = std::vector<diagnosis::ChainLink>;

  static std::vector<Path> paths_of(const Finding& finding) {
    std::vector<Path> paths;
    for (const diagnosis::ChainLink& link : finding.chain) {
      if (paths.empty() || !(paths.back().back().to == link.from)) paths.emplace_back();
      paths.back().push_back(link);
    }
    return paths;
  }

  /// "40 ──child-exit──▶ 42 ──pipe-write-end──▶ 40"; of many equal steps the first and the last.
  void write_path(const Path& path) {
    std::string line = short_name(path.front().from);
    for (std::size_t i = 0; i < path.size(); ++i) {
      const auto end = std::find_if(path.begin() + static_cast<std::ptrdiff_t>(i), path.end(),
                                    [&](const auto& link) { return link.by != path[i].by; });
      const std::size_t equal = static_cast<std::size_t>(end - path.begin()) - i;
      const TaskRef from = path[i].from;
      std::string step = arrow(path[i]);
      if (!options_.stacks && equal > kShownSteps && i > 0) {
        i += equal - 1;
        step += "..." + arrow(path[i]);
      }
      step += short_name(path[i].to);
      if (columns_of(line + step) + 4 > width_) {
        item(line, "  ", "      ");
        line = short_name(from);
      }
      line += step;
    }
    item(line, "  ", "      ");
  }

  /// Paths of one step of the same kind, to the same task or each to its own process, are one.
  static std::vector<std::vector<Path>> alike(const std::vector<Path>& paths) {
    std::vector<std::vector<Path>> groups;
    std::map<std::pair<std::string, TaskRef>, std::size_t> place;
    for (const Path& path : paths) {
      const diagnosis::ChainLink& step = path.front();
      const bool own = step.to.pid == step.from.pid;
      const auto found = place.find({step.by, own ? TaskRef{} : step.to});
      if (path.size() == 1 && found != place.end()) {
        groups[found->second].push_back(path);
        continue;
      }
      if (path.size() == 1) place[{step.by, own ? TaskRef{} : step.to}] = groups.size();
      groups.push_back({path});
    }
    return groups;
  }

  void write_chain(const Finding& finding) {
    const std::vector<Path> paths = paths_of(finding);
    if (options_.stacks) {
      for (const Path& path : paths) write_path(path);
      return;
    }
    const std::vector<std::vector<Path>> groups = alike(paths);
    for (std::size_t i = 0; i < groups.size() && i < kShownChain; ++i) {
      const diagnosis::ChainLink& step = groups[i].front().front();
      std::vector<TaskRef> from;
      for (const Path& path : groups[i]) from.push_back(path.front().from);
      if (from.size() == 1)
        write_path(groups[i].front());
      else if (step.to.pid != step.from.pid)
        item(numbers_of(from) + arrow(step) + short_name(step.to), "  ", "      ");
      else
        item(short_name(from.front()) + arrow(step) + short_name(step.to) + "; likewise " +
                 numbers_of({from.begin() + 1, from.end()}),
             "  ", "      ");
    }
    if (groups.size() > kShownChain)
      out_ << "  and " << groups.size() - kShownChain << " more steps (-v shows all)\n";
  }

  /// "40, 42, 43, 44, ...": no number, as of a crowd the chain has some steps only.
  std::string numbers_of(const std::vector<TaskRef>& tasks) const {
    std::string out;
    for (std::size_t i = 0; i < tasks.size() && i < kShownLabels; ++i)
      out += (i == 0 ? "" : ", ") + short_name(tasks[i]);
    return out + (tasks.size() > kShownLabels ? ", ..." : "");
  }

  void write_likewise(const Alike& group) {
    const std::string text = likewise(report_, group);
    if (!text.empty()) item(text + " (-v shows all)", "  ", "    ");
  }

  /// A pool of workers, or ten thousand hosts, may hang in one way: it is told once, and where. Of
  /// many hosts the other ways are told by their headings.
  void write_findings() {
    if (options_.stacks) {
      for (const Finding& finding : report_.diagnosis.findings) write_finding(finding);
      return;
    }
    const bool joined = !report_.snapshot.hosts.empty();
    const std::vector<Alike> groups = alike_findings(report_);
    for (std::size_t i = 0; i < groups.size() && (!joined || i <= kShownElsewhere); ++i) {
      const Finding& finding = *groups[i].first;
      if (i == 0 || !joined) {
        write_finding(finding);
      } else {
        write_headline(finding);
        write_lines(finding.title, "  ", "  ");
      }
      write_likewise(groups[i]);
    }
    if (joined && groups.size() > kShownElsewhere + 1)
      out_ << "and " << groups.size() - kShownElsewhere - 1 << " other findings (-v shows all)\n";
  }

  void write_headline(const Finding& finding) {
    std::string rest = escape_untrusted(finding.slug);
    if (finding.grade != diagnosis::Grade::None) rest += " (" + to_string(finding.grade) + ")";
    headline(finding.verdict, rest, escape_untrusted(finding.code));
  }

  void write_finding(const Finding& finding) {
    write_headline(finding);
    write_lines(finding.title, "  ", "  ");
    write_stuck(finding);
    write_culprits(finding);
    write_lines(finding.fix, "  Fix: ", "       ");
    if (const std::string words = checked_words(finding); !words.empty()) item(words, "  ", "    ");
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

  void write_ranks() {
    std::string_view heading = "  ranks:   ";
    for (const std::string& line : roll_call_lines(report_.snapshot)) {
      item(line, heading, "             ");
      heading = "           ";
    }
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
    const auto [listed, apart] = shown(report_);
    for (const snapshot::Process* process : listed) {
      processes += process->exited ? 0 : 1;
      threads += process->threads.size();
    }
    const bool all =
        unseen_lines(snapshot, report_.diagnosis.inconclusive, options_.stacks).empty();
    std::string text =
        count_of(processes, "process", "processes") + ", " +
        count_of(threads, "thread", "threads") +
        (apart == 0 ? "" : " (" + std::to_string(apart) + " more in the same session)") +
        (all ? ", all seen in " : ", seen in ") +
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
    const Elapsed& elapsed = report_.elapsed;
    char text[120];
    std::snprintf(text, sizeof text,
                  "Time: collection %.0f, graph %.1f, probes %.1f, lines %.1f, report %.1f ms.",
                  report_.snapshot.elapsed_ms, elapsed.graph, elapsed.probes, elapsed.lines, own);
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
