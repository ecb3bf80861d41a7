#include <algorithm>
#include <functional>

#include "probes/all_probes.h"
#include "probes/internal/advice.h"
#include "probes/internal/lock_facts.h"
#include "probes/internal/pools.h"
#include "probes/internal/receivers.h"
#include "probes/unclosed_write_end/blame.h"
#include "snapshot/language.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kUnclosedWriteEnd{
    "IPC101", "unclosed-write-end",
    "A reader waits for EOF, but the write end is still open somewhere", run};

namespace {

using diagnosis::Finding;
using snapshot::Operation;
using snapshot::Resource;

std::string fd_text(const Holder& holder) {
  return "fd " + std::to_string(holder.fd);
}

std::string why(const Snapshot& snapshot, const Blame& blame, TaskRef task) {
  const std::string has = "has the write end open as " + fd_text(blame.holder);
  switch (blame.omission) {
    case Omission::Itself:
      return "the reader itself " + has;
    case Omission::InFlight:
      return "the write end waits in the queue of its socket, " + fd_text(blame.holder);
    case Omission::LeaderExited:
      return has + "; its main thread has ended, its other threads keep it open";
    case Omission::LeftTree:
      return has + ", inherited from a parent that is gone; it " + doing(snapshot, task);
    case Omission::WaitsForReader:
      if (blame.holder.hold == Hold::Registered)
        return "a fixed file of its io_uring, " + fd_text(blame.holder) +
               ", is the write end; it " + doing(snapshot, task);
      return has + " and never writes: it " + doing(snapshot, task);
    case Omission::LeakedToFilter:
    case Omission::Inherited:
      return has + ", a copy that it does not need; it " + doing(snapshot, task);
  }
  return has;
}

std::string title(const Snapshot& snapshot, const std::vector<EofWait>& waits) {
  const EofWait& eof = waits.front();
  const auto readers =
      std::ranges::count(waits, eof.object, [](const EofWait& wait) { return wait.object; });
  const bool one = readers == 1;
  const std::string reader = snapshot::label(snapshot, eof.reader);
  // Not how many: of a crowd the snapshot has some.
  const std::string who = reader + (one ? " waits" : " and others wait");
  const Blame& first = eof.blamed.front();
  const std::string channel = snapshot::name_of(eof.object.kind);
  const auto alike = std::ranges::count_if(waits, [&](const EofWait& other) {
    return other.object == eof.object && other.blamed.front().omission == Omission::Itself;
  });
  if (first.omission == Omission::Itself && alike > 1)
    return reader + " and others wait for EOF on a " + channel + " that they keep open themselves";
  if (first.omission == Omission::Itself)
    return reader + " waits for EOF on a " + channel + " that it keeps open itself";
  if (first.omission == Omission::InFlight)
    return who + " for EOF on a " + channel + " whose write end is in flight to " +
           name(snapshot, first.holder.pid);
  std::vector<Pid> pids;
  for (const Blame& blame : eof.blamed)
    if (blame.holder.pid != eof.reader.pid) pids.push_back(blame.holder.pid);
  if (pids.empty()) return reader + " waits for EOF on a " + channel + " that it keeps open itself";
  const bool itself = pids.size() < eof.blamed.size();
  return who + " for EOF on a " + channel + " that " + names(snapshot, pids) +
         (itself && one      ? ", and it itself, keep open"
          : itself           ? ", and they themselves, keep open"
          : pids.size() == 1 ? " keeps open"
                             : " keep open");
}

std::string explanation(const Snapshot& snapshot, const EofWait& eof,
                        const std::vector<TaskRef>& tasks) {
  std::string text = "A read returns end-of-file only when every copy of the other end of " +
                     diagnosis::object_name(snapshot, eof.object) + " is closed.";
  for (const Blame& blame : eof.blamed) {
    const TaskRef task = task_of(tasks, blame.holder.pid);
    text += "\n" + name(snapshot, blame.holder.pid) + ": " + why(snapshot, blame, task) +
            place(snapshot, task) + ".";
  }
  return text;
}

/// "fd 4", or with the variable that the program knows it by: "`sender`, fd 4".
std::string end_of(const Snapshot& snapshot, const Holder& holder) {
  const Process* process = snapshot::find_process(snapshot, holder.pid);
  if (process == nullptr) return fd_text(holder);
  for (const snapshot::RuntimeObject& object : process->interpreter.objects) {
    const auto is_fd = [&](Number key) { return object.numbers.get_or(key, -1) == holder.fd; };
    if (object.name.empty() || object.name == "self") continue;
    if (object.kind == Resource::Channel && is_fd(Number::HandleFd))
      return "`" + object.name + "`, " + fd_text(holder);
    if (object.kind == Resource::Process && is_fd(Number::StdinFd))
      return "`" + object.name + ".stdin`, " + fd_text(holder);
  }
  return fd_text(holder);
}

Situation situation_of(const Blame& blame) {
  switch (blame.omission) {
    case Omission::Itself:
      return Situation{"the reader has it"};
    case Omission::LeakedToFilter:
      return Situation{"leaked into a filter"};
    case Omission::InFlight:
      return Situation{"it is in flight"};
    case Omission::LeaderExited:
      return Situation{"its main thread has ended"};
    case Omission::LeftTree:
      return Situation{"it was left behind"};
    case Omission::WaitsForReader:
    case Omission::Inherited:
      break;
  }
  return {};
}

/// A program without a line that could be named, started by a script.
bool is_tool_of_script(const Snapshot& snapshot, Pid pid, TaskRef task) {
  const Process* process = snapshot::find_process(snapshot, pid);
  const Process* starter =
      process == nullptr ? nullptr : snapshot::find_process(snapshot, process->ppid);
  return starter != nullptr && place(snapshot, task).empty() && snapshot::is_shell(*starter);
}

std::string fix(const Snapshot& snapshot, const Blame& blame, TaskRef task) {
  const Holder& holder = blame.holder;
  const Thread* thread = snapshot::find_thread(snapshot, task);
  const std::string fd = std::to_string(holder.fd);
  const auto say = [&](std::vector<Situation> situations) {
    return what_to_do(snapshot, kUnclosedWriteEnd, {holder.pid, task.tid}, situations,
                      {{"FD", fd},
                       {"REDIRECTION", holder.fd <= 2 ? "</dev/null >/dev/null 2>&1" : fd + ">&-"},
                       {"its descriptor", end_of(snapshot, holder)},
                       {"the function", function_of(snapshot, task, name(snapshot, holder.pid))},
                       {"the reader", function_of(snapshot, task, "the reader")}});
  };
  const bool itself = blame.omission == Omission::Itself;
  if (itself && is_tool_of_script(snapshot, holder.pid, task))
    return say({Situation{"a tool of a script"}});
  if (blame.omission == Omission::LeftTree)
    return say({situation_of(blame)}) + (listens_on(snapshot, holder.pid).empty()
                                             ? "\n" + say({Situation{"it serves nobody"}})
                                             : "");
  return say({Situation{thread == nullptr ? "" : thread->activity.call},
              holder.hold == Hold::Registered ? Situation{"a fixed file of io_uring"} : Situation{},
              situation_of(blame)});
}

/// It is in a library's call that takes items: there a sentinel ends it, not EOF.
bool takes_items(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || thread->activity.call.empty()) return false;
  const snapshot::Activity& activity = thread->activity;
  const bool transfers = activity.operation == Operation::Receive ||
                         activity.operation == Operation::Send ||
                         activity.object.kind == Resource::Channel;
  const bool by_connection = transfers && activity.object.reach == snapshot::Reach::Tree;
  return activity.in_loop || !(by_connection || activity.object.kind == Resource::Process);
}

