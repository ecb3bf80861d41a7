#include <algorithm>
#include <iterator>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/ends.h"
#include "probes/internal/joiners.h"
#include "probes/internal/pools.h"
#include "snapshot/known_programs.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kLostToken{"IPC305", "lost-token",
                                         "A token of a pool was taken and never returned", run};

namespace {

using diagnosis::Finding;

struct Pool {
  bool shared = false;  ///< several wait for a token, or somebody is busy with something else than
                        ///< waiting for them
  /// A conversation would have begun with a message, and data that ends would have come first.
  bool never_had_one = false;
  TaskRef reader;
  ObjectId pipe;
  std::vector<TaskRef> takers;    ///< wait for one, the reader too
  std::vector<TaskRef> suspects;  ///< have both ends and wait for something else
  std::vector<DeadProcess> dead;  ///< had them, and failed
};

bool has_both_ends(const std::vector<Holder>& holders, Pid pid) {
  const auto own = [&](auto member) {
    return std::ranges::any_of(holders, [&](const Holder& h) { return h.pid == pid && h.*member; });
  };
  return own(&Holder::reads) && own(&Holder::writes);
}

/// An eventfd that gives one at a time (EFD_SEMAPHORE) and has none left.
bool is_counter(const Snapshot& snapshot, const ObjectId& id) {
  const snapshot::Object* object = snapshot::find_object(snapshot, id);
  // An older kernel does not tell which kind it is: then it may be one.
  return id.kind == snapshot::ObjectKind::EventFd && object != nullptr &&
         object->semaphore.value_or(true) && object->queued && *object->queued == 0;
}

/// make makes the pipe, and its children may poll before they take a token from it.
bool is_jobserver(const Snapshot& snapshot, const std::vector<Holder>& holders) {
  return std::ranges::any_of(holders, [&](const Holder& holder) {
    const Process* process = snapshot::find_process(snapshot, holder.pid);
    return process != nullptr && snapshot::has_trait(*process, snapshot::kHasTokens) &&
           has_both_ends(holders, holder.pid);
  });
}

/// make, and who only waits for the end of those who wait for a token of make's, keeps none from
/// the pipe: so each of these has one and wants another.
void judge_launchers(const Snapshot& snapshot, const std::vector<Holder>& holders, Pool& pool) {
  const auto launches = [&](const TaskRef& task) {
    return std::ranges::any_of(pool.takers, [&](const TaskRef& taker) {
      return waits_for_exit(snapshot, task.pid, taker.pid);
    });
  };
  const bool only_launch = std::ranges::all_of(pool.suspects, launches);
  if (!is_jobserver(snapshot, holders) || pool.takers.size() < 2 || !only_launch) return;
  pool.suspects = pool.takers;
}

/// Children of the users that have ended with a token, as far as anybody can tell: they failed.
std::vector<DeadProcess> dead_users(const Context& context, const std::vector<TaskRef>& tasks,
                                    const std::vector<Holder>& holders) {
  Members users;
  for (const TaskRef& task : tasks) {
    const Process* process = snapshot::find_process(context.snapshot, task.pid);
    const Thread* thread = snapshot::find_thread(context.snapshot, task);
    if (process != nullptr && thread != nullptr && has_both_ends(holders, task.pid))
      users.push_back({task, process, thread, true});
  }
  std::vector<DeadProcess> dead = dead_children(context, users);
  std::erase_if(dead, [](const DeadProcess& one) { return !failed(one); });
  return dead;
}

/// It waits for one byte from a pipe that it and others have open in both directions.
std::optional<Pool> judge(const Context& context, const Ends& ends,
                          const std::vector<TaskRef>& tasks, TaskRef reader) {
  const Snapshot& snapshot = context.snapshot;
  const Wait* wait = wait_of(snapshot, reader);
  if (wait == nullptr || wait->objects.size() != 1) return std::nullopt;
  const bool reads = wait->kind == snapshot::WaitKind::Read;
  const ObjectId pipe = wait->objects.front().object;
  const bool is_pipe =
      pipe.kind == snapshot::ObjectKind::Pipe || pipe.kind == snapshot::ObjectKind::Fifo;
  const Process* process = snapshot::find_process(snapshot, reader.pid);
  const std::vector<Holder> holders = ends.holders(pipe);
  const bool takes_one =
      reads ? wait->size == 1
            : wait->kind == snapshot::WaitKind::Poll && is_jobserver(snapshot, holders);
  if (!(is_pipe && takes_one) && !(reads && is_counter(snapshot, pipe))) return std::nullopt;
  if (!has_both_ends(holders, reader.pid)) return std::nullopt;
  Pool pool{false, false, reader, pipe, {reader}, {}, {}};
  for (const TaskRef& task : tasks) {
    const Process* other = snapshot::find_process(snapshot, task.pid);
    const bool one_table =
        other != nullptr && process != nullptr && other->fd_group == process->fd_group;
    if (task.pid == reader.pid || one_table || contains(pool.suspects, task.pid) ||
        !has_both_ends(holders, task.pid))
      continue;
    const std::vector<ObjectId> wanted = received_objects(snapshot, task);
    if (std::ranges::find(wanted, pipe) != wanted.end()) {
      pool.shared = true;
      pool.takers.push_back(task);
    } else {
      pool.suspects.push_back(task);
      pool.shared = pool.shared || !waits_for_exit(snapshot, task.pid, reader.pid);
    }
  }
  pool.dead = dead_users(context, tasks, holders);
  pool.never_had_one = wait->is_first;
  pool.shared = pool.shared || pool.never_had_one || pipe.kind == snapshot::ObjectKind::EventFd;
  if (pool.suspects.empty() && pool.dead.empty()) return std::nullopt;
  judge_launchers(snapshot, holders, pool);
  return pool;
}

Finding describe(const Context& context, int set, const Pool& pool) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kLostToken, set);
  const std::string pipe = diagnosis::object_name(snapshot, pool.pipe);
  std::vector<Pid> pids;
  for (const TaskRef& task : pool.suspects) pids.push_back(task.pid);
  finding.title =
      snapshot::label(snapshot, pool.reader) + " waits for a token that " +
      (pool.dead.empty() ? names(snapshot, pids) + " cannot give back"
                         : describe(context.snapshot, pool.dead.front()) + " did not give back");
  finding.explanation = pipe +
                        " is used as a pool: its users read to begin and write back when they are "
                        "done. It is empty" +
                        place(snapshot, pool.reader) + ".";
  if (pool.never_had_one)
    finding.explanation +=
        "\n" + snapshot::label(snapshot, pool.reader) +
        " has not got a byte since it was forked: others had what was in it, or nothing was.";
  for (const DeadProcess& dead : pool.dead) {
    finding.explanation += "\n" + describe(context.snapshot, dead) + " may have had one.";
    if (dead.pid.value != 0)
      finding.culprits.push_back(dead_culprit(dead, "ended without giving its token back"));
  }
  for (const TaskRef& task : pool.suspects) {
    if (!pool.dead.empty()) break;
    const bool wants_more = std::ranges::find(pool.takers, task) != pool.takers.end();
    const std::string does = wants_more ? "waits for another one" : doing(snapshot, task);
    finding.explanation += "\n" + snapshot::label(snapshot, task) + " has both ends and " + does +
                           place(snapshot, task) + ".";
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, task, -1, "may have the token, but " + does));
  }
  finding.fix = what_to_do(snapshot, kLostToken, pool.reader, {});
  // One reader whose parent waits for it: more often a forgotten write end.
  diagnosis::add_wakes(finding, {pool.reader});
  finding.strength = pool.shared ? Strength::Clear : Strength::Likely;
  return finding;
}

