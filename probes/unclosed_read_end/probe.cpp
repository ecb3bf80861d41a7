#include <algorithm>
#include <optional>

#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/flow.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kUnclosedReadEnd{
    "IPC102", "unclosed-read-end",
    "A writer waits for room; the only read ends are in processes that never read", run};

namespace {

using diagnosis::Finding;

struct DeafPipe {
  TaskRef writer;
  ObjectId object;
  std::vector<Holder> holders;  ///< of the read end, one a process; none of them reads
  Pid dead_reader;              ///< a child that would have read; 0: none was seen
};

Pid dead_child_of(const Snapshot& snapshot, Pid parent) {
  for (const Process& process : snapshot.processes)
    if (process.ppid == parent && (process.dead || process.exited)) return process.pid;
  return {};
}

/// The copy came with the other end, or over exec to a program that does not know it. Whoever
/// started the writer made the pipe and may well be the reader; a socket has no direction to tell.
bool is_mere_copy(const Snapshot& snapshot, const Ends& ends, const Holder& holder,
                  const ObjectId& object, Pid writer) {
  const Process* process = snapshot::find_process(snapshot, holder.pid);
  if (process == nullptr || object.kind != snapshot::ObjectKind::Pipe) return false;
  if (is_ancestor(snapshot, holder.pid, writer)) return false;
  for (const Thread& thread : process->threads)
    for (const ObjectId& id : received_objects(snapshot, {holder.pid, thread.tid}))
      if (id == object) return false;
  if (is_leaked_over_exec(*process, holder.fd)) return true;
  const std::vector<Holder> all = ends.holders(object);
  return std::ranges::any_of(all, [&](const Holder& h) { return h.pid == holder.pid && h.writes; });
}

std::optional<DeafPipe> judge(const Context& context, const Ends& ends,
                              const std::vector<TaskRef>& tasks, TaskRef writer) {
  const Snapshot& snapshot = context.snapshot;
  const Flow flow = flow_of(context, ends, writer);
  if (flow.way != Way::Send || flow.objects.size() != 1) return std::nullopt;
  const ObjectId object = flow.objects.front();
  // Only a pipe or a socket fails when its last reader is gone.
  if (object.kind == snapshot::ObjectKind::MessageQueue ||
      object.kind == snapshot::ObjectKind::TerminalMaster)
    return std::nullopt;
  DeafPipe deaf{writer, object, {}, dead_child_of(snapshot, writer.pid)};
  for (const Holder& holder : ends.receivers(object)) {
    const bool known =
        std::ranges::any_of(deaf.holders, [&](const Holder& h) { return h.pid == holder.pid; });
    if (!known) deaf.holders.push_back(holder);
    if (!contains(tasks, holder.pid)) return std::nullopt;
    const bool own = holder.pid == writer.pid;
    if (!own && (!is_mere_copy(snapshot, ends, holder, object, writer.pid) ||
                 waits_for_exit(snapshot, holder.pid, writer.pid)))
      return std::nullopt;
  }
  if (deaf.holders.empty()) return std::nullopt;
  // Both ends in one process and nobody dead: it wakes itself with that pipe, and has filled it.
  const bool only_own = deaf.holders.size() == 1 && deaf.holders.front().pid == writer.pid;
  if (only_own && deaf.dead_reader.value == 0) return std::nullopt;
  return deaf;
}

Finding describe(const Context& context, int set, const std::vector<TaskRef>& tasks,
                 const DeafPipe& deaf) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kUnclosedReadEnd, set);
  const std::string writer = snapshot::label(snapshot, deaf.writer);
  finding.title =
      writer + " writes to " + filled(snapshot, deaf.object) + ", which nobody reads any more";
  finding.explanation =
      "The write would fail with EPIPE if all copies of the read end were closed, but " +
      names(snapshot, pids_of(deaf.holders)) + " still " +
      (deaf.holders.size() == 1 ? "has" : "have") + " it open and never " +
      (deaf.holders.size() == 1 ? "reads." : "read.");
  if (deaf.dead_reader.value != 0)
    finding.explanation += "\nThe child " + std::to_string(deaf.dead_reader.value) +
                           " is dead; it may have been the reader.";
  for (const Holder& holder : deaf.holders) {
    const TaskRef task = holder.pid == deaf.writer.pid ? deaf.writer : task_of(tasks, holder.pid);
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, task, holder.fd, "has the read end open and never reads"));
  }
  const Holder& first = deaf.holders.front();
  finding.fix = what_to_do(snapshot, kUnclosedReadEnd, {first.pid, Tid{}}, {},
                           {{"FD", std::to_string(first.fd)}});
  add_closes(finding, context.ends().receivers(deaf.object));
  finding.strength = deaf.dead_reader.value != 0 ? Strength::Likely : Strength::Possible;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  return ask_about_deadlocks(
      context,
      [&](const Ends& ends, int set, const graph::StuckSet& deadlock) -> std::optional<Finding> {
        const std::vector<TaskRef> tasks = members(deadlock);
        for (const TaskRef& task : deadlock.core)
          if (const auto deaf = judge(context, ends, tasks, task))
            return describe(context, set, tasks, *deaf);
        return std::nullopt;
      });
}

}  // namespace
}  // namespace ipcdoctor::probes
