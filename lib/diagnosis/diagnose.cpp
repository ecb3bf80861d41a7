#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "diagnosis/fold.h"
#include "diagnosis/probe.h"
#include "diagnosis/repairs.h"
#include "snapshot/own_tree.h"

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Process;
using snapshot::Scope;
using snapshot::Thread;
using snapshot::WaitKind;

constexpr std::size_t kMaxAsked = 256;  // tasks whose reasons to live are asked for

/// Nothing spoke for a class: the fallback.
bool is_unclassified(const Finding& finding) {
  return finding.strength == Strength::None;
}

/// A test that is over its time is what the user asks about: not its runner, nor the pipeline that
/// the runner writes to, though all of them wait for each other.
bool is_of_overdue(const Context& context, const Finding& finding) {
  return context.snapshot.overdue && finding.strength > Strength::Consequence &&
         std::ranges::all_of(finding.culprits, [&](const Culprit& culprit) {
           return culprit.dead || snapshot::is_below_target(context.snapshot, culprit.task.pid);
         });
}

bool leads(const Finding& a, const Finding& b) {
  // What frees the core leads before what frees those behind it, or nobody; the fallback is last.
  const auto rank = [](const Finding& f) {
    return std::tuple(!is_unclassified(f), f.of_overdue, frees_the_core(f), f.strength);
  };
  return rank(a) != rank(b) ? rank(a) > rank(b) : a.place < b.place;
}

void add_also(Finding& leader, const Finding& other) {
  if (is_unclassified(other) || other.slug == leader.slug) return;
  if (std::ranges::find(leader.also, other.slug) == leader.also.end())
    leader.also.push_back(other.slug);
}

/// One finding a set.
std::vector<Finding> merge_sets(std::vector<Finding> findings) {
  std::ranges::stable_sort(findings, leads);
  std::map<int, std::size_t> leader_of;
  std::vector<Finding> merged;
  for (Finding& finding : findings) {
    const auto [it, is_new] = leader_of.try_emplace(finding.set, merged.size());
    if (is_new)
      merged.push_back(std::move(finding));
    else
      add_also(merged[it->second], finding);
  }
  return merged;
}

bool share_a_task(const Finding& a, const Finding& b) {
  return std::ranges::any_of(a.stuck, [&](const StuckTask& one) {
    return std::ranges::any_of(b.stuck,
                               [&](const StuckTask& other) { return one.task == other.task; });
  });
}

/// About live tasks: the worse verdict leads, then as above; one that shares a task with an
/// earlier one joins it.
std::vector<Finding> merge_live(std::vector<Finding> findings) {
  std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) {
    return a.verdict != b.verdict ? a.verdict < b.verdict : leads(a, b);
  });
  std::vector<Finding> merged;
  for (Finding& finding : findings) {
    const auto it =
        std::ranges::find_if(merged, [&](const Finding& f) { return share_a_task(f, finding); });
    if (it == merged.end())
      merged.push_back(std::move(finding));
    else
      add_also(*it, finding);
  }
  return merged;
}

int lowest_pid(const Finding& finding) {
  int lowest = 0;
  for (const StuckTask& stuck : finding.stuck)
    if (lowest == 0 || stuck.task.pid.value < lowest) lowest = stuck.task.pid.value;
  return lowest;
}

void sort_for_report(std::vector<Finding>& findings) {
  std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) {
    return std::tuple(a.verdict, a.grade, lowest_pid(a), a.code) <
           std::tuple(b.verdict, b.grade, lowest_pid(b), b.code);
  });
}

/// What is over its time hangs: its main thread, or a process below it. A thread beside it may only
/// wait for the next order of who started it.
bool is_about_overdue(const Context& context, const Finding& finding) {
  return finding.stuck.empty() || std::ranges::any_of(finding.stuck, [&](const StuckTask& stuck) {
           const TaskRef task = stuck.task;
           const bool is_target = std::ranges::find(context.snapshot.targets, task.pid) !=
                                  context.snapshot.targets.end();
           return is_target ? task.tid.value == task.pid.value || task.tid.value == 0
                            : snapshot::is_below_target(context.snapshot, task.pid);
         });
}

