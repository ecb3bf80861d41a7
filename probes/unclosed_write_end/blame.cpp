#include "probes/unclosed_write_end/blame.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "probes/internal/flow.h"
#include "snapshot/known_programs.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Object;
using snapshot::ObjectKind;
using snapshot::WaitKind;

/// EOF exists on it: a pipe, a stream socket that is connected, the master of a terminal.
bool has_eof(const Snapshot& snapshot, const ObjectId& id) {
  if (id.kind == ObjectKind::Pipe || id.kind == ObjectKind::Fifo ||
      id.kind == ObjectKind::TerminalMaster)
    return true;
  if (id.kind != ObjectKind::UnixSocket && id.kind != ObjectKind::InetSocket) return false;
  const Object* object = snapshot::find_object(snapshot, id);
  // What a listener has not accepted yet can only get an answer, not an end.
  return object != nullptr && object->socket && object->socket->type != "dgram" &&
         object->socket->state != "listen" && !object->socket->peer_in_backlog;
}

bool only_polls(const Snapshot& snapshot, Pid pid) {
  const Process* process = snapshot::find_process(snapshot, pid);
  return process != nullptr && !process->threads.empty() &&
         std::ranges::all_of(process->threads, [](const Thread& t) {
           return t.polls || (t.wait && t.wait->kind == WaitKind::Sleep);
         });
}

/// Filters of the coreutils and their kin that write nothing before they have read everything.
bool answers_at_the_end(const Snapshot& snapshot, Pid pid) {
  const Process* process = snapshot::find_process(snapshot, pid);
  return process != nullptr && snapshot::has_trait(*process, snapshot::kAnswersAtTheEnd);
}

bool leader_exited(const Snapshot& snapshot, Pid pid) {
  const Process* process = snapshot::find_process(snapshot, pid);
  if (process == nullptr || process->dead || process->exited) return false;
  const auto leader = std::ranges::find(process->threads, Tid{pid.value}, &Thread::tid);
  const bool others = std::ranges::any_of(
      process->threads, [&](const Thread& t) { return t.tid.value != pid.value; });
  return others &&
         (process->state == 'Z' || (leader != process->threads.end() && leader->state == 'Z'));
}

std::optional<int> fd_of(const Wait& wait, const ObjectId& object) {
  for (const snapshot::Awaited& awaited : wait.objects)
    if (awaited.object == object) return awaited.fd;
  return std::nullopt;
}

/// A poller's own pipe is how its other threads or its signal handlers wake it, not a channel that
/// must end.
bool own_end_counts(const Snapshot& snapshot, const Process& process, const Wait& wait) {
  if (wait.kind == WaitKind::Read || (wait.kind == WaitKind::Poll && wait.objects.size() == 1) ||
      copies(wait))
    return true;
  // Nor is an event loop's, but a forked copy that watches one pipe alone has no loop of its own.
  if (wait.kind != WaitKind::Epoll || !process.forked_copy || process.threads.size() != 1)
    return false;
  const Object* epoll =
      wait.objects.empty() ? nullptr : snapshot::find_object(snapshot, wait.objects.front().object);
  return epoll != nullptr && epoll->watched.size() == 1 &&
         epoll->watched.front().object.kind == ObjectKind::Pipe &&
         process.interpreter.version.empty();
}

/// It lives, but the code of all its threads was read, and none will write or close.
bool uses_no_descriptor(const Process& process) {
  constexpr std::uint32_t kUses = snapshot::kWrites | snapshot::kCloses | snapshot::kExits |
                                  snapshot::kEndsThread | snapshot::kForks;
  return !process.threads.empty() && std::ranges::all_of(process.threads, [](const Thread& t) {
    return t.next && !t.next->may(kUses);
  });
}

class Judge {
 public:
  Judge(const Context& of, const Ends& its_ends, const std::vector<TaskRef>& tasks,
        graph::Level its_level)
      : context_(of), ends_(its_ends), level_(its_level) {
    for (const TaskRef& task : tasks) tasks_of_[task.pid].push_back(task);
    for (const auto& [pid, own] : tasks_of_)
      if (waits_for_any_exit(pid)) joiners_.push_back(pid);
  }

