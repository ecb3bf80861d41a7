#include <algorithm>
#include <set>

#include "probes/all_probes.h"
#include "probes/internal/cycles.h"
#include "probes/internal/lock_facts.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::FileLock;
using snapshot::LockKind;

Answer run(const Context& context);

}  // namespace

extern const Probe kLockOrderCycle{"IPC204", "lock-order-cycle",
                                   "Tasks take the same locks in different orders", run};

namespace {

bool is_file_lock_ring(const Members& members, const Ring& ring) {
  return std::ranges::all_of(
      ring, [&](const Step& s) { return waits_in(members[s.from], WaitKind::FileLock); });
}

bool is_about_one_file(const Members& members, const Ring& ring) {
  const auto file = [&](const Step& s) { return wait_of(members[s.from])->file_lock.file; };
  return is_file_lock_ring(members, ring) &&
         std::ranges::all_of(ring, [&](const Step& s) { return file(s) == file(ring.front()); });
}

/// Each has the file shared and wants it for itself alone.
bool is_upgrade(const Context& context, const Members& members, const Ring& ring) {
  return is_about_one_file(members, ring) &&
         std::ranges::none_of(context.snapshot.file_locks, [&](const FileLock& lock) {
           return lock.exclusive &&
                  lock.file == wait_of(members[ring.front().from])->file_lock.file;
         });
}

std::string fix_for(const Context& context, const Members& members, const Ring& ring) {
  const Member& last = members[ring.back().from];
  // As the first of them does; the last one breaks it.
  const Process& first = *members[ring.front().from].process;
  std::string order = lock_name_in(context, first, last);
  std::set<std::string> names = {order};
  for (std::size_t i = 0; i + 1 < ring.size() && i < 3; ++i) {
    const std::string next = lock_name(context, members[ring[i].from]);
    order += ", then " + next;
    names.insert(next);
  }
  if (names.size() != ring.size()) order.clear();  // at most four
  const std::string at = place(last);
  const auto say = [&](Situation situation) {
    return what_to_do(context.snapshot, kLockOrderCycle, last.task, {situation},
                      {{"one order", order}, {"place", at}});
  };
  if (is_upgrade(context, members, ring))
    return say(Situation{"all share the file and ask to have it alone"});
  if (is_about_one_file(members, ring)) return say(Situation{"parts of one file"});
  const bool one_place =
      std::ranges::all_of(ring, [&](const Step& step) { return place(members[step.from]) == at; });
  std::string fix = say({}) + "\n";
  if (!at.empty())
    fix += say(one_place ? Situation{"all stand at one place"}
                         : Situation{"they stand at several places"}) +
           "\n";
  return fix + say(is_file_lock_ring(members, ring) ? Situation{"locks of files"}
                                                    : Situation{"locks in memory"});
}

/// System V remembers who operated last on each semaphore (semctl(2), GETPID): of one at 0 that is
/// who took it, or who set it to 0. Only a ring of such steps says that they are used as locks.
void add_last_operators(const Context& context, const Members& members, std::vector<Step>& steps) {
  for (std::size_t from = 0; from < members.size(); ++from) {
    if (!waits_in(members[from], WaitKind::SysvSem)) continue;
    const snapshot::SysvWait& wait = wait_of(members[from])->sysv;
    const auto set = std::ranges::find_if(context.snapshot.sysv, [&](const auto& object) {
      return object.type == "sem" && object.id == wait.id;
    });
    if (set == context.snapshot.sysv.end()) continue;
    for (const auto& [number, op] : wait.ops) {
      const auto n = static_cast<std::size_t>(number);
      if (op >= 0 || n >= set->last_pids.size() || n >= set->values.size() || set->values[n] != 0)
        continue;
      for (std::size_t to = 0; to < members.size(); ++to)
        if (to != from && members[to].task.pid == set->last_pids[n])
          steps.push_back({from, to, StepKind::Lock, false,
                           "the last to operate on semaphore " + std::to_string(number) +
                               " of set " + std::to_string(wait.id)});
    }
  }
}

/// Threads of a manager take locks in the name of its clients: those are to blame, where they are
/// as many.
void blame_clients(const Context& context, const Members& members, const Ring& ring,
                   Finding& finding) {
  Members clients;
  for (const Member& member : members)
    if (member.thread->activity.object.kind == snapshot::Resource::Proxy) clients.push_back(member);
  const bool serve = std::ranges::all_of(
      ring, [&](const Step& s) { return serves_a_client(*members[s.from].thread); });
  if (!serve || clients.size() != ring.size()) return;
  finding.culprits.clear();
  for (const Member& client : clients)
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, client.task, -1,
                           "most likely holds a lock of the manager and waits for another one"));
}

