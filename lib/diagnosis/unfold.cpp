#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "diagnosis/fold.h"

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Access;
using snapshot::Fd;
using snapshot::Kind;

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (from.empty() || from == to) return;
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

const Fd* find_fd(const Snapshot& snapshot, Pid pid, int number) {
  const snapshot::Process* process = snapshot::find_process(snapshot, pid);
  if (process == nullptr || !process->fds) return nullptr;
  const auto it = std::ranges::lower_bound(*process->fds, number, {}, &Fd::fd);
  return it != process->fds->end() && it->fd == number ? &*it : nullptr;
}

class Unfolding {
 public:
  Unfolding(const Fold& fold, const Context& whole)
      : fold_(fold), few_(*fold.snapshot), whole_(whole) {}

  void unfold(Finding& finding) {
    const int few_set = finding.set;
    name_all_awaited(finding);
    if (few_set >= 0) {
      unfold_set(finding, static_cast<std::size_t>(few_set));
    } else {
      unfold_stuck(finding);
    }
    unfold_culprits(finding);
    for (Repair& repair : finding.repairs) unfold_events(repair.events);
  }

 private:
  /// Which kinds a list names, as far as it names at least half of what is here of them.
  template <class List>
  std::map<std::uint32_t, std::size_t> kinds_in(const List& list) const {
    std::map<std::uint32_t, std::size_t> named;
    std::set<TaskRef> once;
    for (const auto& entry : list)
      if (const std::uint32_t kind = kind_of(entry.task); kind != 0)
        named[kind] += once.insert(entry.task).second ? 1 : 0;
    std::erase_if(
        named, [&](const auto& entry) { return 2 * entry.second < kind(entry.first).here.size(); });
    return named;
  }
  const Kind& kind(std::uint32_t number) const { return few_.kinds[number - 1]; }
  std::uint32_t kind_of(TaskRef task) const {
    if (task.tid.value != 0) {
      const snapshot::Thread* thread = snapshot::find_thread(few_, task);
      return thread == nullptr ? 0 : thread->kind;
    }
    const snapshot::Process* process = snapshot::find_process(few_, task.pid);
    return process == nullptr ? 0 : process->kind;
  }

  /// A sentence about a list that was shortened counts the whole list.
  void name_all_awaited(Finding& finding) const {
    std::set<TaskRef> named;
    for (const StuckTask& stuck : finding.stuck) named.insert(stuck.task);
    for (const TaskRef& task : fold_.shortened) {
      if (!named.contains(task)) continue;
      const std::string before = describe_wait(few_, task);
      const std::string after = describe_wait(whole_.snapshot, task);
      for (std::string* text : {&finding.title, &finding.explanation, &finding.fix})
        replace_all(*text, before, after);
      for (Culprit& culprit : finding.culprits) replace_all(culprit.why, before, after);
      for (Evidence& evidence : finding.evidence) replace_all(evidence.fact, before, after);
    }
  }

  void unfold_set(Finding& finding, std::size_t few_set) {
    finding.set = fold_.whole_set_of[few_set];
    const auto& sets = whole_.graph.stuck_sets();
    const graph::StuckSet& few = fold_.graph->stuck_sets()[few_set];
    const graph::StuckSet& set = sets[static_cast<std::size_t>(finding.set)];
    if (finding.assumptions == few.assumptions) unfold_assumptions(finding, set.assumptions);
    if (finding.stuck.size() != few.core.size() + few.behind.size()) return unfold_stuck(finding);
    finding.stuck.clear();
    add_members(finding, set);
    const std::vector<int>& alike = fold_.alike_sets[few_set];
    for (const int other : alike) add_members(finding, sets[static_cast<std::size_t>(other)]);
    if (!alike.empty())
      finding.explanation +=
          "\n" + std::to_string(alike.size()) +
          (alike.size() == 1 ? " more group of tasks hangs" : " more groups of tasks hang") +
          " in the same way.";
  }

  void add_members(Finding& finding, const graph::StuckSet& set) const {
    for (const auto* tasks : {&set.core, &set.behind})
      for (const TaskRef& task : *tasks) finding.stuck.push_back(stuck_task(whole_.snapshot, task));
  }

