#include "probes/internal/cycles.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>

#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

constexpr std::size_t kMaxWakers = 64;     // of one wait
constexpr std::size_t kMaxSteps = 200000;  // of one set
constexpr std::size_t kMaxStarts = 128;    // rings are looked for from so many steps
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

using StepsFrom = std::vector<std::vector<std::size_t>>;  // by member: indices into the steps

/// Members by task; those of a process as a whole are next to each other.
using Places = std::multimap<TaskRef, std::size_t>;

std::vector<std::size_t> members_at(const Places& places, TaskRef task) {
  const bool whole = task.tid.value == 0;
  const auto begin = places.lower_bound(task);
  const auto end =
      whole ? places.lower_bound({Pid{task.pid.value + 1}, Tid{}}) : places.upper_bound(task);
  std::vector<std::size_t> found;
  for (auto it = begin; it != end; ++it) found.push_back(it->second);
  std::ranges::sort(found);
  return found;
}

void add_lock_steps(const Context& context, const Members& members, const Places& places,
                    std::size_t from, std::vector<Step>& steps) {
  for (const LockHolder& holder : holders_of(context, members[from])) {
    std::vector<std::size_t> targets = members_at(places, holder.task);
    const bool whole_process = holder.task.tid.value == 0;
    // Which of its threads took a process's lock is not recorded: another thread than the waiter is
    // the better guess.
    if (whole_process && targets.size() > 1) std::erase(targets, from);
    for (const std::size_t to : targets)
      if (steps.size() < kMaxSteps)
        steps.push_back(
            {from, to, StepKind::Lock, holder.sure && targets.size() == 1, holder.evidence});
  }
}

void add_other_steps(const Context& context, const Members& members, const Places& places,
                     std::size_t from, std::vector<Step>& steps) {
  const StepKind kind = waits_for_end(members[from]) ? StepKind::End : StepKind::Other;
  const auto wakers = context.graph.wakers(members[from].task, kMaxWakers);
  for (const graph::Waker& waker : wakers) {
    const std::vector<std::size_t> targets = members_at(places, waker.task);
    const bool direct = waker.by != "same-memory" && waker.by != "shared-page";
    for (const std::size_t to : targets)
      if (steps.size() < kMaxSteps) steps.push_back({from, to, kind, direct, waker.evidence});
  }
}

StepsFrom index_steps(const Members& members, const std::vector<Step>& steps) {
  StepsFrom index(members.size());
  for (std::size_t i = 0; i < steps.size(); ++i) index[steps[i].from].push_back(i);
  return index;
}

/// The shortest way from `start` to `goal` over the steps that `usable` admits, as indices; empty:
/// none, or start == goal.
template <class Usable>
std::vector<std::size_t> shortest_way(const StepsFrom& index, const std::vector<Step>& steps,
                                      std::size_t start, std::size_t goal, const Usable& usable) {
  std::vector<std::size_t> came_by(index.size(), kNone);
  std::deque<std::size_t> queue{start};
  while (!queue.empty() && came_by[goal] == kNone) {
    const std::size_t at = queue.front();
    queue.pop_front();
    for (const std::size_t i : index[at]) {
      const std::size_t to = steps[i].to;
      if (!usable(steps[i]) || to == start || came_by[to] != kNone) continue;
      came_by[to] = i;
      queue.push_back(to);
    }
  }
  std::vector<std::size_t> way;
  for (std::size_t at = goal; at != start; at = steps[way.back()].from) {
    if (came_by[at] == kNone) return {};
    way.push_back(came_by[at]);
  }
  std::ranges::reverse(way);
  return way;
}

/// The shortest ring that begins with a step that `begins` admits and goes on with those that
/// `usable` does.
template <class Begins, class Usable, class Accept>
Ring best_ring(const Members& members, const std::vector<Step>& steps, const Begins& begins,
               const Usable& usable, const Accept& accept) {
  const StepsFrom index = index_steps(members, steps);
  Ring best;
  std::size_t starts = 0;
  for (const Step& first : steps) {
    if (!begins(first) || ++starts > kMaxStarts) continue;
    Ring ring{first};
    if (first.from != first.to) {
      const auto way = shortest_way(index, steps, first.to, first.from, usable);
      if (way.empty()) continue;
      for (const std::size_t i : way) ring.push_back(steps[i]);
    }
    if (accept(ring) && (best.empty() || ring.size() < best.size())) best = std::move(ring);
  }
  return best;
}

bool is_mixed(const Ring& ring) {
  const auto locks =
      std::ranges::count_if(ring, [](const Step& s) { return s.kind == StepKind::Lock; });
  return locks > 0 && static_cast<std::size_t>(locks) < ring.size();
}

}  // namespace

std::vector<Step> steps_between(const Context& context, const Members& members) {
  std::vector<Step> steps;
  Places places;
  for (std::size_t i = 0; i < members.size(); ++i) places.emplace(members[i].task, i);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (waits_for_lock(members[i]))
      add_lock_steps(context, members, places, i, steps);
    else
      add_other_steps(context, members, places, i, steps);
  }
  return steps;
}

Ring shortest_ring(const Members& members, const std::vector<Step>& steps, StepKind only) {
  const auto right_kind = [&](const Step& s) { return s.kind == only; };
  return best_ring(members, steps, right_kind, right_kind, [](const Ring&) { return true; });
}

Ring shortest_mixed_ring(const Members& members, const std::vector<Step>& steps) {
  const auto is_lock = [&](const Step& s) {
    return s.kind == StepKind::Lock && s.from != s.to && waits_for_own_lock(members[s.from]);
  };
  const auto sure = [](const Step& s) { return s.sure || s.kind == StepKind::Lock; };
  const Ring ring = best_ring(members, steps, is_lock, sure, is_mixed);
  if (!ring.empty()) return ring;
  return best_ring(
      members, steps, is_lock, [](const Step&) { return true; }, is_mixed);
}

std::string tell_ring(const Context& context, const Members& members, const Ring& ring) {
  std::string text;
  for (std::size_t i = 0; i < ring.size() && i < kMaxTold; ++i) {
    const Member& from = members[ring[i].from];
    const Member& to = members[ring[i].to];
    text += snapshot::label(context.snapshot, from.task) + place_in_brackets(*from.thread) +
            " waits for ";
    if (ring[i].kind == StepKind::Lock)
      text += lock_name(context, from) + ", held by " + snapshot::label(context.snapshot, to.task);
    else
      text += diagnosis::describe_wait(context.snapshot, from.task) + ", which must come from " +
              snapshot::label(context.snapshot, to.task);
    text += ".\n";
  }
  if (ring.size() > kMaxTold)
    text += "... and so on, " + std::to_string(ring.size()) + " in all, back to the first.\n";
  return text;
}

}  // namespace ipcdoctor::probes
