#include "probes/internal/set_members.h"

#include <algorithm>

namespace ipcdoctor::probes {
namespace {

void add_members(const Context& context, const std::vector<TaskRef>& tasks, bool core,
                 Members& members) {
  for (const TaskRef& task : tasks) {
    const Process* process = snapshot::find_process(context.snapshot, task.pid);
    const Thread* thread = snapshot::find_thread(context.snapshot, task);
    if (process != nullptr && thread != nullptr)
      members.push_back({task, process, thread, core, &context.snapshot});
  }
}

std::string about(const Member& member, const char* what) {
  return std::string(what) + " of " + snapshot::label(*member.snapshot, member.task);
}

}  // namespace

Members members_of(const Context& context, const StuckSet& set) {
  Members members;
  add_members(context, set.core, true, members);
  add_members(context, set.behind, false, members);
  return members;
}

const Wait* wait_of(const Thread& thread) {
  return thread.wait ? &*thread.wait : nullptr;
}
const Wait* wait_of(const Member& member) {
  return wait_of(*member.thread);
}

bool waits_in(const Member& member, WaitKind kind) {
  const Wait* wait = wait_of(member);
  return wait != nullptr && wait->kind == kind;
}

bool is_member(std::span<const Member> members, TaskRef task) {
  return std::ranges::any_of(members, [&](const Member& m) { return m.task == task; });
}

bool has_process(std::span<const Member> members, Pid pid) {
  return std::ranges::any_of(members, [&](const Member& m) { return m.task.pid == pid; });
}

void add_wakes(Finding& finding, const Members& members) {
  std::vector<TaskRef> tasks;
  for (const Member& member : members) tasks.push_back(member.task);
  diagnosis::add_wakes(finding, tasks);
}

std::size_t count_of(const Context& context, std::span<const Member> members) {
  std::vector<TaskRef> tasks;
  for (const Member& member : members) tasks.push_back(member.task);
  return snapshot::count_with_left_out(context.snapshot, tasks);
}

Members one_a_process(std::span<const Member> members) {
  Members chosen;
  for (const Member& member : members) {
    const auto same = std::ranges::find_if(
        chosen, [&](const Member& m) { return m.task.pid == member.task.pid; });
    if (same == chosen.end())
      chosen.push_back(member);
    else if (member.task.tid.value == member.task.pid.value)
      *same = member;
  }
  return chosen;
}

namespace {

bool share_somebody(const Finding& a, const Finding& b) {
  const auto blames = [](const Finding& f, Pid pid) {
    return std::ranges::any_of(f.culprits, [&](const auto& c) { return c.task.pid == pid; }) ||
           std::ranges::any_of(f.stuck, [&](const auto& s) { return s.task.pid == pid; });
  };
  return std::ranges::any_of(a.stuck, [&](const auto& s) { return blames(b, s.task.pid); }) ||
         std::ranges::any_of(a.culprits, [&](const auto& c) { return blames(b, c.task.pid); });
}

/// Three children that each hang alone in the same way are three sets and one mistake: each finding
/// names all of them.
void share_culprits(std::vector<Finding>& findings) {
  constexpr std::size_t kMaxCulprits = 64;
  const std::vector<Finding> before = findings;
  for (Finding& finding : findings) {
    for (const Finding& other : before) {
      if (other.set == finding.set || !share_somebody(finding, other)) continue;
      for (const diagnosis::Culprit& culprit : other.culprits) {
        const bool known = std::ranges::any_of(finding.culprits, [&](const auto& c) {
          return c.task == culprit.task && c.fd == culprit.fd;
        });
        if (!known && finding.culprits.size() < kMaxCulprits) finding.culprits.push_back(culprit);
      }
    }
  }
}

}  // namespace

Answer examine_sets(const Context& context, graph::Level lowest, const Examine& examine,
                    const Blind& blind) {
  Answer answer;
  answer.outcome = diagnosis::Outcome::NotFound;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (sets[i].level < lowest && !graph::is_deadlock(sets[i])) continue;
    const Members members = members_of(context, sets[i]);
    if (auto finding = examine(context, static_cast<int>(i), members)) {
      answer.findings.push_back(std::move(*finding));
    } else {
      const std::vector<Error> missing = blind(members);
      answer.missing.insert(answer.missing.end(), missing.begin(), missing.end());
    }
  }
  if (answer.findings.size() > 1 && answer.findings.size() <= 256) share_culprits(answer.findings);
  if (!answer.findings.empty())
    answer.outcome = diagnosis::Outcome::Found;
  else if (!answer.missing.empty())
    answer.outcome = diagnosis::Outcome::Inconclusive;
  return answer;
}

std::vector<Error> unknown_locks(const Members& members) {
  std::vector<Error> errors;
  for (const Member& member : members) {
    const Wait* wait = wait_of(member);
    if (wait == nullptr) {
      Error error = member.thread->wait.error();
      error.what =
          about(member, "read the blocked call") + (error.what.empty() ? "" : ": " + error.what);
      errors.push_back(std::move(error));
    } else if (wait->kind == WaitKind::Futex &&
               wait->futex.lock.kind == snapshot::LockKind::Unknown &&
               wait->futex.lock.name.empty()) {
      errors.push_back({Cause::Unsupported, 0, about(member, "identify the futex")});
    } else if (wait->kind == WaitKind::Futex &&
               wait->futex.lock.ownership == snapshot::Ownership::Unreadable) {
      errors.push_back({Cause::Malformed, 0, about(member, "the owner of the lock")});
    }
  }
  return errors;
}

std::vector<Error> unknown_stacks(const Members& members) {
  std::vector<Error> errors;
  for (const Member& member : members) {
    if (member.process->interpreter.version.empty() && !member.thread->is_interpreted) continue;
    if (member.thread->interpreted || !member.thread->activity.call.empty()) continue;
    Error error = member.thread->interpreted.error();
    error.what = about(member, "read the interpreter's stack") +
                 (error.what.empty() ? "" : ": " + error.what);
    errors.push_back(std::move(error));
  }
  return errors;
}

std::vector<Error> unknown_locks_or_stacks(const Members& members) {
  std::vector<Error> errors = unknown_locks(members);
  const std::vector<Error> stacks = unknown_stacks(members);
  errors.insert(errors.end(), stacks.begin(), stacks.end());
  return errors;
}

std::string place(const Member& member) {
  return place(*member.thread);
}

std::string place_in_brackets(const Thread& thread) {
  const std::string text = place(thread);
  return text.empty() ? "" : " (" + text + ")";
}

}  // namespace ipcdoctor::probes
