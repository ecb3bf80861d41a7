#include <algorithm>
#include <cctype>
#include <string_view>

#include "probes/all_probes.h"
#include "probes/internal/cycles.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Frame;
using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Ownership;
using snapshot::Part;
using snapshot::Resource;

Answer run(const Context& context);

}  // namespace

extern const Probe kSelfDeadlock{"IPC205", "self-deadlock", "A task waits for itself", run};

namespace {

struct SelfWait {
  Strength strength = Strength::None;
  std::string what;  ///< "waits for mutex `m`, which it holds itself"
  std::string evidence;
  std::vector<Situation> situations;
  std::string lock;  ///< where the situation is about one
};

/// A wait inside the very function of the library that would have to end it.
struct Reentry {
  Resource kind;
  Operation operation;
  Part part;
  const char* what;
  Situation situation;
};

constexpr Reentry kReentries[] = {
    {Resource::Server, Operation::AwaitEnd, Part::Program,
     "waits in shutdown() for serve_forever(), which runs further out in the same thread",
     Situation{"the thread of a server"}},
    {Resource::Future, Operation::AwaitResult, Part::Helper,
     "waits in a done-callback for a future that only this thread can complete",
     Situation{"a callback of a future"}},
    {Resource::Future, Operation::AwaitResult, Part::Program,
     "waits for a future that its own event loop would have to complete",
     Situation{"the thread of an event loop"}},
    {Resource::Pool, Operation::AwaitResult, Part::Helper,
     "waits in a callback for a result that only this thread can deliver",
     Situation{"a callback of a pool"}},
    {Resource::Pool, Operation::AwaitEnd, Part::Helper,
     "joins in a callback the pool whose callback it is",
     Situation{"a callback that joins its pool"}},
};

bool in_signal_handler(const Thread& thread) {
  return thread.native && std::ranges::any_of(*thread.native, [](const Frame& f) {
           return f.function == "__restore_rt" ||
                  f.function.find("signal handler") != std::string::npos;
         });
}

SelfWait by_reentry(const Member& member) {
  const snapshot::Activity& activity = member.thread->activity;
  const std::string* outer = activity.object.texts.find(Text::Enclosing);
  if (outer == nullptr) return {};
  // that somebody else might give a future's value is no help to a thread that has to
  const Operation operation =
      activity.operation == Operation::AwaitValue ? Operation::AwaitResult : activity.operation;
  const auto* row = std::ranges::find_if(kReentries, [&](const Reentry& reentry) {
    return reentry.kind == activity.object.kind && reentry.operation == operation &&
           (activity.part == Part::Helper) == (reentry.part == Part::Helper);
  });
  if (row == std::end(kReentries)) return {};
  return {Strength::Read, row->what, *outer + " is on its stack", {row->situation}, ""};
}

/// A `with` statement of its stack holds the lock.
bool is_inside(const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex) return false;
  const auto& held = member.thread->held_locks;
  return std::ranges::find(held, wait->futex.lock.address) != held.end() ||
         std::ranges::find(held, wait->futex.address) != held.end();
}

std::vector<Situation> relocks(const Member& member) {
  if (in_signal_handler(*member.thread)) return {Situation{"a signal handler"}};
  if (waits_in(member, WaitKind::FileLock)) return {Situation{"a file lock"}};
  const bool inside = is_inside(member);
  if (member.thread->activity.object.reach == snapshot::Reach::Loop)
    return {inside ? Situation{"a task took the lock by `async with`"}
                   : Situation{"a task took the lock"}};
  return {inside ? Situation{"it took the lock by `with`"} : Situation{}};
}

/// No other thread of its process is stuck with it, but the runtime's own: those who live neither
/// took the file's lock nor give it back.
bool is_alone_in_set(const Members& members, const Member& member) {
  return std::ranges::none_of(members, [&](const Member& other) {
    return other.task.pid == member.task.pid && !(other.task == member.task) &&
           !is_idle_helper(*other.thread);
  });
}

SelfWait by_own_lock(const Context& context, const Members& members, const Member& member) {
  const std::string what = lock_name(context, member);
  for (const LockHolder& holder : holders_of(context, member)) {
    const bool is_self =
        holder.task == member.task ||
        (holder.task.pid == member.task.pid && holder.task.tid.value == 0 &&
         (member.process->threads.size() == 1 ||
          (waits_in(member, WaitKind::FileLock) && is_alone_in_set(members, member))));
    if (!is_self) continue;
    const std::string place_of_it = in_signal_handler(*member.thread) ? " in a signal handler" : "";
    // Who takes what others post has taken more often than it has posted.
    const snapshot::Lock& lock = wait_of(member)->futex.lock;
    const bool counts = waits_in(member, WaitKind::Futex) &&
                        lock.kind == LockKind::SharedSemaphore &&
                        lock.numbers.get_or(LockNumber::Max, 1) != 1 && !is_inside(member);
    return {counts ? Strength::Guess : Strength::Read,
            "waits" + place_of_it + " for " + what + ", which it holds itself", holder.evidence,
            relocks(member), what};
  }
  return {};
}

/// Its private memory is seen by one thread only, and it was not forked: who else could have taken
/// the lock?
SelfWait by_loneliness(const Context& context, const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex || wait->futex.shared_memory) return {};
  const bool alone = member.process->threads.size() == 1 && !member.process->forked_copy;
  if (!alone || !waits_for_own_lock(member) || wait->futex.lock.ownership != Ownership::NotStored)
    return {};
  const std::string what = lock_name(context, member);
  if (!member.process->interpreter.version.empty() &&
      member.process->interpreter.ended_threads != 0)
    return {Strength::Guess, "waits for " + what + ", which it or a thread that has ended took",
            "it is the only thread that is left of its process", relocks(member), what};
  return {Strength::Possible, "waits for " + what + ", which only itself can have taken",
          "it is the only thread of its process", relocks(member), what};
}

