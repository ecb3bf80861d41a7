#include "examine.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "commands.h"
#include "exit_code.h"
#include "look.h"
#include "probes/all_probes.h"
#include "reports.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::cmd {
namespace {

using snapshot::Scope;
using snapshot::TaskRef;

constexpr std::chrono::milliseconds kSymboliseDeadline{4000};

/// Adds the milliseconds that `work` takes.
template <class Work>
auto timed(double& elapsed, const Work& work) {
  struct Clock {
    ~Clock() {
      elapsed += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
                     .count();
    }
    double& elapsed;
    std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  };
  const Clock clock{elapsed};
  return work();
}

/// The tasks that findings name, also as a condition; a process that is named as a whole stands for
/// all its threads.
std::vector<TaskRef> named_tasks(const snapshot::Snapshot& snapshot, const graph::WaitGraph& graph,
                                 const diagnosis::Diagnosis& diagnosis) {
  std::set<TaskRef> tasks;
  const auto add = [&](TaskRef task) {
    if (task.tid.value != 0) {
      tasks.insert(task);
    } else if (const snapshot::Process* process = snapshot::find_process(snapshot, task.pid)) {
      for (const snapshot::Thread& thread : process->threads) tasks.insert({task.pid, thread.tid});
    }
  };
  for (const diagnosis::Finding& finding : diagnosis.findings) {
    for (const diagnosis::StuckTask& stuck : finding.stuck) add(stuck.task);
    for (const diagnosis::Culprit& culprit : finding.culprits) add(culprit.task);
  }
  for (const graph::StuckSet& set : graph.stuck_sets())
    for (const graph::Leaf& leaf : set.unless) add(leaf.task);
  return {tasks.begin(), tasks.end()};
}

/// Where nothing hangs, the lines at which the threads of the tree stand are what helps.
std::vector<TaskRef> waiting_tasks(const snapshot::Snapshot& snapshot) {
  constexpr std::size_t kMost = 32;
  std::vector<TaskRef> tasks;
  for (const snapshot::Process& process : snapshot.processes) {
    if (!snapshot::is_of_own_tree(snapshot, process)) continue;
    for (const snapshot::Thread& thread : process.threads)
      if (thread.housekeeping.empty() && tasks.size() < kMost)
        tasks.push_back({process.pid, thread.tid});
  }
  return tasks;
}

std::vector<TaskRef> all_tasks(const snapshot::Snapshot& snapshot) {
  std::vector<TaskRef> tasks;
  for (const snapshot::Process& process : snapshot.processes) {
    for (const snapshot::Thread& thread : process.threads)
      tasks.push_back({process.pid, thread.tid});
  }
  return tasks;
}

/// A fact of the tree is missing, or one of the whole system, or a process that may be of the tree.
/// Who may not look at the processes of others cannot be told to.
bool has_blind_spot(const snapshot::Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.unseen, [&](const snapshot::Unseen& unseen) {
    const snapshot::Process* process = snapshot::find_process(snapshot, unseen.pid);
    if (process != nullptr)
      return process->scope == Scope::Holder || snapshot::is_of_own_tree(snapshot, *process);
    return unseen.pid.value == 0 || unseen.error.cause != Cause::Denied;
  });
}

}  // namespace

Examination::Examination(snapshot::Snapshot snapshot)
    : snapshot_(std::make_unique<snapshot::Snapshot>(std::move(snapshot))),
      graph_(timed(elapsed_.graph, [&] { return graph::WaitGraph(*snapshot_); })),
      diagnosis_(timed(elapsed_.probes, [&] { return diagnose(graph_); })) {}

diagnosis::Diagnosis Examination::diagnose(const graph::WaitGraph& graph) const {
  return diagnosis::diagnose({*snapshot_, graph}, probes::all_probes());
}

void Examination::suppose() {
  using diagnosis::Verdict;
  const bool says_nothing =
      diagnosis_.verdict == Verdict::Waiting || diagnosis_.verdict == Verdict::Running;
  if (!says_nothing || !diagnosis_.findings.empty()) return;
  auto doubted =
      timed(elapsed_.graph, [&] { return graph::WaitGraph(*snapshot_, Timed::Doubted); });
  if (doubted.stuck_sets().empty()) return;
  auto diagnosis = timed(elapsed_.probes, [&] { return diagnose(doubted); });
  if (diagnosis.findings.empty()) return;
  timed_ = Timed::Doubted;
  graph_ = std::move(doubted);
  diagnosis_ = std::move(diagnosis);
}

