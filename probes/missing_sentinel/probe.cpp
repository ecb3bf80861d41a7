#include <algorithm>
#include <csignal>

#include "probes/all_probes.h"
#include "probes/internal/joiners.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"
#include "probes/internal/receivers.h"

namespace ipcdoctor::probes {
namespace {

Answer run(const Context& context);

}  // namespace

extern const Probe kMissingSentinel{
    "IPC103", "missing-sentinel", "Consumers wait for an item and nobody is left to send one", run};

namespace {

/// One whose code says that it asks the program to end does end it.
bool catches_term(const Member& member) {
  const Thread& thread = *member.thread;
  if (!thread.signals || !snapshot::has_signal(thread.signals->caught, SIGTERM)) return false;
  if (!member.process->handlers) return true;
  return std::ranges::none_of(*member.process->handlers, [](const snapshot::Handler& handler) {
    constexpr std::uint32_t kEnds = snapshot::kExits | snapshot::kLeaves;
    return handler.signal == SIGTERM && handler.effects && (handler.effects->mask & kEnds) != 0;
  });
}

/// A task of an event loop that takes from a queue, and that another task awaits.
bool takes_in_a_task(const Thread& thread) {
  return thread.activity.in_loop && thread.activity.operation == snapshot::Operation::Take &&
         thread.activity.object.numbers.get_or(Number::OfTask, 0) == 1;
}

struct Consumers {
  Members takers, joiners;
};

/// Those of a queue for whose end somebody waits who could put an item there, else the first.
Consumers consumers_of(const Context& context, const Members& members) {
  Consumers first;
  for (const Member& member : members) {
    Consumers found;
    if (takes_in_a_task(*member.thread)) {
      found.takers = {member};
      // threads of a server only serve: the process that called them is the consumer
    } else if (takes_from_queue(*member.thread) && !serves_a_client(*member.thread)) {
      found.takers = fellow_receivers(members, member);
      std::erase_if(found.takers, [](const Member& m) { return serves_a_client(*m.thread); });
      found.joiners = joiners_of(context, members, found.takers);
      std::erase_if(found.joiners, [&](const Member& m) { return !could_give(m, member); });
    } else {
      continue;
    }
    if (!found.joiners.empty()) return found;
    if (first.takers.empty()) first = std::move(found);
  }
  return first;
}

std::string counted(std::size_t n, const char* thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

std::string fix_for(const Member& consumer, const Members& joiners, std::size_t missing,
                    const std::string& queue) {
  const std::string at = joiners.empty() ? "" : place(joiners.front());
  const auto say = [&](std::vector<Situation> situations) {
    return what_to_do(*consumer.snapshot, kMissingSentinel, consumer.task, situations,
                      {{"the queue", queue},
                       {"when there is no more work", at.empty() ? "" : "before " + at},
                       {"how many", std::to_string(missing)},
                       {"the consumer", place(consumer)}});
  };
  const bool messages =
      waits_in(consumer, WaitKind::MqReceive) || waits_in(consumer, WaitKind::SysvReceive);
  const std::string last =
      say({Situation{consumer.thread->activity.call}, messages ? Situation{"a message queue"}
                                                      : takes_from_memory(*consumer.thread)
                                                          ? Situation{"a queue of threads"}
                                                          : Situation{"a queue of processes"}});
  return last + "\n" +
         (catches_term(consumer) ? say({Situation{"the consumer catches SIGTERM"}}) + "\n" : "") +
         say({Situation{"the consumers need not finish"}});
}

/// A helper's thread whose end nobody awaits, while the main thread waits for another process.
bool is_aside(const Members& members, const Member& consumer) {
  return consumer.task.tid.value != consumer.task.pid.value &&
         std::ranges::any_of(members, [&](const Member& m) {
           return m.task.pid == consumer.task.pid && m.task.tid.value == m.task.pid.value &&
                  (waits_in(m, WaitKind::Child) || waits_in(m, WaitKind::Read) ||
                   waits_in(m, WaitKind::Write));
         });
}

/// Somebody beside them waits for a lock that a consumer holds: he may be who would put an item.
bool keep_somebody_off(const Context& context, const Members& members, const Members& consumers) {
  return std::ranges::any_of(members, [&](const Member& member) {
    if (is_member(consumers, member.task) || !waits_for_own_lock(member)) return false;
    return std::ranges::any_of(holders_of(context, member), [&](const LockHolder& holder) {
      return has_process(consumers, holder.task.pid);
    });
  });
}

std::optional<Finding> examine(const Context& context, int set, const Members& members) {
  const auto [consumers, joiners] = consumers_of(context, members);
  if (consumers.empty()) return std::nullopt;
  const Member& first = consumers.front();
  const std::size_t missing = count_of(context, consumers);
  const std::string queue = queue_name(context, first);
  const std::string who = snapshot::label(context.snapshot, first.task);
  Finding finding = diagnosis::start_finding(context, kMissingSentinel, set);
  // A bare connection more often misses its end-of-file, or an answer, than a sentinel.
  const bool connection = first.thread->activity.operation == snapshot::Operation::Receive;
  // A queue.Queue lost its other threads in the fork: it is the wrong kind, not short of an item.
  const bool private_copy = first.process->forked_copy && takes_from_threads(*first.thread) &&
                            first.process->threads.size() == 1;
  add_wakes(finding, consumers);
  finding.strength = private_copy || keep_somebody_off(context, members, consumers)
                         ? Strength::Guess
                     : connection ? (joiners.empty() ? Strength::Consequence : Strength::Guess)
                     : takes_in_a_task(*first.thread)              ? Strength::Likely
                     : joiners.empty() && is_aside(members, first) ? Strength::Consequence
                     : joiners.empty()                             ? Strength::Possible
                                                                   : Strength::Clear;
  finding.title =
      (consumers.size() == 1 ? who + " waits" : counted(missing, "consumer") + " wait") +
      " for an item of " + queue +
      ", and nobody is left to put one: " + counted(missing, "sentinel") + " missing";
  finding.explanation = who + place_in_brackets(*first.thread) + " takes from " + queue +
                        " until something tells it to stop. ";
  finding.explanation += joiners.empty()
                             ? "All who could put an item there are gone or wait themselves."
                             : snapshot::label(context.snapshot, joiners.front().task) +
                                   place_in_brackets(*joiners.front().thread) +
                                   " waits for its end and puts nothing more.";
  finding.fix = fix_for(first, joiners, missing, queue);
  blame(context, joiners, "waits for the consumers to end without telling them to: no sentinel",
        finding);
  if (joiners.empty()) blame(context, consumers, "takes items until a sentinel comes", finding);
  if (consumers.size() == 1 && catches_term(first))
    blame(context, consumers, "catches SIGTERM and goes on waiting for an item", finding);
  return finding;
}

Answer run(const Context& context) {
  return examine_sets(context, graph::Level::Suspected, examine, unknown_stacks);
}

}  // namespace
}  // namespace ipcdoctor::probes
