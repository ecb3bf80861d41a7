#include "probes/internal/joiners.h"

#include <algorithm>

#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

bool waits_for_one_of(const Context& context, const Member& joiner, const Members& awaited) {
  const Wait& wait = *wait_of(joiner);
  const std::vector<Pid> exits = awaited_exits(context.snapshot, joiner.task);
  return std::ranges::any_of(awaited, [&](const Member& m) {
    if (m.task == joiner.task) return false;
    const bool child = std::ranges::binary_search(exits, m.task.pid);
    const auto& ends = wait.futex.lock.owners;
    // which thread a join is for is not always known
    const bool thread = m.task.pid == joiner.task.pid && wait.kind == WaitKind::Futex &&
                        (ends.empty() || std::ranges::find(ends, m.task) != ends.end());
    const bool parent = m.process->ppid == joiner.task.pid;
    return child || thread || (parent && wait.children.empty());
  });
}

}  // namespace

Members joiners_of(const Context& context, const Members& members, const Members& awaited) {
  Members joiners;
  for (const Member& member : members)
    if (waits_for_end(member) && waits_for_one_of(context, member, awaited))
      joiners.push_back(member);
  return joiners;
}

void blame(const Context& context, const Members& guilty, const std::string& why,
           Finding& finding) {
  for (const Member& member : guilty) {
    const bool known = std::ranges::any_of(
        finding.culprits, [&](const auto& c) { return c.task.pid == member.task.pid; });
    if (!known)
      finding.culprits.push_back(diagnosis::culprit(context.snapshot, member.task, -1, why));
  }
}

}  // namespace ipcdoctor::probes