bool names_the_tree(const Context& context, const Finding& finding) {
  return finding.stuck.empty() || std::ranges::any_of(finding.stuck, [&](const StuckTask& stuck) {
           const Process* process = snapshot::find_process(context.snapshot, stuck.task.pid);
           return process != nullptr && snapshot::is_of_own_tree(context.snapshot, *process);
         });
}

/// What is true of a tree in which no probe found anything.
Verdict without_findings(const Context& context) {
  bool any_read = false;
  bool any_blind = false;
  std::vector<TaskRef> blocked;
  for (const Process& process : context.snapshot.processes) {
    if (!snapshot::is_of_own_tree(context.snapshot, process) || process.dead || process.exited)
      continue;
    if (process.threads.empty()) any_blind = true;
    for (const Thread& thread : process.threads) {
      if (!thread.wait) {
        any_blind = any_blind || thread.wait.error().cause != Cause::Gone;
        continue;
      }
      any_read = true;
      if (thread.wait->kind == WaitKind::Running || !thread.stable) return Verdict::Running;
      blocked.push_back({process.pid, thread.tid});
    }
  }
  if (!any_read) return Verdict::Inconclusive;
  for (std::size_t i = 0; i < std::min(blocked.size(), kMaxAsked); ++i)
    for (const graph::Leaf& leaf : context.graph.reasons(blocked[i]))
      if (leaf.life == graph::Life::Running) return Verdict::Running;
  return any_blind ? Verdict::Inconclusive : Verdict::Waiting;
}

/// Several probes lack the same fact.
void add_once(std::vector<Error>& errors, Error error) {
  const bool known = std::ranges::any_of(errors, [&](const Error& e) {
    return e.cause == error.cause && e.number == error.number && e.what == error.what;
  });
  if (!known) errors.push_back(std::move(error));
}

bool is_alarm(const Finding& finding) {
  return finding.verdict == Verdict::Deadlock || finding.verdict == Verdict::Stuck;
}

/// Beside an alarm nothing that holds under a condition, unless that is of what is overdue and the
/// alarm is not; and none of others than that, which may be about to go on.
void keep_the_best(const Context& context, std::vector<Finding>& findings) {
  const bool overdue = context.snapshot.overdue;
  const auto is_asked = [&](const Finding& f) { return !overdue || is_about_overdue(context, f); };
  const bool is_answered =
      std::ranges::any_of(findings, [&](const Finding& f) { return is_alarm(f) && is_asked(f); });
  std::erase_if(findings,
                [&](const Finding& f) { return !is_alarm(f) && (is_answered || !is_asked(f)); });
}

Diagnosis diagnose_all(const Context& context, std::span<const Probe* const> probes) {
  Diagnosis diagnosis;
  std::vector<Finding> about_sets;
  std::vector<Finding> about_live;
  for (std::size_t place = 0; place < probes.size(); ++place) {
    Answer answer = probes[place]->run(context);
    std::erase_if(answer.findings,
                  [&](const Finding& finding) { return !names_the_tree(context, finding); });
    for (Finding& finding : answer.findings) {
      finding.place = place;
      finding.of_overdue = is_of_overdue(context, finding);
      check_repairs(context, finding);
      (finding.set >= 0 ? about_sets : about_live).push_back(std::move(finding));
    }
    for (Error& error : answer.missing) add_once(diagnosis.inconclusive, std::move(error));
  }
  diagnosis.findings = merge_sets(std::move(about_sets));
  std::ranges::move(merge_live(std::move(about_live)), std::back_inserter(diagnosis.findings));
  keep_the_best(context, diagnosis.findings);
  sort_for_report(diagnosis.findings);
  const bool claims_nothing = std::ranges::all_of(
      diagnosis.findings, [](const Finding& finding) { return !finding.unless.empty(); });
  diagnosis.verdict =
      claims_nothing ? without_findings(context) : diagnosis.findings.front().verdict;
  return diagnosis;
}

}  // namespace

Diagnosis diagnose(const Context& context, std::span<const Probe* const> probes) {
  const std::optional<Fold> few = fold(context);
  if (!few) return diagnose_all(context, probes);
  Diagnosis diagnosis = diagnose_all({*few->snapshot, *few->graph}, probes);
  unfold(*few, context, diagnosis);
  for (Finding& finding : diagnosis.findings) check_repairs(context, finding);
  return diagnosis;
}

}  // namespace ipcdoctor::diagnosis