/// Only the reader's own copy keeps the channel open besides one who waits to hear from the reader:
/// a message is missing there, no end-of-file.
bool is_conversation(const Snapshot& snapshot, const Ends& ends, const EofWait& eof,
                     const graph::StuckSet& set) {
  const bool only_itself = std::ranges::all_of(
      eof.blamed, [](const Blame& blame) { return blame.omission == Omission::Itself; });
  return only_itself && std::ranges::any_of(set.core, [&](const TaskRef& task) {
           if (task == eof.reader) return false;
           const std::vector<Holder> senders = ends.senders(eof.object);
           if (std::ranges::find(senders, task.pid, &Holder::pid) == senders.end()) return false;
           const std::vector<ObjectId> wanted = received_objects(snapshot, task);
           return std::ranges::any_of(wanted, [&](const ObjectId& id) {
             if (id == eof.object) return false;  // takes from the same end
             const std::vector<Holder> others = ends.senders(id);
             return std::ranges::find(others, eof.reader.pid, &Holder::pid) != others.end();
           });
         });
}

/// Other threads of the reader have the end too, and one of them wants a lock: they may be using
/// it.
bool has_threads_that_want_a_lock(const EofWait& eof, const Members& members) {
  const bool only_itself = std::ranges::all_of(
      eof.blamed, [](const Blame& blame) { return blame.omission == Omission::Itself; });
  return only_itself && std::ranges::any_of(members, [&](const Member& member) {
           return member.task.pid == eof.reader.pid && !(member.task == eof.reader) &&
                  waits_for_own_lock(member);
         });
}

