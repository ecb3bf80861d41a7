#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <sstream>

#include "base/text.h"
#include "report/alike.h"
#include "report/diagram.h"
#include "report/markup.h"
#include "report/page.h"
#include "report/report.h"
#include "report/shown.h"
#include "report/stacks.h"
#include "report/svg.h"
#include "report/tree.h"
#include "report/waits.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::Finding;
using snapshot::TaskRef;

// What a page holds at most, so that a browser shows it in a blink.
constexpr std::size_t kMaxPictures = 12;  // of findings; the others are told in words
constexpr std::size_t kMaxTree = 1200;    // lines
constexpr std::size_t kMaxDepth = 6;      // of indentation
constexpr std::size_t kMaxFrames = 40;
constexpr std::size_t kMaxText = 150000;  // bytes of the stacks, of the report as text
constexpr std::size_t kMaxFacts = 100;    // that were not seen
constexpr std::size_t kMaxAlike = 3;      // facts that differ in their numbers
constexpr std::size_t kMaxRanges = 400;   // bytes of a list of numbers

/// A hash as a Content-Security-Policy has it (RFC 4648, base64 of the bytes).
std::string base64_of_hex(std::string_view hex) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto value = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  std::string out;
  unsigned bits = 0, held = 0;
  for (const char c : hex) {
    bits = (bits << 4U) | value(c);
    held += 4;
    if (held < 6) continue;
    held -= 6;
    out += kDigits[(bits >> held) & 63U];
  }
  if (held > 0) out += kDigits[(bits << (6 - held)) & 63U];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::string lines(std::string_view text) {
  std::string out;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);)
    out += (out.empty() ? "" : "<br>") + escape_markup(line);
  return out;
}

std::string capitalised(std::string word) {
  if (!word.empty() && word[0] >= 'a' && word[0] <= 'z')
    word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return word;
}

class HtmlWriter {
 public:
  HtmlWriter(std::ostream& out, const Report& report) : out_(out), report_(report) {}

  void write() {
    write_head();
    out_ << "<div class=\"page\">\n<main>\n";
    std::size_t index = 0;
    for (const Alike& group : alike_findings(report_)) write_finding(group, index++);
    const std::string text = plain_text(report_);
    if (report_.diagnosis.findings.empty()) {
      write_block(text);
    } else {
      write_fold("Report as text", text);
    }
    write_unseen();
    write_fold("Stacks of all threads, innermost call first",
               stacks_text(report_.snapshot, shown(report_).processes));
    out_ << "</main>\n";
    write_tree();
    out_ << "</div>\n<footer>ipcdoctor " << escape_markup(report_.version) << ", host "
         << escape_markup(report_.snapshot.host) << ", Linux "
         << escape_markup(report_.snapshot.kernel) << "</footer>\n<script>" << page_script().text
         << "</script>\n</body></html>\n";
  }

 private:
  std::string label(TaskRef task) const {
    return escape_markup(snapshot::label(report_.snapshot, task));
  }

  std::string headline() const {
    std::string words = capitalised(to_string(report_.diagnosis.verdict));
    if (!report_.diagnosis.findings.empty())
      words += ": " + class_and_grade(report_.diagnosis.findings.front());
    if (!report_.snapshot.targets.empty())
      words += ", " + escape_untrusted(
                          snapshot::label(report_.snapshot, {report_.snapshot.targets[0], Tid{}}));
    return escape_markup(words);
  }

  void write_head() {
    const std::string verdict = to_string(report_.diagnosis.verdict);
    std::size_t threads = 0;
    const auto processes = shown(report_).processes;
    for (const snapshot::Process* process : processes) threads += process->threads.size();
    out_ << "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
            "'sha256-"
         << base64_of_hex(page_style().sha256) << "'; script-src 'sha256-"
         << base64_of_hex(page_script().sha256)
         << "'; base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
         << headline() << " - ipcdoctor</title>\n<style>" << page_style().text
         << "</style></head><body>\n<header><h1 class=\"" << verdict << "\">"
         << capitalised(verdict) << " <small>" << count_of(processes.size(), "process", "processes")
         << ", " << count_of(threads, "thread", "threads") << "</small></h1></header>\n";
  }

  void write_block(const std::string& text) {
    out_ << "<pre>";
    std::istringstream in(text.substr(0, kMaxText));
    for (std::string line; std::getline(in, line);) out_ << escape_markup(line) << '\n';
    if (text.size() > kMaxText)
      out_ << "... and " << text.size() - kMaxText << " bytes more: ipcdoctor analyze -v\n";
    out_ << "</pre>\n";
  }

  void write_fold(const char* summary, const std::string& text) {
    if (text.empty()) return;
    out_ << "<details><summary>" << summary << "</summary>\n";
    write_block(text);
    out_ << "</details>\n";
  }

