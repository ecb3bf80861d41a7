#include <algorithm>
#include <charconv>
#include <ranges>

#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/joiners.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"
#include "probes/internal/receivers.h"
#include "snapshot/known_programs.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Operation;
using snapshot::Resource;

Answer run(const Context& context);

}  // namespace

extern const Probe kPoolStarvation{"IPC304", "pool-starvation",
                                   "Every worker waits for work that is queued behind it", run};

namespace {

/// What more work of the same pool could end: a result, an event, an item. A lock is another story.
bool waits_for_more_work(const Thread& thread) {
  const snapshot::Activity& activity = thread.activity;
  // the initializer of a worker runs before it takes any work
  if (activity.object.numbers.get_or(Number::Initializes, 0) != 0) return false;
  const bool signal =
      activity.operation == Operation::AwaitSignal || activity.operation == Operation::AwaitParties;
  return signal || (waits_for_a_pool(activity) && activity.operation != Operation::AwaitEnd) ||
         takes_from_queue(thread);
}

/// They wait for a notice, or for an item, where the tasks that are queued would only come to wait
/// for it too.
bool all_come_to_wait(const Member& waiter, const Members& workers) {
  const snapshot::Activity& first = workers.front().thread->activity;
  const bool notice =
      (first.operation == Operation::AwaitSignal && first.object.kind != Resource::Semaphore) ||
      takes_from_queue(*workers.front().thread);
  const bool maps = waiter.thread->activity.object.numbers.get_or(Number::Maps, 0) != 0;
  return notice && maps && std::ranges::all_of(workers, [&](const Member& worker) {
           return worker.thread->activity.call == first.call &&
                  place(worker) == place(workers.front());
         });
}

Members workers_of(const Pool& pool, const Members& members) {
  Members workers;
  for (const Member& member : members) {
    const bool process = std::ranges::any_of(
        pool.workers, [&](const Process* p) { return working_thread(*p) == member.thread; });
    const bool thread = std::ranges::find(pool.threads, member.thread) != pool.threads.end();
    if (process || thread) workers.push_back(member);
  }
  return workers;
}

/// Whether something is queued that a free worker would take. An executor that is being shut down
/// has queued one item of its own to tell so (concurrent/futures/thread.py).
bool has_queued_work(const Pool& pool) {
  const std::int64_t own = pool.object->numbers.get_or(Number::Shutdown, 0) != 0 ? 1 : 0;
  return pool.object->numbers.get_or(Number::Queued, own + 1) > own;
}

std::optional<Finding> by_pool(const Context& context, int set, const Members& members) {
  for (const Member& waiter : members) {
    const std::optional<Pool> pool = awaited_pool(context, waiter);
    if (!pool || !has_queued_work(*pool) || !all_busy_and_stuck(*pool, members)) continue;
    const Members workers = workers_of(*pool, members);
    if (workers.empty() || !std::ranges::all_of(workers, [](const Member& m) {
          return waits_for_more_work(*m.thread);
        }))
      continue;
    if (all_come_to_wait(waiter, workers)) continue;
    Finding finding = diagnosis::start_finding(context, kPoolStarvation, set);
    const Member& first = workers.front();
    const std::string wants = first.thread->activity.call;
    finding.strength = Strength::Clear;
    add_wakes(finding, {first});
    const std::size_t count = count_of(context, workers);
    finding.title = (count == 1 ? "the only worker of " + pool->name + " waits"
                                : all_of(count) + " workers of " + pool->name + " wait") +
                    " for work that no worker is free to do";
    finding.explanation = "Every worker of " + pool->name + " runs a task that waits in " + wants +
                          place_in_brackets(*first.thread) +
                          ". What they wait for is the work of a task that is still queued, and no "
                          "worker is left to take it.";
    finding.fix = what_to_do(context.snapshot, kPoolStarvation, first.task, {Situation{"a pool"}},
                             {{"the task", place(first)}});
    blame(context, workers,
          "occupies a worker of " + pool->name + " while it waits for a task that needs one",
          finding);
    return finding;
  }
  return std::nullopt;
}

/// The library runs a task of a pool on this thread. What an interpreter tells of its pools is
/// more.
bool runs_a_task(const Thread& thread) {
  return thread.activity.part == snapshot::Part::Worker && !thread.is_interpreted;
}

bool waits_for_result(const Thread& thread) {
  return thread.activity.operation == Operation::AwaitResult ||
         thread.activity.operation == Operation::AwaitValue ||
         (thread.wait && thread.wait->kind == WaitKind::Futex &&
          thread.wait->futex.lock.kind == snapshot::LockKind::Future);
}

/// The function that the thread began with, as far as the program's own code goes; "" if unknown.
std::string begin_of(const Thread& thread) {
  if (!thread.native) return "";
  for (const snapshot::Frame& frame : *thread.native | std::views::reverse)
    if (frame.user_code) return frame.function;
  return "";
}

/// A worker of the same pool that waits for a task.
bool is_free_worker(const Thread& thread, const Thread& busy) {
  if (runs_a_task(thread))  // the reaper of children serves too, and takes none
    return thread.activity.operation == Operation::Serve && thread.wait &&
           thread.wait->kind == WaitKind::Futex;
  const std::string begin = begin_of(busy);
  return !begin.empty() && begin_of(thread) == begin;
}

/// Threads that only run tasks of pools, all in a task that waits for the result of another one.
std::optional<Finding> by_threads(const Context& context, int set, const Members& members) {
  for (const Member& waiter : members) {
    if (!runs_a_task(*waiter.thread) || !waits_for_result(*waiter.thread)) continue;
    Members workers;
    const bool all = std::ranges::all_of(waiter.process->threads, [&](const Thread& thread) {
      if (is_free_worker(thread, *waiter.thread)) return false;
      // A task of the library's own, such as the reaper of a child, is none of that pool.
      const bool of_library = begin_of(thread).empty() && !begin_of(*waiter.thread).empty();
      if (!runs_a_task(thread) || of_library) return true;
      const auto member =
          std::ranges::find(members, TaskRef{waiter.task.pid, thread.tid}, &Member::task);
      if (member == members.end() || !waits_for_result(thread)) return false;
      workers.push_back(*member);
      return true;
    });
    if (!all) continue;
    Finding finding = diagnosis::start_finding(context, kPoolStarvation, set);
    finding.strength = Strength::Clear;
    add_wakes(finding, {waiter});
    const std::string who = snapshot::label(context.snapshot, {waiter.task.pid, Tid{}});
    finding.title = (workers.size() == 1
                         ? "the only thread of " + who + " that runs tasks waits"
                         : all_of(workers.size()) + " threads of " + who + " that run tasks wait") +
                    " for the result of a task that none is free to run";
    finding.explanation = "Each of them runs a task that waits for the result of another one" +
                          place_in_brackets(*waiter.thread) +
                          ". That one is still queued, and no thread is left to take it.";
    finding.fix = what_to_do(context.snapshot, kPoolStarvation, waiter.task,
                             {Situation{"threads that run tasks"}}, {{"the task", place(waiter)}});
    blame(context, workers, "waits in a task for one that needs its thread", finding);
    return finding;
  }
  return std::nullopt;
}

/// A channel used as slots: a function waits for a slot, and further out it has one and waits for
/// those whom it started.
std::optional<Finding> by_nested_slots(const Context& context, int set, const Members& members) {
  for (const Member& waiter : members) {
    const snapshot::Frame* wants = snapshot::user_frame(*waiter.thread);
    if (wants == nullptr || wants->function.empty() || !puts_into_memory(*waiter.thread)) continue;
    Members holders;
    std::ranges::copy_if(members, std::back_inserter(holders), [&](const Member& member) {
      const snapshot::Frame* frame = snapshot::user_frame(*member.thread);
      return member.task.pid == waiter.task.pid && frame != nullptr && wait_of(member) != nullptr &&
             frame->function == wants->function &&
             member.thread->activity.object.kind == Resource::Thread;
    });
    if (holders.empty()) continue;
    Finding finding = diagnosis::start_finding(context, kPoolStarvation, set);
    finding.strength = Strength::Clear;
    add_wakes(finding, {waiter});
    finding.title = snapshot::label(context.snapshot, {waiter.task.pid, Tid{}}) + ": " +
                    wants->function + "() holds slots while it waits for others that need one";
    finding.explanation = snapshot::label(context.snapshot, waiter.task) +
                          place_in_brackets(*waiter.thread) + " waits for a slot. " +
                          std::to_string(holders.size()) + " more are in the same function" +
                          place_in_brackets(*holders.front().thread) +
                          ", past that, and wait for what they have started.";
    finding.fix = what_to_do(context.snapshot, kPoolStarvation, waiter.task, {Situation{"slots"}});
    blame(context, holders, "holds a slot while it waits for those that need one", finding);
    return finding;
  }
  return std::nullopt;
}

/// xargs -P N, parallel -j N: how many jobs it runs at once; 0: not known.
std::size_t slots_of(const Process& process) {
  if (!snapshot::has_trait(process, snapshot::kStartsJobs)) return 0;
  for (std::size_t i = 1; i < process.args.size(); ++i) {
    const std::string& arg = process.args[i];
    std::string digits;
    for (const char* option : {"--max-procs=", "--jobs=", "-P", "-j"}) {
      if (!arg.starts_with(option)) continue;
      digits = arg.substr(std::string_view(option).size());
      if (digits.empty() && i + 1 < process.args.size()) digits = process.args[i + 1];
      break;
    }
    std::size_t n = 0;
    if (!digits.empty() &&
        std::from_chars(digits.data(), digits.data() + digits.size(), n).ec == std::errc{} && n > 0)
      return n;
  }
  return 0;
}

/// Children that are stuck as a whole, whatever set they are in.
Members stuck_children(const Context& context, const Member& parent) {
  Members stuck;
  for (const Process& process : context.snapshot.processes) {
    if (process.ppid != parent.task.pid || process.threads.empty()) continue;
    const bool all = std::ranges::all_of(process.threads, [&](const Thread& t) {
      return !graph::lives(context.graph.level({process.pid, t.tid}));
    });
    if (all)
      stuck.push_back(
          {{process.pid, process.threads.front().tid}, &process, &process.threads.front(), false});
  }
  return stuck;
}

/// A launcher of which every slot is taken by a job that waits.
std::optional<Finding> by_slots(const Context& context, int set, const Members& members) {
  for (const Member& launcher : members) {
    const std::size_t slots = waits_in(launcher, WaitKind::Child) ? slots_of(*launcher.process) : 0;
    if (slots == 0) continue;
    const Members jobs = stuck_children(context, launcher);
    if (count_of(context, jobs) < slots) continue;
    Finding finding = diagnosis::start_finding(context, kPoolStarvation, set);
    const std::string who = snapshot::label(context.snapshot, launcher.task);
    // jobs in a deadlock of their own would not go on if there were more slots
    const bool own_deadlock =
        !launcher.core &&
        graph::is_deadlock(context.graph.stuck_sets()[static_cast<std::size_t>(set)]);
    add_wakes(finding, {jobs.front()});
    finding.strength = own_deadlock ? Strength::Guess : Strength::Clear;
    finding.title = all_of(static_cast<std::size_t>(slots)) + " slots of " + who +
                    " are taken by jobs that wait for one that is not started";
    finding.explanation =
        who + " starts the next job when one ends. Its " + std::to_string(count_of(context, jobs)) +
        " jobs wait: " + snapshot::label(context.snapshot, jobs.front().task) + " for " +
        diagnosis::describe_wait(context.snapshot, jobs.front().task) + ".";
    finding.fix = what_to_do(context.snapshot, kPoolStarvation, launcher.task,
                             {Situation{"a program that starts jobs"}},
                             {{"the launcher", launcher.process->comm}});
    blame(context, {launcher},
          "runs " + std::to_string(slots) + " jobs at once, and these wait for a later one",
          finding);
    return finding;
  }
  return std::nullopt;
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  if (auto finding = by_pool(context, set, members)) return finding;
  if (auto finding = by_threads(context, set, members)) return finding;
  if (auto finding = by_nested_slots(context, set, members)) return finding;
  return by_slots(context, set, members);
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Stuck, examine, unknown_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