void Examination::symbolise(const ReportOptions& options) {
  // The images may not be there when a snapshot is analysed.
  const bool all = options.verbose || wants_snapshot(options);
  std::vector<TaskRef> tasks = all ? all_tasks(*snapshot_)
                               : diagnosis_.findings.empty()
                                   ? waiting_tasks(*snapshot_)
                                   : named_tasks(*snapshot_, graph_, diagnosis_);
  std::erase_if(tasks, [&](TaskRef task) {
    const snapshot::Thread* thread = snapshot::find_thread(*snapshot_, task);
    return thread == nullptr || !thread->native || (!all && !snapshot::where(*thread).empty());
  });
  if (tasks.empty()) return;
  timed(elapsed_.lines, [&] { collect::symbolise(*snapshot_, tasks, kSymboliseDeadline); });
  const bool has_condition =
      std::ranges::any_of(diagnosis_.findings, [](const auto& f) { return !f.unless.empty(); });
  if (has_condition)  // it says where they are who could help
    graph_ = timed(elapsed_.graph, [&] { return graph::WaitGraph(*snapshot_, timed_); });
  diagnosis_ = timed(elapsed_.probes, [&] { return diagnose(graph_); });
}

int Examination::exit_code() const {
  using diagnosis::Verdict;
  const bool found =
      std::ranges::any_of(diagnosis_.findings, [](const diagnosis::Finding& finding) {
        return finding.verdict == Verdict::Deadlock || finding.verdict == Verdict::Stuck;
      });
  if (found) return kFinding;
  if (diagnosis_.verdict == Verdict::Inconclusive || has_blind_spot(*snapshot_)) return kBlindSpots;
  return kNoFinding;
}

namespace {

constexpr int kLooks = 3;
constexpr std::chrono::milliseconds kLongestWatch{5000};

/// It woke just while it was looked at.
bool woke(const snapshot::Thread& thread) {
  return !thread.stable && thread.state != 'R';
}

/// A claim stands under the condition that a thread does not help which woke just while it was
/// looked at, so that its code could not be read: another look will find it asleep.
bool woke_beside_a_claim(const Examination& examination) {
  const bool conditional = std::ranges::any_of(
      examination.diagnosis().findings,
      [](const diagnosis::Finding& finding) { return !finding.unless.empty(); });
  if (!conditional || examination.exit_code() == kFinding) return false;
  return std::ranges::any_of(examination.snapshot().processes, [](const auto& process) {
    return process.scope != Scope::Outsider && process.scope != Scope::Self &&
           std::ranges::any_of(process.threads, woke);
  });
}

/// Somebody of the targets lives only because of threads that woke just while they were looked at.
bool lives_by_who_woke(const Examination& examination) {
  const snapshot::Snapshot& snapshot = examination.snapshot();
  const auto is_who_woke = [&](const graph::Leaf& leaf) {
    const snapshot::Thread* thread = snapshot::find_thread(snapshot, leaf.task);
    return leaf.life == graph::Life::Running && thread != nullptr && woke(*thread);
  };
  return examination.exit_code() != kFinding && std::ranges::any_of(snapshot.targets, [&](Pid pid) {
           const auto reasons = examination.graph().reasons({pid, Tid{pid.value}});
           return !reasons.empty() && std::ranges::all_of(reasons, is_who_woke);
         });
}

/// A claim would stand but for threads that wait for something with a timeout.
bool watching_may_tell(const Examination& examination) {
  const snapshot::Snapshot& snapshot = examination.snapshot();
  if (snapshot.observed_ms > 0 || !examination.diagnosis().findings.empty()) return false;
  const graph::WaitGraph as_watched(snapshot, graph::WaitGraph::Timed::AsWatched);
  return std::ranges::any_of(as_watched.stuck_sets(), [](const graph::StuckSet& set) {
    return std::ranges::find(set.unless, graph::Life::Watched, &graph::Leaf::life) !=
           set.unless.end();
  });
}

}  // namespace

Result<Examination> examine(const std::vector<Pid>& pids, const collect::Options& collect_options,
                            const ReportOptions& report_options, Watching watching) {
  collect::Options options = collect_options;
  for (int look = 1;; ++look) {
    Result<snapshot::Snapshot> snapshot = look_at(pids, options);
    if (!snapshot) return snapshot.error();
    Examination examination(*std::move(snapshot));
    if (look < kLooks && (woke_beside_a_claim(examination) || lives_by_who_woke(examination)))
      continue;
    if (watching == Watching::WhereItMayTell && watching_may_tell(examination)) {
      options.observe = std::min(kLongestWatch, options.deadline / 2);
      options.observe_briefly = true;
      continue;
    }
    examination.suppose();
    examination.symbolise(report_options);
    return examination;
  }
}

Examination examine(snapshot::Snapshot snapshot) {
  Examination examination(std::move(snapshot));
  examination.suppose();
  return examination;
}

int report_on(const Examination& examination, const ReportOptions& options) {
  const Status written = write_outputs(examination.report(), options);
  if (!written) return fail(kUsage, words_of(written.error()));
  return examination.exit_code();
}

}  // namespace ipcdoctor::cmd