  /// Ten thousand that each need an assumption of their own need one that is told a few times.
  static void unfold_assumptions(Finding& finding, const std::vector<std::string>& all) {
    const std::size_t shown = std::max<std::size_t>(finding.assumptions.size(), 1);
    if (all.size() <= shown) {
      finding.assumptions = all;
    } else {
      finding.assumptions.push_back("the like of " + std::to_string(all.size() - shown) +
                                    " more that are alike");
    }
  }

  void unfold_stuck(Finding& finding) const {
    for (StuckTask& stuck : finding.stuck) stuck = stuck_task(whole_.snapshot, stuck.task);
    for (const auto& [number, count] : kinds_in(finding.stuck))
      for (const TaskRef& task : kind(number).left_out)
        finding.stuck.push_back(stuck_task(whole_.snapshot, task));
  }

  /// Those who are left out stand behind the last one of their kind.
  void unfold_culprits(Finding& finding) const {
    std::map<std::uint32_t, std::size_t> to_come = kinds_in(finding.culprits);
    if (to_come.empty()) return;
    std::vector<Culprit> all;
    for (Culprit& culprit : finding.culprits) {
      const std::uint32_t number = kind_of(culprit.task);
      all.push_back(std::move(culprit));
      const auto it = to_come.find(number);
      if (it == to_come.end() || --it->second > 0) continue;
      to_come.erase(it);
      const Culprit like = all.back();
      for (const TaskRef& task : kind(number).left_out) all.push_back(as_for(like, task));
    }
    finding.culprits = std::move(all);
  }

  /// What is said of the first that is named of a kind is said of those that are left out.
  void unfold_events(std::vector<graph::Event>& events) const {
    std::map<std::uint32_t, TaskRef> first;
    for (const auto& [number, count] : kinds_in(events))
      first.emplace(number, std::ranges::find(events, number, [&](const graph::Event& event) {
                              return kind_of(event.task);
                            })->task);
    const std::vector<graph::Event> named = events;
    for (const graph::Event& like : named) {
      const auto it = first.find(kind_of(like.task));
      if (it == first.end() || !(it->second == like.task)) continue;
      for (const TaskRef& task : kind(it->first).left_out)
        events.push_back({like.kind, task, fd_as_for(like.task, like.fd, task.pid)});
    }
  }

  Culprit as_for(const Culprit& like, TaskRef task) const {
    Culprit other =
        culprit(whole_.snapshot, task, fd_as_for(like.task, like.fd, task.pid), like.why);
    other.dead = like.dead;
    const TaskRef one =
        like.task.tid.value == 0 ? TaskRef{like.task.pid, Tid{like.task.pid.value}} : like.task;
    const TaskRef its = task.tid.value == 0 ? TaskRef{task.pid, Tid{task.pid.value}} : task;
    replace_all(other.why, describe_wait(whole_.snapshot, one),
                describe_wait(whole_.snapshot, its));
    if (like.fd >= 0)
      replace_all(other.why, "fd " + std::to_string(like.fd), "fd " + std::to_string(other.fd));
    return other;
  }

  /// The descriptor of another that is of the same object or, of objects in the same role, the one
  /// of the same kind and side.
  int fd_as_for(TaskRef like, int number, Pid pid) const {
    const Fd* one = number < 0 ? nullptr : find_fd(whole_.snapshot, like.pid, number);
    const snapshot::Process* process = snapshot::find_process(whole_.snapshot, pid);
    if (one == nullptr || process == nullptr || !process->fds) return number;
    const Fd* same_number = find_fd(whole_.snapshot, pid, number);
    const auto is_same = [&](const Fd& fd) {
      return fd.object == one->object && fd.access == one->access;
    };
    if (same_number != nullptr && is_same(*same_number)) return number;
    const auto same = std::ranges::find_if(*process->fds, is_same);
    if (same != process->fds->end()) return same->fd;
    const auto is_like = [&](const Fd& fd) {
      return fd.object.kind == one->object.kind && fd.access == one->access;
    };
    if (same_number != nullptr && is_like(*same_number)) return number;
    const auto alike = std::ranges::find_if(*process->fds, is_like);
    return alike != process->fds->end() ? alike->fd : number;
  }

  const Fold& fold_;
  const Snapshot& few_;
  const Context& whole_;
};

}  // namespace

void unfold(const Fold& fold, const Context& whole, Diagnosis& diagnosis) {
  Unfolding unfolding(fold, whole);
  for (Finding& finding : diagnosis.findings) unfolding.unfold(finding);
}

}  // namespace ipcdoctor::diagnosis