/// Another thread of the reader would use the write end, if it got a lock that the reader holds.
bool keeps_its_writer_waiting(const Context& context, const EofWait& eof, const Members& members) {
  return std::ranges::any_of(members, [&](const Member& member) {
    if (member.task.pid != eof.reader.pid || !waits_for_lock(member)) return false;
    const auto holders = holders_of(context, member);
    return std::ranges::find(holders, eof.reader, &LockHolder::task) != holders.end();
  });
}

/// Other threads of the one who has the end want something in memory, and would go on with it.
bool holder_is_stuck_elsewhere(const EofWait& eof, const Members& members) {
  return std::ranges::any_of(members, [&](const Member& member) {
    const bool of_holder = std::ranges::any_of(eof.blamed, [&](const Blame& blame) {
      return blame.omission == Omission::WaitsForReader && blame.holder.pid == member.task.pid;
    });
    const Wait* wait = wait_of(member);
    return of_holder && wait != nullptr && wait->kind == snapshot::WaitKind::Futex &&
           (waits_for_lock(member) || takes_from_memory(*member.thread) ||
            puts_into_memory(*member.thread));
  });
}

Strength strength_of(const Context& context, const Ends& ends, const EofWait& eof,
                     const graph::StuckSet& set, const Members& members) {
  const Snapshot& snapshot = context.snapshot;
  const bool in_core = std::ranges::find(set.core, eof.reader) != set.core.end();
  switch (eof.blamed.front().omission) {
    case Omission::InFlight:
    case Omission::LeaderExited:
      return Strength::Clear;
    // Its output is what the rest waits for, whatever it waits for itself.
    case Omission::LeftTree:
      return in_core ? Strength::Guess : Strength::Read;
    case Omission::WaitsForReader:
    case Omission::Itself:
      return !in_core || takes_items(snapshot, eof.reader) ||
                     is_conversation(snapshot, ends, eof, set) ||
                     keeps_its_writer_waiting(context, eof, members) ||
                     holder_is_stuck_elsewhere(eof, members) ||
                     has_threads_that_want_a_lock(eof, members)
                 ? Strength::Guess
                 : Strength::Clear;
    case Omission::LeakedToFilter:
      return Strength::Clear;
    case Omission::Inherited:
      break;
  }
  return Strength::Consequence;
}

void fill(Finding& finding, const Snapshot& snapshot, const std::vector<EofWait>& waits,
          const std::vector<TaskRef>& tasks) {
  finding.title = title(snapshot, waits);
  finding.explanation = explanation(snapshot, waits.front(), tasks);
  const Blame& first = waits.front().blamed.front();
  finding.fix = fix(snapshot, first, task_of(tasks, first.holder.pid));
  // Each copy keeps the end open: to close one of them is half of it.
  for (const Blame& blame : waits.front().blamed) {
    if (blame.omission == first.omission || blame.omission != Omission::Itself) continue;
    const std::string too = fix(snapshot, blame, task_of(tasks, blame.holder.pid));
    if (finding.fix.find(too) == std::string::npos) finding.fix += "\n" + too;
  }
  for (const EofWait& eof : waits) {
    if (eof.blamed.front().omission != waits.front().blamed.front().omission) continue;
    for (const Blame& blame : eof.blamed) {
      const bool named = std::ranges::any_of(finding.culprits, [&](const diagnosis::Culprit& c) {
        return c.task.pid == blame.holder.pid;
      });
      if (named) continue;
      const TaskRef task = task_of(tasks, blame.holder.pid);
      finding.culprits.push_back(
          diagnosis::culprit(snapshot, task, blame.holder.fd, why(snapshot, blame, task)));
    }
  }
}