  std::optional<Omission> omission(const TaskRef& reader, const Wait& wait,
                                   const Holder& holder) const {
    const Snapshot& snapshot = context_.snapshot;
    const Process* process = snapshot::find_process(snapshot, holder.pid);
    if (process == nullptr) return std::nullopt;
    const bool is_stuck = tasks_of_.contains(holder.pid);
    // Whose socket it is that carries the end is not always known: strangers are not blamed for it.
    if (holder.hold == Hold::InFlight)
      return is_stuck ? std::optional(Omission::InFlight) : std::nullopt;
    if (leader_exited(snapshot, holder.pid)) return Omission::LeaderExited;
    // A set that only something outside can end: the other kinds would be guesses.
    if (level_ == graph::Level::Stuck) return std::nullopt;
    if (!is_stuck)
      return uses_no_descriptor(*process) ? std::optional(Omission::WaitsForReader) : std::nullopt;
    if (left_the_tree(snapshot, *process)) return Omission::LeftTree;
    if (holder.pid == reader.pid)
      return own_end_counts(snapshot, *process, wait) ? std::optional(Omission::Itself)
                                                      : std::nullopt;
    if (waits_for_exit(snapshot, holder.pid, reader.pid)) return Omission::WaitsForReader;
    if (waits_for_eof(holder.pid, reader.pid)) return Omission::WaitsForReader;
    if (answers_at_the_end(snapshot, reader.pid) && receives_from(holder.pid, reader.pid))
      return Omission::WaitsForReader;
    if (level_ == graph::Level::Suspected && only_polls(snapshot, holder.pid))
      return Omission::WaitsForReader;
    if (!exit_is_awaited(reader.pid, holder.pid)) return std::nullopt;
    const bool is_filter = fd_of(wait, holder.object).value_or(-1) == 0;
    if (is_filter && is_leaked_over_exec(*process, holder.fd)) return Omission::LeakedToFilter;
    if (!receives_from(holder.pid, reader.pid)) return Omission::Inherited;
    return std::nullopt;
  }

 private:
  bool waits_for_any_exit(Pid pid) const {
    const Process* process = snapshot::find_process(context_.snapshot, pid);
    return process != nullptr && std::ranges::any_of(process->threads, [&](const Thread& thread) {
             const TaskRef task{pid, thread.tid};
             return !awaited_exits(context_.snapshot, task).empty() ||
                    !awaited_threads(context_.snapshot, task).empty();
           });
  }

  bool exit_is_awaited(Pid reader, Pid except) const {
    return std::ranges::any_of(joiners_, [&](const Pid pid) {
      return pid != except && pid != reader && waits_for_exit(context_.snapshot, pid, reader);
    });
  }

  /// communicate() closes its own child's input and reads to the end: what its caller keeps open of
  /// another child's input is what that one, and so the end, waits for.
  bool waits_for_eof(Pid holder, Pid reader) const {
    return !receives_from(holder, reader) &&
           std::ranges::any_of(tasks_of(holder), [&](const TaskRef& task) {
             const Thread* thread = snapshot::find_thread(context_.snapshot, task);
             return thread != nullptr && collects_a_command(thread->activity);
           });
  }

  bool receives_from(Pid holder, Pid reader) const {
    for (const TaskRef& task : tasks_of(holder)) {
      for (const ObjectId& id : received_objects(context_.snapshot, task)) {
        const std::vector<Holder> senders = ends_.senders(id);
        for (const Holder& sender : senders)
          if (sender.pid == reader && !keeper_of(context_.snapshot, senders, sender)) return true;
      }
    }
    return false;
  }

  const std::vector<TaskRef>& tasks_of(Pid pid) const {
    static const std::vector<TaskRef> kNone;
    const auto it = tasks_of_.find(pid);
    return it == tasks_of_.end() ? kNone : it->second;
  }

  const Context& context_;
  const Ends& ends_;
  graph::Level level_;
  std::map<Pid, std::vector<TaskRef>> tasks_of_;
  std::vector<Pid> joiners_;
};

/// The kinds that are as strong as the strongest: an own copy and a waiting holder are one mistake.
std::vector<Blame> strongest(std::vector<Blame> blamed) {
  const auto rank = [](const Blame& b) {
    return b.omission == Omission::Itself ? Omission::WaitsForReader : b.omission;
  };
  Omission best = Omission::Inherited;
  for (const Blame& b : blamed) best = std::min(best, rank(b));
  std::erase_if(blamed, [&](const Blame& b) { return rank(b) != best; });
  const auto same_pid =
      std::ranges::unique(blamed, {}, [](const Blame& b) { return b.holder.pid; });
  blamed.erase(same_pid.begin(), same_pid.end());
  return blamed;
}

/// A thread of it may listen meanwhile: it may end when its main thread has slept.
bool sleeps(const Process& process) {
  return std::ranges::any_of(process.threads, [&](const Thread& thread) {
    return thread.tid.value == process.pid.value && thread.wait &&
           thread.wait->kind == WaitKind::Sleep;
  });
}

std::vector<Blame> strangers_that_hold(const Context& context, const Ends& ends,
                                       const TaskRef& reader, const ObjectId& object) {
  const std::vector<Holder> senders = ends.senders(object);
  std::vector<Blame> blamed;
  for (const Holder& holder : senders) {
    const Process* process = snapshot::find_process(context.snapshot, holder.pid);
    const bool stranger =
        process != nullptr && holder.pid != reader.pid && holder.hold == Hold::Descriptor &&
        !is_ancestor(context.snapshot, holder.pid, reader.pid) &&  // a daemon's own log writer
        left_the_tree(context.snapshot, *process) &&
        (is_at_rest(context, *process) ||
         (!sleeps(*process) && !listens_on(context.snapshot, holder.pid).empty()));
    if (!stranger) return {};
    blamed.push_back({holder, Omission::LeftTree});
  }
  return strongest(std::move(blamed));
}