  void write_finding(const Alike& group, std::size_t index) {
    const Finding& finding = *group.first;
    out_ << "<section><h2 class=\"" << to_string(finding.verdict) << "\">" << lines(finding.title)
         << "</h2>\n<p class=\"soft\">" << escape_markup(finding.code) << ' '
         << escape_markup(class_and_grade(finding)) << "</p>\n";
    if (const std::string words = likewise(report_, group); !words.empty())
      out_ << "<p><b>" << escape_markup(words) << "</b></p>\n";
    if (!finding.fix.empty())
      out_ << "<p class=\"fix\"><b>Fix:</b> " << lines(finding.fix) << "</p>\n";
    if (const std::string words = checked_words(finding); !words.empty())
      out_ << "<p class=\"soft\">" << escape_markup(words) << "</p>\n";
    if (index < kMaxPictures) write_picture(finding, index);
    out_ << "<h3>Why</h3>\n<p>" << lines(finding.explanation) << "</p>\n";
    write_facts(finding);
    out_ << "</section>\n";
  }

  void write_picture(const Finding& finding, std::size_t index) {
    const Picture picture = draw(report_, {&finding, 1});
    if (picture.nodes.empty()) return;
    const std::string prefix = "f" + std::to_string(index) + "n";
    out_ << "<div class=\"picture\">\n";
    write_svg(out_, picture, lay_out(picture, Columns::Three), "wide", prefix);
    write_svg(out_, picture, lay_out(picture, Columns::One), "narrow", prefix);
    out_ << "</div>\n<h3>Who and what</h3>\n<div class=\"cards\">\n";
    for (std::size_t n = 0; n < picture.nodes.size(); ++n) write_card(finding, picture, n, prefix);
    out_ << "</div>\n";
  }

  /// What an arrow is for; what a wait is for only where the blame has not said it.
  static std::string words_of(const Picture::Node& node, const Picture::Arrow& arrow) {
    if (node.kind == Picture::Node::Kind::Object) return escape_markup(arrow.label) + " ";
    if (!node.why.empty() && node.waits_for.empty()) return "waits for ";
    const std::string_view verb = arrow.label.starts_with("waits for") ? "" : "waits for ";
    return std::string(verb) + escape_markup(arrow.label) + " ";
  }

  void write_card(const Finding& finding, const Picture& picture, std::size_t n,
                  const std::string& prefix) {
    const Picture::Node& node = picture.nodes[n];
    out_ << "<article class=\"card" << (node.in_knot ? " knot" : "") << "\" id=\"" << prefix << n
         << "\"><h4>" << escape_markup(node.label) << "</h4>\n";
    if (!node.where.empty()) out_ << "<p><code>" << escape_markup(node.where) << "</code></p>\n";
    if (!node.why.empty())
      out_ << "<p class=\"blame\">to blame: " << escape_markup(node.why) << "</p>\n";
    const auto is_from = [n](const Picture::Arrow& arrow) { return arrow.from == n; };
    if (node.is_stuck && !node.waits_for.empty() && std::ranges::none_of(picture.arrows, is_from))
      out_ << "<p class=\"waits\">waits for " << escape_markup(node.waits_for) << "</p>\n";
    out_ << "<ul>";
    for (const Picture::Arrow& arrow : picture.arrows)
      if (is_from(arrow))
        out_ << "<li>" << words_of(node, arrow) << "\u2192 <a href=\"#" << prefix << arrow.to
             << "\">" << escape_markup(picture.nodes[arrow.to].label) << "</a>"
             << (arrow.evidence.empty() ? "" : ": ") << escape_markup(arrow.evidence) << "</li>\n";
    if (!node.tasks.empty()) write_evidence(finding, node.tasks.front());
    out_ << "</ul>\n";
    if (node.tasks.size() > 1) {
      std::vector<int> numbers;
      for (const TaskRef& task : node.tasks)
        numbers.push_back(number_in_list(report_.snapshot, task.tid));
      out_ << "<p class=\"soft\">" << node.tasks.size()
           << " tasks: " << ranges_of(std::move(numbers), kMaxRanges) << "</p>\n";
    }
    if (!node.tasks.empty()) write_stack(node.tasks.front());
    out_ << "</article>\n";
  }

  /// "a[1] is in read (fd 3)", of "a[1] is in read (fd 3): waits for data on pipe:[7]".
  std::string without_wait(const std::string& fact, TaskRef task) const {
    const std::string wait = ": waits for " + diagnosis::describe_wait(report_.snapshot, task);
    return fact.ends_with(wait) ? fact.substr(0, fact.size() - wait.size()) : fact;
  }

  void write_evidence(const Finding& finding, TaskRef task) {
    const snapshot::Snapshot& snapshot = report_.snapshot;
    const auto number = [&](int id) {
      return std::to_string(snapshot::local_number(snapshot, id)) + "/";
    };
    const std::string own =
        snapshot::host_prefix(snapshot, task.pid.value) + "/proc/" + number(task.pid.value);
    const std::string thread = own + "task/" + number(task.tid.value);
    const bool leads = task.tid.value == task.pid.value;
    std::set<std::string> told;  // what two files say is one fact
    for (const diagnosis::Evidence& e : finding.evidence)
      if ((e.source.starts_with(thread) ||
           (leads && e.source.starts_with(own) && !e.source.starts_with(own + "task/"))) &&
          told.insert(e.fact).second)
        write_fact({without_wait(e.fact, task), e.source});
  }

