#include <algorithm>

#include "probes/all_probes.h"
#include "probes/internal/dead_ones.h"
#include "probes/internal/joiners.h"
#include "probes/internal/pools.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

Answer run(const Context& context);

}  // namespace

extern const Probe kUnfinishedTasks{"IPC108", "unfinished-tasks",
                                    "join() of a queue without as many task_done() as put()", run};

namespace {

bool joins_a_queue(const Member& member) {
  return member.thread->activity.operation == snapshot::Operation::AwaitEnd &&
         member.thread->activity.object.kind == snapshot::Resource::Queue;
}

/// Those that take from the same queue: by its pipe, or by its address in the same or a forked
/// memory.
Members takers_of(const Members& members, const Member& joiner) {
  const snapshot::RuntimeObject& queue = joiner.thread->activity.object;
  Members takers;
  for (const Member& member : members) {
    const snapshot::RuntimeObject& taken = member.thread->activity.object;
    if (!takes_from_queue(*member.thread)) continue;
    const ObjectId *a = queue.objects.find(snapshot::End::Reader),
                   *b = taken.objects.find(snapshot::End::Reader);
    const bool same_pipe = a != nullptr && b != nullptr && *a == *b;
    if (same_pipe || (queue.address.value != 0 && taken.address == queue.address))
      takers.push_back(member);
  }
  return takers;
}

std::string names(const Snapshot& snapshot, const std::vector<DeadProcess>& dead) {
  std::string text;
  for (std::size_t i = 0; i < dead.size() && i < 3; ++i)
    text += (i == 0 ? "" : ", ") + describe(snapshot, dead[i]);
  return text;
}

/// ": Thread-1 (work), by an exception"
std::string ended(const Member& joiner) {
  const std::vector<std::string> names = ended_threads(*joiner.process);
  return names.empty() ? "" : ": " + names.front();
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const auto joiner = std::ranges::find_if(members, joins_a_queue);
  if (joiner == members.end()) return std::nullopt;
  const Members takers = takers_of(members, *joiner);
  const std::vector<DeadProcess> dead = dead_children(context, members);
  const std::int64_t unfinished =
      joiner->thread->activity.object.numbers.get_or(snapshot::Number::Unfinished, -1);
  Finding finding = diagnosis::start_finding(context, kUnfinishedTasks, set);
  const std::string who = snapshot::label(context.snapshot, joiner->task);
  const std::string queue = queue_name(context, *joiner);
  const std::string open = unfinished == 1  ? "1 task"
                           : unfinished > 0 ? std::to_string(unfinished) + " tasks"
                                            : "some tasks";
  finding.strength = Strength::Clear;
  add_wakes(finding, {*joiner});
  finding.title =
      who + " waits until all tasks of " + queue + " are done: task_done() is missing for " + open;
  finding.explanation =
      "join() returns once task_done() has been called for each item that was put. Not done of " +
      queue + ": " + open + ". ";
  if (!dead.empty())
    finding.explanation +=
        "Dead: " + names(context.snapshot, dead) + "; an item that it had taken is never done.";
  else if (!takers.empty())
    finding.explanation +=
        "Its consumers wait for more items: for some they did not call task_done().";
  else
    finding.explanation += "Nobody is left who takes from it.";
  finding.fix = what_to_do(context.snapshot, kUnfinishedTasks, joiner->task, {},
                           {{"place", takers.empty() ? "" : place(takers.front())}});
  for (const DeadProcess& one : dead)
    if (one.pid.value != 0 && finding.culprits.size() < 8)
      finding.culprits.push_back(dead_culprit(
          one, "ended with an item it had not finished: " + describe(context.snapshot, one)));
  if (dead.empty())
    blame(context, takers, "takes items and does not call task_done() for each", finding);
  // Who took them were threads or tasks of its own, which have ended.
  const snapshot::Reach reach = joiner->thread->activity.object.reach;
  if (dead.empty() && takers.empty() && reach == snapshot::Reach::Memory)
    blame(context, {*joiner}, "its consumers ended without task_done()" + ended(*joiner), finding);
  if (dead.empty() && takers.empty() && reach == snapshot::Reach::Loop)
    blame(context, {*joiner}, "its tasks have not called task_done() for each item", finding);
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
