#include "report/markup.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/text.h"

namespace ipcdoctor::report {

std::string escape_markup(std::string_view text) {
  std::string out;
  for (const char c : escape_untrusted(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string safe_lines(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += (at == 0 ? "" : "\n") + escape_untrusted(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string plain_text(const Report& report) {
  std::ostringstream out;
  write_text(out, report, {.colour = Colour::Off, .width = 100, .stacks = false});
  return std::move(out).str();
}

std::string class_and_grade(const diagnosis::Finding& finding) {
  const std::string grade = to_string(finding.grade);
  return escape_untrusted(finding.slug) + (grade.empty() ? "" : " (" + grade + ")");
}

bool is_failure(const diagnosis::Finding& finding) {
  return finding.verdict == diagnosis::Verdict::Deadlock ||
         finding.verdict == diagnosis::Verdict::Stuck;
}

Place place_of(const Report& report, snapshot::TaskRef task, std::string_view where) {
  const auto colon = where.rfind(':');
  if (colon == std::string_view::npos) return {};
  Place place{std::string(where.substr(0, colon)), 0};
  const auto result =
      std::from_chars(where.data() + colon + 1, where.data() + where.size(), place.line);
  if (result.ec != std::errc{} || place.line <= 0) return {};
  const snapshot::Thread* thread = snapshot::find_thread(report.snapshot, task);
  const snapshot::Frame* frame = thread == nullptr ? nullptr : snapshot::user_frame(*thread);
  if (frame == nullptr || snapshot::where(*thread) != where) return place;
  place.file = frame->file;
  const std::string below = report.directory + "/";
  if (!report.directory.empty() && place.file.starts_with(below)) place.file.erase(0, below.size());
  return place;
}

Place place_of(const Report& report, const diagnosis::Finding& finding) {
  for (const diagnosis::Culprit& culprit : finding.culprits) {
    if (Place place = place_of(report, culprit.task, culprit.where); place.line > 0) return place;
  }
  for (const diagnosis::StuckTask& stuck : finding.stuck) {
    if (Place place = place_of(report, stuck.task, stuck.where); place.line > 0) return place;
  }
  return {};
}

}  // namespace ipcdoctor::report
