#include <algorithm>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kPeerlessOpen{"IPC402", "peerless-open",
                                            "open() of a FIFO with nobody on the other side", run};

namespace {

using diagnosis::Finding;

bool opens_fifo(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  return wait != nullptr && wait->kind == snapshot::WaitKind::OpenFifo;
}

ObjectId fifo_of(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  return wait->objects.empty() ? ObjectId{} : wait->objects.front().object;
}

std::string path_of(const Snapshot& snapshot, TaskRef task) {
  return diagnosis::opened_path(snapshot, *wait_of(snapshot, task));
}

/// Others of the tree that are blocked in such an open, in whatever set.
std::vector<TaskRef> all_openers(const Context& context) {
  std::vector<TaskRef> openers;
  for (const Process& process : context.snapshot.processes)
    for (const Thread& thread : process.threads)
      if (is_of_tree(process) && opens_fifo(context.snapshot, {process.pid, thread.tid}))
        openers.push_back({process.pid, thread.tid});
  return openers;
}

/// Those who wait for the exit of an opener: they will not open the other side.
std::vector<TaskRef> those_who_wait_for(const Context& context,
                                        const std::vector<TaskRef>& openers) {
  std::vector<TaskRef> waiters;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process) || contains(openers, process.pid)) continue;
    for (const Thread& thread : process.threads) {
      const TaskRef task{process.pid, thread.tid};
      const bool waits = std::ranges::any_of(awaited_exits(context.snapshot, task),
                                             [&](Pid p) { return contains(openers, p); });
      if (waits) waiters.push_back(task);
    }
  }
  return waiters;
}

void add_culprits(Finding& finding, const Context& context, const std::vector<TaskRef>& openers) {
  const Snapshot& snapshot = context.snapshot;
  const std::vector<TaskRef> waiters = those_who_wait_for(context, openers);
  const bool same_fifo = openers.size() > 1 && std::ranges::all_of(openers, [&](const TaskRef& t) {
                           return fifo_of(snapshot, t) == fifo_of(snapshot, openers.front());
                         });
  // Several wait at one FIFO: the fault is with whoever waits for them instead of opening it.
  if (!same_fifo || waiters.empty())
    for (const TaskRef& task : openers)
      finding.culprits.push_back(diagnosis::culprit(
          snapshot, task, -1, "waits for " + diagnosis::describe_wait(snapshot, task)));
  if (waiters.empty() || (openers.size() > 1 && !same_fifo)) return;
  finding.culprits.push_back(
      diagnosis::culprit(snapshot, waiters.front(), -1,
                         "does not open the other side: it waits for " +
                             diagnosis::describe_wait(snapshot, waiters.front())));
}

std::string fix(const Snapshot& snapshot, const std::vector<TaskRef>& openers) {
  const bool two_fifos =
      openers.size() > 1 && fifo_of(snapshot, openers[0]) != fifo_of(snapshot, openers[1]);
  return what_to_do(snapshot, kPeerlessOpen, openers.front(),
                    {two_fifos ? Situation{"two that open two FIFOs"} : Situation{}},
                    {{"PATH", path_of(snapshot, openers.front())}});
}

Finding describe(const Context& context, int set, const std::vector<TaskRef>& openers) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = diagnosis::start_finding(context, kPeerlessOpen, set);
  const TaskRef first = openers.front();
  finding.title = snapshot::label(snapshot, first) +
                  " waits for somebody to open the other side of " + path_of(snapshot, first);
  for (const TaskRef& task : openers)
    finding.explanation += snapshot::label(snapshot, task) + " opens " + path_of(snapshot, task) +
                           place(snapshot, task) + "; no process has its other side open.\n";
  finding.explanation += "Nobody of this program will open it, but any process could.";
  add_culprits(finding, context, openers);
  finding.fix = fix(snapshot, openers);
  finding.strength = Strength::Likely;
  for (const TaskRef& task : openers) diagnosis::add_wakes(finding, {task});
  return finding;
}

diagnosis::Answer run(const Context& context) {
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  const std::vector<TaskRef> all = all_openers(context);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::vector<TaskRef> tasks = members(sets[i]);
    std::vector<TaskRef> openers = tasks;
    std::erase_if(openers, [&](const TaskRef& t) { return !opens_fifo(context.snapshot, t); });
    if (openers.empty()) continue;
    // Two that wait in each other's FIFO are sets of their own, because each could be ended alone;
    // one mistake.
    for (const TaskRef& other : all)
      if (std::ranges::find(openers, other) == openers.end()) openers.push_back(other);
    findings.push_back(describe(context, static_cast<int>(i), openers));
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