bool is_unnamed(const Snapshot& snapshot, const ObjectId& id) {
  if (id.kind == ObjectKind::Pipe) return true;
  const Object* object = snapshot::find_object(snapshot, id);
  return id.kind == ObjectKind::UnixSocket && object != nullptr && object->socket &&
         object->socket->local.empty() && object->socket->remote.empty() && has_eof(snapshot, id);
}

}  // namespace

bool collects_a_command(const snapshot::Activity& activity) {
  return activity.operation == snapshot::Operation::AwaitResult && !activity.in_loop &&
         activity.object.kind == snapshot::Resource::Process;
}

std::vector<EofWait> eof_waits_in_set(const Context& context, const Ends& ends,
                                      const std::vector<TaskRef>& tasks, graph::Level level) {
  const Judge judge(context, ends, tasks, level);
  std::vector<EofWait> found;
  for (const TaskRef& task : tasks) {
    const Wait* wait = wait_of(context.snapshot, task);
    if (wait == nullptr) continue;
    for (const ObjectId& object : received_objects(context.snapshot, task)) {
      if (!has_eof(context.snapshot, object)) continue;
      EofWait eof{task, object, {}};
      for (const Holder& holder : ends.senders(object))
        if (const auto omission = judge.omission(task, *wait, holder))
          eof.blamed.push_back({holder, *omission});
      eof.blamed = strongest(std::move(eof.blamed));
      if (!eof.blamed.empty()) found.push_back(std::move(eof));
    }
  }
  return found;
}

namespace {

/// Left behind, so that nobody of the tree waits for it; a target may have a parent that does: then
/// a filter, the log writer of a server.
bool is_left_behind(const Context& context, const Process& process) {
  const Process* parent = snapshot::find_process(context.snapshot, process.ppid);
  if (parent != nullptr && is_of_tree(*parent)) return false;
  if (process.scope != snapshot::Scope::Target) return true;
  if (process.threads.size() != 1 || !process.interpreter.version.empty()) return false;
  const Thread& thread = process.threads.front();
  return thread.wait && !thread.wait->objects.empty() && thread.wait->objects.front().fd == 0;
}

/// What it waits for from others: an event loop's pipes and eventfds to itself do not count.
std::vector<ObjectId> received_from_others(const Context& context, const Ends& ends,
                                           const TaskRef& task) {
  std::vector<ObjectId> objects = received_objects(context.snapshot, task);
  std::erase_if(objects, [&](const ObjectId& object) {
    const Object* known = snapshot::find_object(context.snapshot, object);
    const bool listens = known != nullptr && known->socket && known->socket->state == "listen";
    const std::vector<Holder> senders = ends.senders(object);
    return !listens && !senders.empty() && std::ranges::all_of(senders, [&](const Holder& holder) {
      return holder.pid == task.pid;
    });
  });
  return objects;
}

/// It would go on with a client or a signal: a server.
bool serves(const Snapshot& snapshot, const std::vector<ObjectId>& objects) {
  return std::ranges::any_of(objects, [&](const ObjectId& id) {
    const Object* object = snapshot::find_object(snapshot, id);
    return id.kind == ObjectKind::SignalFd ||
           (object != nullptr && object->socket && object->socket->state == "listen");
  });
}

bool waits_for_input(const Thread& thread) {
  if (!thread.wait || !thread.wait->untimed || !thread.stable) return false;
  const WaitKind kind = thread.wait->kind;
  return kind == WaitKind::Read || kind == WaitKind::Poll || kind == WaitKind::Epoll;
}

}  // namespace

std::vector<EofWait> eof_waits_of_live_readers(const Context& context, const Ends& ends) {
  constexpr std::size_t kMaxPolled =
      2;  // an event loop with more channels than that does not wait for one to end
  std::vector<EofWait> found;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process)) continue;
    for (const Thread& thread : process.threads) {
      const TaskRef task{process.pid, thread.tid};
      if (!waits_for_input(thread) || context.graph.level(task) > graph::Level::Stuck) continue;
      if (serves(context.snapshot, received_objects(context.snapshot, task)) ||
          is_left_behind(context, process))
        continue;
      const std::vector<ObjectId> objects = received_from_others(context, ends, task);
      if (objects.size() > kMaxPolled) continue;
      for (const ObjectId& object : objects) {
        if (!is_unnamed(context.snapshot, object)) continue;
        std::vector<Blame> blamed = strangers_that_hold(context, ends, task, object);
        if (!blamed.empty()) found.push_back({task, object, std::move(blamed)});
      }
    }
  }
  return found;
}

}  // namespace ipcdoctor::probes
