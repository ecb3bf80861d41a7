#include "report/alike.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "report/words.h"

namespace ipcdoctor::report {
namespace {

using diagnosis::Finding;

constexpr std::size_t kShown = 4;

/// What a reader takes for the same.
std::string likeness(const Finding& finding) {
  std::string key = finding.slug + "\n" + to_string(finding.verdict) + to_string(finding.grade) +
                    (finding.unless.empty() ? "\n" : " unless\n") + finding.title;
  for (const diagnosis::Culprit& culprit : finding.culprits)
    key += "\n" + culprit.where + " " + culprit.why;
  return without_numbers(key);
}

void add_where(const Report& report, const Finding& finding, std::set<std::string>& known,
               std::vector<std::string>& where) {
  const snapshot::Snapshot& snapshot = report.snapshot;
  for (const diagnosis::StuckTask& stuck : finding.stuck) {
    const snapshot::Host* host = host_of(snapshot, stuck.task.pid.value);
    std::string name = host != nullptr
                           ? host->name
                           : snapshot::label(snapshot, snapshot::TaskRef{stuck.task.pid, Tid{}});
    if (known.insert(name).second) where.push_back(escape_untrusted(std::move(name)));
    if (host == nullptr) return;
  }
}

}  // namespace

std::vector<Alike> alike_findings(const Report& report) {
  std::vector<Alike> groups;
  std::vector<std::set<std::string>> known;
  std::map<std::string, std::size_t> places;
  for (const Finding& finding : report.diagnosis.findings) {
    const auto [place, is_new] = places.try_emplace(likeness(finding), groups.size());
    if (is_new) {
      groups.push_back({&finding, 0, {}});
      known.emplace_back();
    }
    Alike& group = groups[place->second];
    ++group.count;
    add_where(report, finding, known[place->second], group.where);
  }
  return groups;
}

std::string likewise(const Report& report, const Alike& group) {
  const bool joined = !report.snapshot.hosts.empty();
  const std::size_t places = group.where.size();
  // A finding may be that of many hosts already.
  if (group.count < 2 && (!joined || places <= kShown)) return "";
  std::string text;
  if (!joined || places < group.count) text = std::to_string(group.count) + " times, ";
  text += joined ? "on " + count_of(places, "host", "hosts") + ": " : "in ";
  for (std::size_t i = 0; i < std::min(places, kShown); ++i)
    text += (i == 0 ? "" : ", ") + group.where[i];
  if (places > kShown) text += " and " + std::to_string(places - kShown) + " more";
  return text;
}

}  // namespace ipcdoctor::report