SelfWait by_joining_itself(const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || !waits_for_end(member)) return {};
  const auto& owners = wait->futex.lock.owners;
  const bool thread =
      wait->kind == WaitKind::Futex && std::ranges::find(owners, member.task) != owners.end();
  const bool poll = wait->kind == WaitKind::Poll &&
                    std::ranges::all_of(wait->objects, [&](const snapshot::Awaited& a) {
                      return a.object.ino == static_cast<std::uint64_t>(member.task.pid.value);
                    });
  if (!thread && !poll) return {};
  return {Strength::Read, "waits for its own end", "", {Situation{"its own end"}}, ""};
}

/// No code of the program is on its stack: it works for a library, and takes no lock of the
/// program.
bool is_of_library(const Thread& thread) {
  return thread.native && !thread.native->empty() && !thread.interpreted &&
         std::ranges::none_of(*thread.native,
                              [](const Frame& f) { return f.user_code || f.guessed; });
}

/// An upgrade: it waits to write while it is a reader, and nobody is who does not do the same.
SelfWait by_upgrade(const Context& context, const Members& members, const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr || wait->kind != WaitKind::Futex ||
      wait->futex.lock.kind != LockKind::RwlockWrite)
    return {};
  const std::int64_t* readers = wait->futex.lock.numbers.find(LockNumber::Readers);
  if (readers == nullptr || wait->futex.shared_memory) return {};
  // All threads that there are wait to write, or for one of these: who else could be a reader?
  std::int64_t writers = 0;
  bool is_sure = true;
  for (const Thread& thread : member.process->threads) {
    const Member other{{member.task.pid, thread.tid}, member.process, &thread, true};
    const bool writes = waits_in(other, WaitKind::Futex) &&
                        thread.wait->futex.lock.kind == LockKind::RwlockWrite &&
                        thread.wait->futex.lock.address == wait->futex.lock.address;
    const bool stands_by =
        !is_member(members, other.task) || is_of_library(thread) ||
        (waits_in(other, WaitKind::Futex) && thread.wait->futex.lock.kind == LockKind::Condition);
    if (!writes && !waits_for_end(other) && !stands_by) return {};
    writers += writes ? 1 : 0;
    is_sure = is_sure && !stands_by;
  }
  if (*readers < 1 || *readers > writers) return {};
  return {
      is_sure ? Strength::Read : Strength::Possible,
      "waits to write under " + lock_name(context, member) + ", of which it is itself the reader",
      wait->futex.lock.evidence,
      {Situation{"a rwlock"}},
      ""};
}

/// By the names on its stack; what is initialised there may be two things.
SelfWait by_reentered_initialisation(const Context& context, const Member& member) {
  if (!waits_in(member, WaitKind::Futex)) return {};
  const snapshot::Lock& lock = wait_of(member)->futex.lock;
  if (!lock.numbers.contains(LockNumber::Reentered)) return {};
  return {
      Strength::Clear,
      "waits for " + lock_name(context, member) + ", which it most likely runs itself further out",
      lock.evidence,
      {Situation{"an initialiser"}},
      ""};
}

/// A task of an event loop that awaits what it holds itself, as the ring of tasks was followed.
SelfWait by_own_task(const Member& member) {
  const snapshot::RuntimeObject& lock = member.thread->activity.object;
  if (lock.numbers.get_or(Number::Ring, 0) != 1) return {};
  const std::string what = lock.type + (lock.name.empty() ? "" : " `" + lock.name + "`");
  return {Strength::Read, "waits in a task for the " + what + ", which that task holds itself",
          "the task is inside `async with` on it, or has called acquire() and not release()",
          relocks(member), what};
}

SelfWait self_wait(const Context& context, const Members& members, const Member& member) {
  std::vector<SelfWait> found = {by_reentry(member),
                                 by_joining_itself(member),
                                 by_upgrade(context, members, member),
                                 by_loneliness(context, member),
                                 by_reentered_initialisation(context, member),
                                 by_own_task(member)};
  if (waits_for_own_lock(member)) found.push_back(by_own_lock(context, members, member));
  return *std::ranges::max_element(found, {}, &SelfWait::strength);
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const Member* culprit = nullptr;
  SelfWait best;
  for (const Member& member : members) {
    SelfWait found = self_wait(context, members, member);
    if (found.strength <= best.strength) continue;
    culprit = &member;
    best = std::move(found);
  }
  if (culprit == nullptr) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kSelfDeadlock, set);
  const std::string who = snapshot::label(context.snapshot, culprit->task);
  const std::string at = place(*culprit);
  finding.strength = best.strength;
  add_wakes(finding, {*culprit});
  finding.title = who + " " + best.what;
  finding.explanation = who + place_in_brackets(*culprit->thread) + " " + best.what +
                        ". No other task has to be involved.";
  finding.fix = what_to_do(context.snapshot, kSelfDeadlock, culprit->task, best.situations,
                           {{"the lock", best.lock}});
  if (!at.empty()) {
    finding.fix.front() = static_cast<char>(std::tolower(finding.fix.front()));
    finding.fix.insert(0, "At " + at + ": ");
  }
  finding.culprits.push_back(diagnosis::culprit(context.snapshot, culprit->task, -1, best.what));
  if (!best.evidence.empty())
    finding.evidence.push_back(
        {best.evidence, diagnosis::proc_path(context.snapshot, culprit->task.pid, "mem")});
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks_or_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
