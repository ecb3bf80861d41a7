#include "probes/internal/ends.h"

#include "probes/internal/tasks.h"

namespace ipcdoctor::probes {

void add_closes(diagnosis::Finding& finding, const std::vector<Holder>& holders) {
  std::vector<graph::Event> events;
  for (const Holder& holder : holders) events.push_back(diagnosis::closes(holder));
  diagnosis::add_repair(finding, std::move(events));
}

diagnosis::Answer ask_about_deadlocks(const diagnosis::Context& context,
                                      const AskAboutDeadlock& ask) {
  std::vector<diagnosis::Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (!graph::is_deadlock(sets[i])) continue;
    if (auto finding = ask(context.ends(), static_cast<int>(i), sets[i]))
      findings.push_back(std::move(*finding));
  }
  return conclude(context, std::move(findings));
}

}  // namespace ipcdoctor::probes
