#include "report/shown.h"

#include <algorithm>
#include <set>

#include "report/words.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Process;

bool may_be_stranger(const snapshot::Snapshot& snapshot, const Process& process) {
  return process.scope == snapshot::Scope::Related && !snapshot::is_of_own_tree(snapshot, process);
}

/// Whom findings name, and whom a task of the program waits for.
std::set<Pid> who_matters(const Report& report) {
  constexpr std::size_t kMaxWakers = 64;  // of one task
  std::set<Pid> pids;
  for (const diagnosis::Finding& finding : report.diagnosis.findings) {
    for (const auto& stuck : finding.stuck) pids.insert(stuck.task.pid);
    for (const auto& culprit : finding.culprits) pids.insert(culprit.task.pid);
  }
  for (const Process& process : report.snapshot.processes) {
    if (!snapshot::is_of_own_tree(report.snapshot, process)) continue;
    for (const snapshot::Thread& thread : process.threads)
      for (const auto& waker : report.graph.wakers({process.pid, thread.tid}, kMaxWakers))
        pids.insert(waker.task.pid);
  }
  return pids;
}

}  // namespace

Shown shown(const Report& report) {
  Shown out{.processes = examined(report.snapshot), .apart = 0};
  const auto is_stranger = [&](const Process* p) { return may_be_stranger(report.snapshot, *p); };
  if (std::ranges::none_of(out.processes, is_stranger)) return out;
  const std::set<Pid> matters = who_matters(report);
  out.apart = std::erase_if(
      out.processes, [&](const Process* p) { return is_stranger(p) && !matters.contains(p->pid); });
  return out;
}

}  // namespace ipcdoctor::report