std::optional<Finding> by_ring(const Context& context, int set, const Members& members) {
  std::vector<Step> steps = steps_between(context, members);
  add_last_operators(context, members, steps);
  const Ring ring = shortest_ring(members, steps, StepKind::Lock);
  const bool own_locks = std::ranges::all_of(ring, [&](const Step& s) {
    return waits_for_own_lock(members[s.from]) || waits_in(members[s.from], WaitKind::SysvSem);
  });
  if (ring.size() < 2 || !own_locks) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kLockOrderCycle, set);
  const bool sure = std::ranges::all_of(ring, &Step::sure);
  finding.strength = sure ? Strength::Clear : Strength::Likely;
  add_wakes(finding, {members[ring.front().from]});
  const std::string first = snapshot::label(context.snapshot, members[ring.front().from].task);
  const std::string hold = sure ? " each hold" : " each hold, most likely,";
  finding.title = ring.size() == 2
                      ? first + " and " +
                            snapshot::label(context.snapshot, members[ring.back().from].task) +
                            hold + " the lock that the other one waits for"
                      : first + " and " + std::to_string(ring.size() - 1) + " more" + hold +
                            " the lock that the one before waits for";
  finding.explanation = tell_ring(context, members, ring) +
                        "Each keeps what it has until it gets what it wants: none ever does.";
  finding.fix = fix_for(context, members, ring);
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const Step& held = ring[(i + ring.size() - 1) %
                            ring.size()];  // the step that ends at this task: the lock it holds
    const std::string has =
        lock_name_in(context, *members[ring[i].from].process, members[held.from]);
    const std::string wants = lock_name(context, members[ring[i].from]);
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, members[ring[i].from].task, -1,
                           is_upgrade(context, members, ring)
                               ? "holds " + wants + " shared, and waits to have it exclusively"
                               : (held.sure ? "holds " : "most likely holds ") + has +
                                     " and waits for " + (has == wants ? "another one" : wants)));
    if (!ring[i].evidence.empty())
      finding.evidence.push_back(
          {ring[i].evidence,
           diagnosis::proc_path(context.snapshot, members[ring[i].to].task.pid, "stat")});
  }
  blame_clients(context, members, ring, finding);
  return finding;
}

/// Scripts that each hold a file lock and have a command wait for another one, as flock(1) does.
std::optional<Finding> by_commands(const Context& context, int set, const Members& members) {
  const Ring ring = shortest_mixed_ring(members, steps_between(context, members));
  std::vector<std::size_t> locks;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    if (ring[i].kind != StepKind::Lock && ring[i].kind != StepKind::End) return std::nullopt;
    if (!waits_in(members[ring[i].kind == StepKind::Lock ? ring[i].from : ring[i].to],
                  WaitKind::FileLock))
      return std::nullopt;
    if (ring[i].kind == StepKind::Lock) locks.push_back(i);
  }
  if (locks.size() < 2) return std::nullopt;
  Finding finding = diagnosis::start_finding(context, kLockOrderCycle, set);
  finding.strength = Strength::Clear;
  const auto held = [&](std::size_t i) { return lock_name(context, members[ring[i].from]); };
  const auto holder = [&](std::size_t i) -> const Member& { return members[ring[i].to]; };
  add_wakes(finding, {members[ring[locks.front()].from]});
  finding.title = snapshot::label(context.snapshot, holder(locks.front()).task) + " and " +
                  (locks.size() == 2 ? snapshot::label(context.snapshot, holder(locks.back()).task)
                                     : std::to_string(locks.size() - 1) + " more") +
                  " each hold a lock that a command of the other one waits for";
  finding.explanation = tell_ring(context, members, ring) +
                        "Each keeps its lock until the command that wants the next one is done.";
  finding.fix = what_to_do(context.snapshot, kLockOrderCycle, holder(locks.front()).task,
                           {Situation{"commands of scripts"}},
                           {{"one order", held(locks.front()) + ", then " + held(locks.back())}});
  for (std::size_t n = 0; n < locks.size(); ++n) {
    const std::size_t i = locks[n], next = locks[(n + 1) % locks.size()];
    finding.culprits.push_back(
        diagnosis::culprit(context.snapshot, holder(i).task, -1,
                           "holds " + held(i) + " while it has a command wait for " + held(next)));
  }
  return finding;
}

