#include <algorithm>
#include <tuple>

#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/joiners.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::LockKind;

Answer run(const Context& context);

}  // namespace

extern const Probe kMissingParty{"IPC302", "missing-party",
                                 "A barrier or latch has fewer parties than it needs", run};

namespace {

/// Each party takes one off a semaphore of System V, and who waits until none is left waits for
/// all: a barrier by hand (semop(2), sem_op 0).
bool waits_for_zero(const Member& member) {
  return waits_in(member, WaitKind::SysvSem) &&
         std::ranges::all_of(wait_of(member)->sysv.ops,
                             [](const auto& op) { return op.second == 0; });
}

bool waits_at_barrier(const Member& member) {
  if (waits_for_zero(member)) return true;
  if (member.thread->is_interpreted &&
      member.thread->activity.operation == snapshot::Operation::AwaitParties)
    return true;
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex) return false;
  const LockKind kind = wait->futex.lock.kind;
  return kind == LockKind::Barrier || kind == LockKind::Latch;
}

bool is_of_processes(const Member& member) {
  return member.thread->activity.object.reach == snapshot::Reach::Tree;
}

/// Which barrier: the object of the library, else the word in shared or in own memory.
std::tuple<int, std::uint64_t, std::uint64_t, std::uint64_t> barrier_of(const Member& member) {
  const std::uint64_t object = member.thread->activity.object.address.value;
  // A copy over fork of one for threads is another barrier.
  const bool of_processes = is_of_processes(member);
  if (object != 0)
    return {0, 0, of_processes ? 0 : static_cast<std::uint64_t>(member.process->mm_group.value),
            object};
  const Wait* wait = wait_of(member);
  if (waits_for_zero(member)) return {4, 0, 0, static_cast<std::uint64_t>(wait->sysv.id)};
  if (wait == nullptr || wait->kind != WaitKind::Futex) return {3, 0, 0, 0};
  const snapshot::FutexWait& futex = wait->futex;
  const std::uint64_t address =
      futex.lock.address.value != 0 ? futex.lock.address.value : futex.address.value;
  if (futex.shared_memory)  // the word, less its place in the object
    return {1, futex.page.dev, futex.page.ino, futex.page.offset - (futex.address.value - address)};
  return {2, 0, static_cast<std::uint64_t>(member.process->mm_group.value), address};
}

/// Spawned processes have an object each, and all that wait sleep on one semaphore.
bool share_semaphore(const Member& a, const Member& b) {
  const auto of_processes = [](const Member& m) {
    return is_of_processes(m) && waits_in(m, WaitKind::Futex) && wait_of(m)->futex.shared_memory;
  };
  return of_processes(a) && of_processes(b) && wait_of(a)->futex.page == wait_of(b)->futex.page;
}

/// Those at the barrier where most wait.
Members at_one_barrier(const Members& members) {
  std::vector<Members> barriers;
  for (const Member& member : members) {
    if (!waits_at_barrier(member)) continue;
    const auto known = std::ranges::find_if(barriers, [&](const Members& waiters) {
      return std::ranges::any_of(waiters, [&](const Member& w) {
        return barrier_of(w) == barrier_of(member) || share_semaphore(w, member);
      });
    });
    if (known == barriers.end())
      barriers.push_back({member});
    else
      known->push_back(member);
  }
  Members most;
  for (Members& waiters : barriers)
    if (waiters.size() > most.size()) most = std::move(waiters);
  return most;
}

/// From the library's object or the libc one; -1: not known.
std::int64_t parties_of(const Member& waiter) {
  const std::int64_t* number = waiter.thread->activity.object.numbers.find(Number::Parties);
  if (number != nullptr && *number >= 0) return *number;
  const Wait* wait = wait_of(waiter);
  return wait == nullptr ? -1 : wait->futex.lock.numbers.get_or(LockNumber::Parties, -1);
}

/// Alive, of the same program, and neither at the barrier nor merely waiting for those who are.
Members strayed(const Members& members, const Members& waiters) {
  Members others;
  for (const Member& member : members) {
    const bool related = std::ranges::any_of(waiters, [&](const Member& w) {
      return w.task.pid == member.task.pid || w.process->ppid == member.process->ppid;
    });
    if (related && !is_member(waiters, member.task) && !waits_for_end(member) &&
        !is_idle_helper(*member.thread))
      others.push_back(member);
  }
  return others;
}

/// Who started all that wait, where it is none of them and waits for their end or results.
Members starter(const Members& members, const Members& waiters) {
  const auto awaits = [](const Member& member) {
    return waits_for_end(member) ||
           member.thread->activity.operation == snapshot::Operation::AwaitResult;
  };
  for (const Member& member : members)
    if (awaits(member) && std::ranges::all_of(waiters, [&](const Member& w) {
          return w.process->ppid == member.task.pid;
        }))
      return {member};
  return {};
}

std::string arithmetic(const Member& waiter, std::size_t waiters) {
  if (waits_for_zero(waiter)) return "the count has not come down to 0";
  const std::int64_t parties = parties_of(waiter);
  if (parties <= 0) return std::to_string(waiters) + " wait, more are needed";
  return std::to_string(waiters) + " of " + std::to_string(parties) + " parties wait";
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Members waiters = at_one_barrier(members);
  if (waiters.empty()) return std::nullopt;
  const Member& first = waiters.front();
  const std::vector<DeadProcess> dead = most_suspect(dead_children(context, members));
  const Members elsewhere = strayed(members, waiters);
  const std::string sum = arithmetic(first, count_of(context, waiters));
  Finding finding = diagnosis::start_finding(context, kMissingParty, set);
  finding.strength = Strength::Clear;
  add_wakes(finding, waiters);
  finding.title = "a barrier waits for a party that does not come: " + sum;
  finding.explanation = snapshot::label(context.snapshot, first.task) +
                        place_in_brackets(*first.thread) + " waits at a barrier: " + sum + ". ";
  if (!elsewhere.empty())
    finding.explanation += snapshot::label(context.snapshot, elsewhere.front().task) +
                           place_in_brackets(*elsewhere.front().thread) +
                           " is not there: it waits for " +
                           diagnosis::describe_wait(context.snapshot, elsewhere.front().task) + ".";
  else if (!dead.empty())
    finding.explanation += describe(context.snapshot, dead.front()) + " is dead.";
  else
    finding.explanation += "The others have ended or never started.";
  finding.fix = what_to_do(context.snapshot, kMissingParty, first.task, {});
  blame(context, elsewhere, "should come to the barrier, but waits elsewhere", finding);
  // As many at the one as at the other: neither is the one that strayed.
  const bool crossed =
      elsewhere.size() == waiters.size() && std::ranges::all_of(elsewhere, waits_at_barrier);
  if (crossed) blame(context, waiters, "waits at another barrier than the others", finding);
  for (const DeadProcess& one : dead)
    if (one.pid.value != 0 && finding.culprits.size() < 8)
      finding.culprits.push_back(dead_culprit(
          one, "ended and did not come to the barrier: " + describe(context.snapshot, one)));
  if (finding.culprits.empty()) {
    blame(context, {first},
          "waits for " + diagnosis::describe_wait(context.snapshot, first.task) +
              ": there are fewer than it wants",
          finding);
    blame(context, starter(members, waiters), "started fewer parties than the barrier waits for",
          finding);
  }
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks_or_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
