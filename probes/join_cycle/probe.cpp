#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/cycles.h"
#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

Answer run(const Context& context);

}  // namespace

extern const Probe kJoinCycle{"IPC307", "join-cycle",
                              "Processes or threads wait for each other's end", run};

namespace {

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Ring ring = shortest_ring(members, steps_between(context, members), StepKind::End);
  if (ring.size() < 2) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kJoinCycle, set);
  const std::string first = snapshot::label(context.snapshot, members[ring.front().from].task);
  finding.strength = Strength::Likely;
  add_wakes(finding, {members[ring.front().from]});
  finding.title = ring.size() == 2
                      ? first + " and " +
                            snapshot::label(context.snapshot, members[ring.back().from].task) +
                            " wait for each other's end"
                      : first + " and " + std::to_string(ring.size() - 1) +
                            " more wait in a ring for each other's end";
  finding.explanation = tell_ring(context, members, ring) + "None can end before another one has.";
  const std::string at = place(members[ring.back().from]);
  finding.fix = what_to_do(
      context.snapshot, kJoinCycle, members[ring.back().from].task, {},
      {{"of one of them",
        at.empty() ? "of " + snapshot::label(context.snapshot, members[ring.back().from].task)
                   : "at " + at}});
  for (const Step& step : ring)
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, members[step.from].task, -1,
        "waits for " + diagnosis::describe_wait(context.snapshot, members[step.from].task)));
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks);
}

}  // namespace
}  // namespace ipcdoctor::probes