Finding about_set(const Context& context, const Ends& ends, int index, std::vector<EofWait> waits) {
  const graph::StuckSet& set = context.graph.stuck_sets()[static_cast<std::size_t>(index)];
  Finding finding = diagnosis::start_finding(context, kUnclosedWriteEnd, index);
  const Members tasks = members_of(context, set);
  const auto strength = [&](const EofWait& eof) {
    return strength_of(context, ends, eof, set, tasks);
  };
  std::ranges::stable_sort(waits, std::greater{}, strength);
  fill(finding, context.snapshot, waits, members(set));
  finding.strength = strength(waits.front());
  std::vector<Holder> open;
  for (const EofWait& eof : waits)
    for (const Holder& holder : ends.senders(eof.object)) open.push_back(holder);
  add_closes(finding, open);
  return finding;
}

/// It collects all that a command of its own writes, and that command is over: only the end is
/// missing. Who reads may be another thread than the one that waits for the command.
bool collects_of_the_dead(const Snapshot& snapshot, TaskRef reader) {
  const Process* process = snapshot::find_process(snapshot, reader.pid);
  return process != nullptr && std::ranges::any_of(process->threads, [&](const Thread& thread) {
           const snapshot::RuntimeObject& command = thread.activity.object;
           const bool by_another =
               thread.activity.operation == Operation::Receive && command.kind == Resource::Process;
           if (!by_another && !collects_a_command(thread.activity)) return false;
           const std::int64_t pid = command.numbers.get_or(Number::Pid, 0);
           return command.numbers.contains(Number::Exitcode) ||
                  command.numbers.get_or(Number::Alive, 1) == 0 ||
                  std::ranges::any_of(snapshot.processes, [&](const Process& child) {
                    return pid > 0 && child.ppid == reader.pid && child.ns_pid == pid && child.dead;
                  });
         });
}

/// A server is meant to stay, and its log is meant to be read: that it keeps the end open as its
/// output is said, and that it may be right. Not where the reader waits for a command that is over.
Finding about_live(const Context& context, const EofWait& eof) {
  const std::vector<TaskRef> stuck = with_those_behind(context, {eof.reader});
  std::vector<std::string> servers;
  for (const Blame& blame : eof.blamed) {
    const Process* process = snapshot::find_process(context.snapshot, blame.holder.pid);
    const std::string address = listens_on(context.snapshot, blame.holder.pid);
    // One that ticks may write at any time, wherever that end goes.
    const bool may_write =
        blame.holder.fd <= 2 || (process != nullptr && !is_at_rest(context, *process));
    if (!address.empty() && may_write && !collects_of_the_dead(context.snapshot, eof.reader))
      servers.push_back(name(context.snapshot, blame.holder.pid) + " (it listens on " + address +
                        ")");
  }
  Finding finding = diagnosis::start_finding(
      context, kUnclosedWriteEnd,
      servers.empty() ? diagnosis::Verdict::Stuck : diagnosis::Verdict::Waiting, stuck);
  if (!servers.empty()) finding.grade = diagnosis::Grade::Suspected;
  finding.unless = servers;
  fill(finding, context.snapshot, {eof}, stuck);
  add_closes(finding, context.ends().senders(eof.object));
  finding.strength = Strength::Clear;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  const Ends& ends = context.ends();
  std::vector<Finding> findings;
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::vector<EofWait> waits = eof_waits_in_set(context, ends, members(sets[i]), sets[i].level);
    if (!waits.empty())
      findings.push_back(about_set(context, ends, static_cast<int>(i), std::move(waits)));
  }
  for (const EofWait& eof : eof_waits_of_live_readers(context, ends))
    findings.push_back(about_live(context, eof));
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