  void write_stack(TaskRef task) {
    const snapshot::Thread* thread = snapshot::find_thread(report_.snapshot, task);
    if (thread == nullptr) return;
    const std::vector<snapshot::Frame> frames = merged_stack(*thread);
    if (frames.empty()) return;
    std::string text;
    for (std::size_t i = 0; i < std::min(frames.size(), kMaxFrames); ++i)
      text += frame_words(frames[i]) + "\n";
    if (frames.size() > kMaxFrames)
      text += "... and " + std::to_string(frames.size() - kMaxFrames) + " more\n";
    write_fold("Stack", text);
  }

  void write_fact(const diagnosis::Evidence& e) {
    out_ << "<li>" << escape_markup(e.fact) << " <code class=\"soft\">" << escape_markup(e.source)
         << "</code></li>\n";
  }

  void write_facts(const Finding& finding) {
    if (!finding.unless.empty() || !finding.assumptions.empty()) out_ << "<ul>";
    for (const std::string& helper : finding.unless)
      out_ << "<li>unless: " << escape_markup(helper) << " helps</li>\n";
    for (const std::string& assumption : finding.assumptions)
      out_ << "<li>assuming: " << escape_markup(assumption) << "</li>\n";
    if (!finding.unless.empty() || !finding.assumptions.empty()) out_ << "</ul>\n";
    if (finding.evidence.empty()) return;
    out_ << "<details><summary>Evidence</summary>\n<ul>";
    std::map<std::string, std::size_t> alike;
    std::size_t left_out = 0;
    for (const diagnosis::Evidence& e : finding.evidence)
      if (++alike[without_numbers(e.fact + e.source)] <= kMaxAlike)
        write_fact(e);
      else
        ++left_out;
    if (left_out > 0) out_ << "<li>and " << left_out << " more that are alike</li>\n";
    out_ << "</ul></details>\n";
  }

  void write_unseen() {
    const std::vector<std::string> facts =
        unseen_lines(report_.snapshot, report_.diagnosis.inconclusive, false);
    if (facts.empty()) return;
    out_ << "<h2>Not seen</h2>\n<ul>";
    for (std::size_t i = 0; i < std::min(facts.size(), kMaxFacts); ++i)
      out_ << "<li>" << escape_markup(facts[i]) << "</li>\n";
    if (facts.size() > kMaxFacts)
      out_ << "<li>and " << facts.size() - kMaxFacts << " facts more</li>\n";
    out_ << "</ul>\n";
  }

  void write_tree_line(const TreeLine& line) {
    std::vector<int> numbers;
    for (const Pid pid : line.pids)
      numbers.push_back(snapshot::local_number(report_.snapshot, pid.value));
    for (const TreeLine::Threads& threads : line.threads)
      for (const TaskRef& task : threads.tasks)
        numbers.push_back(number_in_list(report_.snapshot, task.tid));
    out_ << "<li class=\"d" << std::min(line.depth, kMaxDepth) << "\" data-ids=\""
         << ranges_of(std::move(numbers)) << "\"><b>" << escape_markup(line.label) << "</b>"
         << (line.state.empty() ? "" : " (" + line.state + ")");
    if (!line.threads.empty()) out_ << "<ul>";
    for (const TreeLine::Threads& threads : line.threads) {
      const std::size_t each = threads.tasks.size() / line.pids.size();
      out_ << "<li class=\"" << (threads.is_stuck ? "stuck" : "soft") << "\">"
           << (each > 1 ? std::to_string(each) + " threads: " : "")
           << (threads.where.empty() ? "" : "<code>" + escape_markup(threads.where) + "</code> ")
           << escape_markup(threads.does) << (threads.is_culprit ? " <b>to blame</b>" : "")
           << "</li>";
    }
    out_ << (line.threads.empty() ? "</li>\n" : "</ul></li>\n");
  }

  void write_tree() {
    const std::vector<TreeLine> tree = tree_lines(report_, Likeness::Folded);
    out_ << "<aside aria-label=\"Processes\" tabindex=\"0\">\n<div id=\"panel\" class=\"panel\" "
            "hidden></div>\n<h2>Processes</h2>\n<div id=\"find\" hidden><label "
            "for=\"filter\">Find</label><input id=\"filter\" type=\"search\" "
            "placeholder=\"name, place or number\"><p id=\"found\" class=\"soft\" "
            "role=\"status\"></p></div>\n<ul class=\"tree\">\n";
    for (std::size_t i = 0; i < std::min(tree.size(), kMaxTree); ++i) write_tree_line(tree[i]);
    out_ << "</ul>\n";
    if (tree.size() > kMaxTree) out_ << "<p>and " << tree.size() - kMaxTree << " more</p>\n";
    out_ << "</aside>\n";
  }

  std::ostream& out_;
  const Report& report_;
};

}  // namespace

/// One page that needs nothing from elsewhere.
void write_html(std::ostream& out, const Report& report) {
  HtmlWriter(out, report).write();
}

}  // namespace ipcdoctor::report
