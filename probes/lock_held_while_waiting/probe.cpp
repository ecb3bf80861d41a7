#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/cycles.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Resource;

Answer run(const Context& context);

}  // namespace

extern const Probe kLockHeldWhileWaiting{
    "IPC206", "lock-held-while-waiting",
    "A task holds a lock while it waits for somebody who needs that lock", run};

namespace {

/// The step after ring[i]: what the holder of ring[i]'s lock waits for itself.
const Step& after(const Ring& ring, std::size_t i) {
  return ring[(i + 1) % ring.size()];
}

Strength strength_of(const Members& members, const Ring& ring) {
  const bool sure_others =
      std::ranges::all_of(ring, [](const Step& s) { return s.sure || s.kind == StepKind::Lock; });
  const bool sure_locks =
      std::ranges::all_of(ring, [](const Step& s) { return s.sure || s.kind != StepKind::Lock; });
  const bool import = std::ranges::any_of(ring, [&](const Step& s) {
    return s.kind == StepKind::Lock &&
           members[s.from].thread->activity.object.kind == Resource::Module;
  });
  if (sure_locks && sure_others) return Strength::Likely;
  if (sure_locks) return import ? Strength::Likely : Strength::Possible;
  return sure_others ? Strength::Possible : Strength::Guess;
}

std::string fix_for(const Context& context, const Members& members, const Ring& ring,
                    std::size_t lock_step) {
  const Member& waiter = members[ring[lock_step].from];
  const Member& holder = members[ring[lock_step].to];
  const std::string other = place(waiter);
  const bool import = waiter.thread->activity.object.kind == Resource::Module ||
                      wait_of(waiter)->futex.lock.kind == snapshot::LockKind::ImportLock;
  return what_to_do(
      context.snapshot, kLockHeldWhileWaiting, holder.task,
      {import ? Situation{"while a module is imported"} : Situation{}},
      {{"the lock", lock_name(context, waiter)},
       {"place", place(holder)},
       {"the other", other.empty() ? snapshot::label(context.snapshot, waiter.task) : other}});
}

/// Who keeps the holder waiting while it waits itself for data or room that must come from the one
/// without the lock.
void blame_feeders(const Context& context, const Members& members, const Ring& ring,
                   Finding& finding) {
  for (const Step& step : ring) {
    const Member& member = members[step.from];
    const bool transfers = waits_in(member, WaitKind::Read) || waits_in(member, WaitKind::Write);
    const bool known = std::ranges::any_of(
        finding.culprits, [&](const auto& c) { return c.task.pid == member.task.pid; });
    if (step.kind != StepKind::Other || !transfers || known) continue;
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, member.task, -1,
        "waits for " + diagnosis::describe_wait(context.snapshot, member.task) + " first"));
  }
}

bool acquires_of_a_manager(const Thread& thread) {
  return thread.activity.object.kind == Resource::Proxy &&
         thread.activity.object.texts.get_or(Text::Method, "") == "acquire";
}

/// A manager's lock is taken by a thread of the manager in the name of a client, and nothing tells
/// whose. Where nobody has died, who waits for the end of the one that wants it must have it.
std::optional<Finding> by_managers_lock(const Context& context, int set, const Members& members) {
  if (!dead_children(context, members).empty()) return std::nullopt;
  for (const Member& client : members) {
    if (!acquires_of_a_manager(*client.thread)) continue;
    for (const Member& holder : members) {
      const bool waits = holder.process != client.process &&
                         waits_for_exit(context.snapshot, holder.task.pid, client.task.pid) &&
                         waits_for_end(holder);
      if (!waits) continue;
      Finding finding = diagnosis::start_finding(context, kLockHeldWhileWaiting, set);
      const std::string who = snapshot::label(context.snapshot, holder.task);
      const std::string other = snapshot::label(context.snapshot, client.task);
      finding.strength = Strength::Possible;
      add_wakes(finding, {client});
      finding.title = who + " waits for the exit of " + other +
                      ", which waits for a manager's lock that " + who + " must have";
      finding.explanation = other + place_in_brackets(*client.thread) +
                            " calls acquire() on a lock of a manager. Nobody who could have it has "
                            "died, and " +
                            who + place_in_brackets(*holder.thread) +
                            " waits for it to end: it took the lock and has not released it.";
      finding.fix = what_to_do(context.snapshot, kLockHeldWhileWaiting, holder.task,
                               {Situation{"a lock of a manager"}}, {{"place", place(holder)}});
      finding.culprits.push_back(
          diagnosis::culprit(context.snapshot, holder.task, -1,
                             "must hold the manager's lock while it waits for " +
                                 diagnosis::describe_wait(context.snapshot, holder.task)));
      return finding;
    }
  }
  return std::nullopt;
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Ring ring = shortest_mixed_ring(members, steps_between(context, members));
  if (ring.empty()) return by_managers_lock(context, set, members);
  Finding finding = diagnosis::start_finding(context, kLockHeldWhileWaiting, set);
  finding.strength = strength_of(members, ring);
  finding.explanation = tell_ring(context, members, ring);
  for (std::size_t i = 0; i < ring.size(); ++i) {
    if (ring[i].kind != StepKind::Lock || after(ring, i).kind == StepKind::Lock) continue;
    const Member& waiter = members[ring[i].from];
    const Member& holder = members[ring[i].to];
    const std::string wants = diagnosis::describe_wait(context.snapshot, holder.task);
    const std::string what = lock_name(context, waiter);
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, holder.task, -1, "holds " + what + " while it waits for " + wants));
    if (!ring[i].evidence.empty())
      finding.evidence.push_back(
          {ring[i].evidence, diagnosis::proc_path(context.snapshot, holder.task.pid, "stat")});
    if (!finding.title.empty()) continue;
    add_wakes(finding, {waiter});
    finding.title = snapshot::label(context.snapshot, holder.task) + " waits for " + wants +
                    " while it holds " + what + ", which " +
                    snapshot::label(context.snapshot, waiter.task) + " needs";
    finding.fix = fix_for(context, members, ring, i);
  }
  blame_feeders(context, members, ring, finding);
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks);
}

}  // namespace
}  // namespace ipcdoctor::probes
