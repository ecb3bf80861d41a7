#include <algorithm>
#include <optional>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/ends.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kExternalInput{"IPC403", "external-input",
                                             "It waits for a person or a peer outside", run};

namespace {

using diagnosis::Finding;

using snapshot::ObjectKind;
using snapshot::WaitKind;

bool is_blocked(const Thread& thread) {
  return thread.wait && thread.wait->untimed && thread.stable;
}

bool writes_to(const Thread& thread, ObjectKind kind) {
  const bool writes =
      thread.wait->kind == WaitKind::Write || thread.wait->kind == WaitKind::Terminal;
  return writes && !thread.wait->objects.empty() &&
         thread.wait->objects.front().object.kind == kind;
}

struct Frozen {
  TaskRef writer;
  ObjectId terminal;
  std::vector<Pid> keepers;  ///< of the other side, who wait for output from it
};

/// The writer waits for room while the other side waits for data: the terminal itself holds the
/// output back.
std::vector<Frozen> frozen_terminals(const Context& context, const Ends& ends) {
  std::vector<Frozen> found;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process)) continue;
    for (const Thread& thread : process.threads) {
      if (!is_blocked(thread) || !writes_to(thread, ObjectKind::Terminal)) continue;
      Frozen frozen{{process.pid, thread.tid}, thread.wait->objects.front().object, {}};
      const ObjectId master{ObjectKind::TerminalMaster, frozen.terminal.dev, 0};
      for (const Pid pid : pids_of(ends.receivers(frozen.terminal))) {
        const Process* keeper = snapshot::find_process(context.snapshot, pid);
        for (const Thread& other : keeper->threads)
          for (const ObjectId& id : received_objects(context.snapshot, {pid, other.tid}))
            if (id == master && other.stable) frozen.keepers.push_back(pid);
      }
      if (!frozen.keepers.empty()) found.push_back(std::move(frozen));
    }
  }
  return found;
}

void fill_frozen(Finding& finding, const Snapshot& snapshot, const Frozen& frozen) {
  const std::string terminal = diagnosis::object_name(snapshot, frozen.terminal);
  finding.title = snapshot::label(snapshot, frozen.writer) + " cannot write to " + terminal +
                  ", whose output is stopped (^S)";
  finding.explanation =
      "It waits for room while the other side of the terminal waits for output: the terminal "
      "itself holds the "
      "output back, as after ^S (XOFF).";
  for (const Pid pid : frozen.keepers)
    finding.culprits.push_back(
        diagnosis::culprit(snapshot, {pid, Tid{0}}, -1, "has the terminal; its output is stopped"));
  finding.fix = what_to_do(snapshot, kExternalInput, frozen.writer,
                           {Situation{"the terminal's output is stopped"}});
  finding.strength = Strength::Likely;
  diagnosis::add_wakes(finding, {frozen.writer});
}

/// The two sides may form a set of their own; a person at the terminal can end it, so it is no
/// deadlock.
Finding start_frozen(const Context& context, const Frozen& frozen) {
  const int set = set_of(context, frozen.writer);
  if (set < 0)
    return diagnosis::start_finding(context, kExternalInput, diagnosis::Verdict::Stuck,
                                    with_those_behind(context, {frozen.writer}));
  Finding finding = diagnosis::start_finding(context, kExternalInput, set);
  finding.verdict = diagnosis::Verdict::Stuck;
  finding.grade = diagnosis::Grade::None;
  finding.assumptions.clear();
  return finding;
}

/// A read of the terminal, or of a standard input that only processes outside the tree hold open.
bool reads_from_outside(const Context& context, const Ends& ends, TaskRef task,
                        const Thread& thread) {
  if (thread.wait->kind != WaitKind::Read && thread.wait->kind != WaitKind::Poll) return false;
  for (const snapshot::Awaited& awaited : thread.wait->objects) {
    if (awaited.object.kind == ObjectKind::Terminal && awaited.in) return true;
    if (awaited.fd != 0 || awaited.object.kind != ObjectKind::Pipe) continue;
    const std::vector<Holder> senders = ends.senders(awaited.object);
    const bool outside = !senders.empty() && std::ranges::all_of(senders, [&](const Holder& h) {
      const Process* process = snapshot::find_process(context.snapshot, h.pid);
      return process != nullptr && !is_of_tree(*process) && h.pid != task.pid;
    });
    if (outside) return true;
  }
  return false;
}

std::vector<TaskRef> readers_from_outside(const Context& context, const Ends& ends) {
  std::vector<TaskRef> readers;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process)) continue;
    for (const Thread& thread : process.threads) {
      const TaskRef task{process.pid, thread.tid};
      if (is_blocked(thread) && graph::lives(context.graph.level(task)) &&
          reads_from_outside(context, ends, task, thread))
        readers.push_back(task);
    }
  }
  return readers;
}

/// Of the tree, who has the other side of the terminal that it reads from: what it types, or hands
/// on from a person, is the input.
std::optional<Pid> typist_of(const Context& context, const Ends& ends, TaskRef reader) {
  const Thread* thread = snapshot::find_thread(context.snapshot, reader);
  for (const snapshot::Awaited& awaited : thread->wait->objects) {
    if (awaited.object.kind != ObjectKind::Terminal) continue;
    for (const Pid pid : pids_of(ends.senders(awaited.object))) {
      const Process* process = snapshot::find_process(context.snapshot, pid);
      if (pid != reader.pid && process != nullptr && is_of_tree(*process)) return pid;
    }
  }
  return std::nullopt;
}

Finding about_reader(const Context& context, const Ends& ends, TaskRef reader) {
  const Snapshot& snapshot = context.snapshot;
  const std::optional<Pid> typist = typist_of(context, ends, reader);
  const std::vector<TaskRef> stuck = with_those_behind(context, {reader});
  Finding finding =
      diagnosis::start_finding(context, kExternalInput, diagnosis::Verdict::Waiting, stuck);
  finding.title =
      snapshot::label(snapshot, reader) + " waits for " +
      diagnosis::describe_wait(snapshot, reader) + ", which comes " +
      (typist ? "through " + snapshot::label(snapshot, {*typist, Tid{}}) : "from outside");
  finding.explanation = "Nothing is wrong inside: as soon as somebody answers" +
                        place(snapshot, reader) + ", it goes on.";
  finding.fix = what_to_do(snapshot, kExternalInput, reader, {});
  finding.strength = Strength::Consequence;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  const Ends& ends = context.ends();
  std::vector<Finding> findings;
  for (const Frozen& frozen : frozen_terminals(context, ends)) {
    Finding finding = start_frozen(context, frozen);
    fill_frozen(finding, context.snapshot, frozen);
    findings.push_back(std::move(finding));
  }
  // One is enough to say it; the stuck list has who waits behind it.
  const std::vector<TaskRef> readers = readers_from_outside(context, ends);
  if (!readers.empty()) findings.push_back(about_reader(context, ends, readers.front()));
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
