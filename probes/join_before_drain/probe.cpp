#include <algorithm>
#include <optional>

#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/flow.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kJoinBeforeDrain{
    "IPC106", "join-before-drain",
    "Waits for an exit before taking what the other must still deliver", run};

namespace {

using diagnosis::Finding;

/// joiner waits for the end of the task or process of `writer`, which waits for room that only
/// joiner can make.
struct Pair {
  TaskRef joiner;
  TaskRef writer;
  ObjectId object;
};

bool awaits_end_of(const Snapshot& snapshot, TaskRef joiner, TaskRef writer) {
  for (const Pid pid : awaited_exits(snapshot, joiner))
    if (pid == writer.pid || is_ancestor(snapshot, pid, writer.pid)) return true;
  const std::vector<TaskRef> threads = awaited_threads(snapshot, joiner);
  return std::ranges::find(threads, writer) != threads.end();
}

std::optional<Pair> find_pair(const Context& context, const Ends& ends,
                              const std::vector<TaskRef>& tasks) {
  for (const TaskRef& writer : tasks) {
    const Flow flow = flow_of(context, ends, writer);
    if (flow.way != Way::Send) continue;
    for (const TaskRef& joiner : tasks)
      if (joiner != writer && is_partner(flow, joiner.pid) &&
          awaits_end_of(context.snapshot, joiner, writer))
        return Pair{joiner, writer, flow.objects.empty() ? ObjectId{} : flow.objects.front()};
  }
  return std::nullopt;
}

std::string fix(const Context& context, const Pair& pair) {
  const Snapshot& snapshot = context.snapshot;
  const Thread* joiner = snapshot::find_thread(snapshot, pair.joiner);
  const Thread* writer = snapshot::find_thread(snapshot, pair.writer);
  const std::string at = place(snapshot, pair.joiner);
  if (language_of(snapshot, pair.joiner.pid) == Language::Python) {
    if (joiner->activity.call == "subprocess.wait")
      return "Use p.communicate() instead of p.wait()" + at + ".";
    if (writer->activity.call.starts_with("multiprocessing.Queue"))
      return "Take all results from the queue (q.get()) before join()" + at + ".";
    return "Receive what the child sends (recv(), read()) before it is joined" + at + ".";
  }
  if (language_of(snapshot, pair.joiner.pid) == Language::Shell)
    return "Read the output of the background command before `wait`" + at +
           ", or send it to a file.";
  return "Read " + diagnosis::object_name(snapshot, pair.object) +
         " until it is empty before the wait" + at + ", or make the writer non-blocking.";
}

Finding describe(const Context& context, int set, const Pair& pair) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kJoinBeforeDrain, set);
  const std::string joiner = snapshot::label(snapshot, pair.joiner);
  const std::string writer = snapshot::label(snapshot, pair.writer);
  finding.title =
      joiner + " waits for the end of " + writer + " before taking what it must still deliver";
  finding.explanation = writer + " cannot end before it has written all, and " +
                        filled(snapshot, pair.object) + " is full" + place(snapshot, pair.writer) +
                        ".\nOnly " + joiner + " could read it, but it waits for " +
                        diagnosis::describe_wait(snapshot, pair.joiner) +
                        place(snapshot, pair.joiner) + ".";
  finding.fix = fix(context, pair);
  finding.culprits.push_back(
      diagnosis::culprit(snapshot, pair.joiner, -1,
                         "should read " + diagnosis::object_name(snapshot, pair.object) +
                             ", but waits for " + diagnosis::describe_wait(snapshot, pair.joiner)));
  const Thread* thread = snapshot::find_thread(snapshot, pair.writer);
  finding.weight = thread->activity.call.starts_with("multiprocessing.Queue") ? 80 : 60;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  const Ends ends(context.snapshot);
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (sets[i].level <= graph::Level::Stuck) continue;
    if (const auto pair = find_pair(context, ends, members(sets[i])))
      findings.push_back(describe(context, static_cast<int>(i), *pair));
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
