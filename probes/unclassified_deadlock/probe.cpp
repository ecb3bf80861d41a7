#include <algorithm>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

using namespace diagnosis;  // NOLINT: all of it is about findings

Answer run(const Context& context);

}  // namespace

extern const Probe kUnclassifiedDeadlock{"IPC000", "unclassified-deadlock",
                                         "A deadlock that is none of the known mistakes", run};

namespace {

std::string steps(const Context& context, const Finding& finding) {
  std::string text;
  for (const StuckTask& stuck : finding.stuck) {
    text += snapshot::label(context.snapshot, stuck.task) + " waits for " + stuck.waits_for;
    if (!stuck.where.empty()) text += " at " + stuck.where;
    text += ".\n";
    if (text.size() > 2000) break;  // the stuck list has the rest
  }
  return text;
}

Finding describe(const Context& context, int set) {
  Finding finding = start_finding(context, kUnclassifiedDeadlock, set);
  const graph::StuckSet& stuck_set = context.graph.stuck_sets()[static_cast<std::size_t>(set)];
  const std::size_t count = snapshot::count_with_left_out(context.snapshot, stuck_set.core);
  const std::string first = snapshot::label(context.snapshot, stuck_set.core.front());
  const auto others = [&] {
    return count == 2 ? snapshot::label(context.snapshot, stuck_set.core.back())
                      : std::to_string(count - 1) + " other tasks";
  };
  finding.title =
      count == 1 ? first + " waits for " + finding.stuck.front().waits_for + ", which cannot come"
                 : first + " and " + others() + " wait only for each other";
  finding.explanation = steps(context, finding);
  for (const TaskRef& task : stuck_set.core)
    finding.culprits.push_back(
        culprit(context.snapshot, task, -1, "waits for " + describe_wait(context.snapshot, task)));
  finding.fix = what_to_do(context.snapshot, kUnclassifiedDeadlock, stuck_set.core.front(), {});
  finding.strength = Strength::None;
  constexpr std::size_t kMaxTried = 8;
  for (std::size_t i = 0; i < std::min(stuck_set.core.size(), kMaxTried); ++i)
    diagnosis::add_wakes(finding, {stuck_set.core[i]});
  return finding;
}

Answer run(const Context& context) {
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (sets[i].level > graph::Level::Stuck && !sets[i].core.empty())
      findings.push_back(describe(context, static_cast<int>(i)));
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