const Member* find_waiter(const Members& members, const Member& like, LockKind kind) {
  const auto it = std::ranges::find_if(members, [&](const Member& m) {
    if (!waits_in(m, WaitKind::Futex)) return false;
    const snapshot::FutexWait& a = wait_of(m)->futex;
    const snapshot::FutexWait& b = wait_of(like)->futex;
    const bool same =
        a.shared_memory
            ? b.shared_memory && a.page.ino == b.page.ino && a.lock.name == b.lock.name
            : m.process->mm_group == like.process->mm_group && a.lock.address == b.lock.address;
    return same && a.lock.kind == kind;
  });
  return it == members.end() ? nullptr : &*it;
}

/// Readers have no owner word. A reader that queues behind a waiting writer while read locks are
/// held and nobody else could hold one: it is its own, taken a second time.
std::optional<Finding> by_nested_read(const Context& context, int set, const Members& members) {
  for (const Member& reader : members) {
    if (!waits_in(reader, WaitKind::Futex) ||
        wait_of(reader)->futex.lock.kind != LockKind::RwlockRead)
      continue;
    const snapshot::Lock& lock = wait_of(reader)->futex.lock;
    const bool held_for_reading = lock.numbers.get_or(LockNumber::Readers, 1) > 0;
    const Member* writer = find_waiter(members, reader, LockKind::RwlockWrite);
    if (!held_for_reading || !lock.owners.empty() || writer == nullptr) continue;
    Finding finding = diagnosis::start_finding(context, kLockOrderCycle, set);
    const std::string what = lock_name(context, reader);
    const std::string who = snapshot::label(context.snapshot, reader.task);
    const std::string rival = snapshot::label(context.snapshot, writer->task);
    finding.strength = Strength::Likely;
    add_wakes(finding, {reader});
    finding.title = who + " takes " + what + " for reading a second time, behind the writer " +
                    rival + " that waits for the first";
    finding.explanation =
        "The lock prefers writers: while " + rival + place_in_brackets(*writer->thread) +
        " waits for it, new readers wait too. " + who + place_in_brackets(*reader.thread) +
        " is a reader already and asks again; the writer waits for its first read lock.";
    finding.fix = what_to_do(context.snapshot, kLockOrderCycle, reader.task,
                             {Situation{"a read lock is taken twice"}});
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, reader.task, -1, "takes the read lock that it holds a second time"));
    finding.culprits.push_back(diagnosis::culprit(context.snapshot, writer->task, -1,
                                                  "waits to write, which keeps new readers out"));
    finding.evidence.push_back(
        {lock.evidence, diagnosis::proc_path(context.snapshot, reader.task.pid, "mem")});
    return finding;
  }
  return std::nullopt;
}

/// Tasks of one event loop that hold each other's locks: the thread of the loop waits for all.
std::optional<Finding> by_tasks(const Context& context, int set, const Members& members) {
  for (const Member& member : members) {
    const snapshot::Activity& activity = member.thread->activity;
    const std::int64_t ring = activity.object.numbers.get_or(Number::Ring, 0);
    if (ring < 2) continue;
    Finding finding = diagnosis::start_finding(context, kLockOrderCycle, set);
    const std::string who = snapshot::label(context.snapshot, member.task);
    const std::string tasks = std::to_string(ring) + " tasks of its event loop";
    const std::string what = activity.object.name.empty()
                                 ? activity.object.type
                                 : activity.object.type + " `" + activity.object.name + "`";
    finding.strength = Strength::Clear;
    add_wakes(finding, {member});
    finding.title = tasks + " in " + who + " each hold the lock that another one awaits";
    finding.explanation = who + place_in_brackets(*member.thread) + " awaits the " + what +
                          ". The task that holds it awaits another lock, and so on in a ring of " +
                          std::to_string(ring) + ": none lets go before it gets the next.";
    finding.fix = what_to_do(context.snapshot, kLockOrderCycle, member.task,
                             {Situation{"tasks of one event loop"}});
    finding.culprits.push_back(diagnosis::culprit(
        context.snapshot, member.task, -1, "runs tasks that take the same locks in other orders"));
    finding.evidence.push_back(
        {"a ring of " + std::to_string(ring) + " tasks, by what they hold and await",
         diagnosis::proc_path(context.snapshot, member.task.pid, "mem")});
    return finding;
  }
  return std::nullopt;
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  if (auto finding = by_ring(context, set, members)) return finding;
  if (auto finding = by_commands(context, set, members)) return finding;
  if (auto finding = by_tasks(context, set, members)) return finding;
  return by_nested_read(context, set, members);
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_locks);
}

}  // namespace
}  // namespace ipcdoctor::probes