/// Of how many slots a semaphore was made, which none may have more of; 0: it is another one.
std::int64_t slots_of(const Member& member) {
  const snapshot::Activity& activity = member.thread->activity;
  const bool takes = activity.operation == snapshot::Operation::AwaitSignal &&
                     activity.object.kind == snapshot::Resource::Semaphore;
  return takes ? activity.object.numbers.get_or(Number::Initial, 0) : 0;
}

/// A `with` statement of somebody's stack has one.
bool somebody_is_inside(const Members& members) {
  return std::ranges::any_of(members,
                             [](const Member& m) { return !m.thread->held_locks.empty(); });
}

/// All slots are taken, and nobody is left who could give one back: neither who is known to have
/// one, which is another mistake, nor one that died with it.
std::optional<Finding> examine_slots(const Context& context, int set, const Members& members) {
  const auto waiter = std::ranges::find_if(
      members, [](const Member& m) { return waits_in(m, WaitKind::Futex) && slots_of(m) > 0; });
  if (waiter == members.end()) return std::nullopt;
  const bool in_memory = waiter->thread->activity.object.reach == snapshot::Reach::Memory;
  const snapshot::Lock& lock = wait_of(*waiter)->futex.lock;
  if (in_memory && !(lock.likely_owners.empty() && lock.owners.empty())) return std::nullopt;
  if (!in_memory && (!dead_children(context, members).empty() || somebody_is_inside(members)))
    return std::nullopt;
  const std::int64_t slots = slots_of(*waiter);
  const std::string who = snapshot::label(context.snapshot, waiter->task);
  const std::string slot =
      slots == 1 ? "the slot" : "one of the " + std::to_string(slots) + " slots";
  Finding finding = diagnosis::start_finding(context, kLostToken, set);
  finding.strength = Strength::Likely;
  add_wakes(finding, {*waiter});
  finding.title = who + " waits for " + slot + " of a semaphore, and nobody is left to release one";
  finding.explanation =
      "A BoundedSemaphore is made with all the slots that there are. All are "
      "taken" +
      place(context.snapshot, waiter->task) + ", and none of those who live gives one back.";
  finding.fix = what_to_do(context.snapshot, kLostToken, waiter->task, {Situation{"a semaphore"}});
  Members takers;
  std::ranges::copy_if(members, std::back_inserter(takers),
                       [](const Member& m) { return slots_of(m) > 0; });
  blame(context, takers,
        in_memory ? "threads like it took slots and did not give all of them back"
                  : "took slots and did not give all of them back",
        finding);
  return finding;
}

diagnosis::Answer of_descriptors(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        const std::vector<TaskRef> tasks = members(deadlock);
        for (const TaskRef& task : tasks)
          if (const auto pool = judge(context, ends, tasks, task))
            return describe(context, set, *pool);
        return std::nullopt;
      });
}

diagnosis::Answer run(const Context& context) {
  diagnosis::Answer answer = of_descriptors(context);
  const diagnosis::Answer slots = examine_sets(context, graph::Level::Suspected, examine_slots,
                                               [](const Members&) { return std::vector<Error>(); });
  for (const Finding& finding : slots.findings) answer.findings.push_back(finding);
  if (!answer.findings.empty()) answer.outcome = diagnosis::Outcome::Found;
  return answer;
}

}  // namespace
}  // namespace ipcdoctor::probes
