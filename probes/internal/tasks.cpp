#include "probes/internal/tasks.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace ipcdoctor::probes {
namespace {

using snapshot::Awaited;
using snapshot::ObjectKind;
using snapshot::Scope;
using snapshot::WaitKind;

constexpr std::uint32_t kEpollIn = 1;  // EPOLLIN, EPOLLOUT of epoll_ctl(2)
constexpr std::uint32_t kEpollOut = 4;
constexpr int kMaxGenerations =
    4096;  // a parent chain cannot be longer than pids are many; hostile data can be a ring

bool is_inside(const Process& process) {
  return process.scope == Scope::Target || process.scope == Scope::Descendant;
}

std::vector<Awaited> objects_of(const Snapshot& snapshot, const Wait& wait) {
  if (wait.kind != WaitKind::Epoll || wait.objects.empty()) return wait.objects;
  const snapshot::Object* epoll = snapshot::find_object(snapshot, wait.objects.front().object);
  std::vector<Awaited> objects;
  if (epoll == nullptr) return objects;
  for (const snapshot::Watched& w : epoll->watched)
    objects.push_back({w.fd, w.object, (w.events & kEpollIn) != 0, (w.events & kEpollOut) != 0});
  return objects;
}

bool waits_in_poll(WaitKind kind) {
  return kind == WaitKind::Poll || kind == WaitKind::Epoll;
}

/// Whether the parent of `process` cannot be who started it, seen from one target.
bool was_adopted(const Snapshot& snapshot, const Process& process, const Process& root) {
  if (process.scope == snapshot::Scope::Related) return true;
  const Process* parent = snapshot::find_process(snapshot, process.ppid);
  const bool init = process.ppid.value == 1 || (parent != nullptr && parent->inits_pid_ns);
  const bool adopter =
      init || process.ppid == root.ppid || is_ancestor(snapshot, process.ppid, root.pid);
  const bool later =
      std::tuple(process.start_ticks, process.pid) > std::tuple(root.start_ticks, root.pid);
  if (!adopter || process.ppid == root.pid) return false;
  // A child has its parent's session unless it made its own.
  if (parent != nullptr && parent->sid == process.sid) return false;
  const bool leads = process.sid == process.pid;
  if (leads) return later;
  if (parent != nullptr) return true;
  // The parent was not looked into. It is older than the root, so its session is neither one that
  // the root leads nor one that was made later.
  if (process.sid == root.sid) return root.sid == root.pid || init;
  return later && process.sid.value != 1 && process.sid > root.pid;
}

}  // namespace

std::vector<TaskRef> members(const graph::StuckSet& set) {
  std::vector<TaskRef> tasks = set.core;
  tasks.insert(tasks.end(), set.behind.begin(), set.behind.end());
  return tasks;
}

int set_of(const Context& context, TaskRef task) {
  const auto& sets = context.graph.stuck_sets();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const std::vector<TaskRef> tasks = members(sets[i]);
    if (std::ranges::find(tasks, task) != tasks.end()) return static_cast<int>(i);
  }
  return -1;
}

bool contains(const std::vector<TaskRef>& tasks, Pid pid) {
  return std::ranges::any_of(tasks, [&](const TaskRef& t) { return t.pid == pid; });
}

std::vector<Error> missing_waits(const Context& context) {
  std::vector<Error> missing;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process) || process.dead || process.exited) continue;
    for (const Thread& thread : process.threads)
      if (!thread.wait && thread.wait.error().cause != Cause::Gone)
        missing.push_back(thread.wait.error());
    if (!process.fds && process.fds.error().cause != Cause::Gone)
      missing.push_back(process.fds.error());
  }
  return missing;
}

diagnosis::Answer conclude(const Context& context, std::vector<diagnosis::Finding> findings) {
  diagnosis::Answer answer;
  answer.findings = std::move(findings);
  if (answer.findings.empty()) answer.missing = missing_waits(context);
  answer.outcome = !answer.findings.empty() ? diagnosis::Outcome::Found
                   : answer.missing.empty() ? diagnosis::Outcome::NotFound
                                            : diagnosis::Outcome::Inconclusive;
  return answer;
}

bool copies(const Wait& wait) {
  return wait.kind == WaitKind::Poll && wait.objects.size() == 2 &&
         (wait.call == "splice" || wait.call == "tee" || wait.call == "sendfile");
}

bool receives(const Wait& wait) {
  if (copies(wait)) return true;
  switch (wait.kind) {
    case WaitKind::Read:
    case WaitKind::Accept:
    case WaitKind::MqReceive:
    case WaitKind::SysvReceive:
      return true;
    case WaitKind::Epoll:
      return !wait.objects.empty();
    case WaitKind::Poll:
      return !wait.objects.empty() &&
             std::ranges::all_of(wait.objects, [](const Awaited& a) { return !a.out; });
    default:
      return false;
  }
}

bool sends(const Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Write:
    case WaitKind::MqSend:
    case WaitKind::SysvSend:
    case WaitKind::Close:
      return true;
    case WaitKind::Poll:
      return !wait.objects.empty() &&
             std::ranges::all_of(wait.objects, [](const Awaited& a) { return a.out && !a.in; });
    default:
      return false;
  }
}

bool has_data(const snapshot::Object& object) {
  if (object.socket) return object.socket->receive_queue > 0 && object.socket->state != "listen";
  const bool pipe = object.id.kind == ObjectKind::Pipe || object.id.kind == ObjectKind::Fifo;
  return pipe && object.queued && *object.queued > 0;
}

std::vector<ObjectId> received_objects(const Snapshot& snapshot, TaskRef task) {
  std::vector<ObjectId> ids;
  const Wait* wait = wait_of(snapshot, task);
  if (wait == nullptr || !receives(*wait)) return ids;
  for (const Awaited& awaited : objects_of(snapshot, *wait)) {
    const snapshot::Object* object = snapshot::find_object(snapshot, awaited.object);
    if (copies(*wait) && object != nullptr && has_data(*object)) continue;
    if (awaited.in || !waits_in_poll(wait->kind)) ids.push_back(awaited.object);
  }
  return ids;
}

std::vector<ObjectId> sent_objects(const Snapshot& snapshot, TaskRef task) {
  std::vector<ObjectId> ids;
  const Wait* wait = wait_of(snapshot, task);
  if (wait == nullptr || !(sends(*wait) || waits_until_sent(snapshot, task))) return ids;
  for (const Awaited& awaited : objects_of(snapshot, *wait))
    if (awaited.out || wait->kind != WaitKind::Epoll) ids.push_back(awaited.object);
  return ids;
}

bool waits_until_sent(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || !thread->wait || thread->wait->kind != WaitKind::Epoll ||
      thread->activity.operation != snapshot::Operation::Send)
    return false;
  return std::ranges::any_of(objects_of(snapshot, *thread->wait),
                             [](const Awaited& awaited) { return awaited.out; });
}

std::vector<Pid> awaited_exits(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  if (thread == nullptr || !thread->wait) return {};
  const Wait& wait = *thread->wait;
  std::vector<Pid> pids;
  if (wait.kind == WaitKind::Child || wait.kind == WaitKind::Vfork ||
      wait.kind == WaitKind::Exiting)
    pids = wait.children;
  for (const Awaited& awaited : objects_of(snapshot, wait))
    if (awaited.object.kind == ObjectKind::PidFd)
      pids.push_back(Pid{static_cast<int>(awaited.object.ino)});
  const bool joins = thread->activity.operation == snapshot::Operation::AwaitEnd &&
                     (thread->activity.object.kind == snapshot::Resource::Process ||
                      thread->activity.object.kind == snapshot::Resource::Pool);
  const std::int64_t* pid = thread->activity.object.numbers.find(snapshot::Number::Pid);
  if (joins && pid != nullptr) {
    // The pid is that of the target's own namespace, on its own host.
    const snapshot::Host* host = snapshot::host_of(snapshot, task.pid.value);
    for (const Process& process : snapshot.processes)
      if ((process.ns_pid == *pid || (process.ns_pid == 0 && process.pid.value == *pid)) &&
          snapshot::host_of(snapshot, process.pid.value) == host)
        pids.push_back(process.pid);
  }
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
  return pids;
}

std::vector<TaskRef> awaited_threads(const Snapshot& snapshot, TaskRef task) {
  const Wait* wait = wait_of(snapshot, task);
  if (wait == nullptr || wait->kind != WaitKind::Futex) return {};
  const snapshot::Lock& lock = wait->futex.lock;
  std::vector<TaskRef> threads;
  if (snapshot::is_join(lock.kind)) threads = lock.owners;
  const Thread* thread = snapshot::find_thread(snapshot, task);
  const std::int64_t* tid = thread->activity.object.numbers.find(snapshot::Number::Tid);
  if (thread->activity.operation == snapshot::Operation::AwaitEnd && tid != nullptr) {
    const TaskRef joined{task.pid, Tid{static_cast<int>(*tid)}};
    if (std::ranges::find(threads, joined) == threads.end()) threads.push_back(joined);
  }
  return threads;
}

namespace {

bool awaits_a_process(const snapshot::Activity& activity) {
  return activity.operation == snapshot::Operation::AwaitEnd &&
         activity.object.kind == snapshot::Resource::Process;
}

/// A helper of the library waits for each child from its begin on: it is the program's wait only
/// with one who awaits the child.
bool only_reaps(const Process& process, const Thread& thread) {
  return thread.activity.operation == snapshot::Operation::Serve &&
         std::ranges::none_of(process.threads, [](const Thread& other) {
           return other.activity.in_loop && awaits_a_process(other.activity);
         });
}

}  // namespace

bool waits_for_exit(const Snapshot& snapshot, Pid waiter, Pid pid) {
  const Process* process = snapshot::find_process(snapshot, waiter);
  if (process == nullptr) return false;
  for (const Thread& thread : process->threads) {
    if (only_reaps(*process, thread)) continue;
    const TaskRef task{waiter, thread.tid};
    for (const Pid exit : awaited_exits(snapshot, task))
      if (exit == pid || is_ancestor(snapshot, exit, pid)) return true;
    for (const TaskRef& joined : awaited_threads(snapshot, task))
      if (joined.pid == pid) return true;
  }
  return false;
}

bool is_ancestor(const Snapshot& snapshot, Pid older, Pid younger) {
  const Process* process = snapshot::find_process(snapshot, younger);
  for (int i = 0; process != nullptr && i < kMaxGenerations; ++i) {
    if (process->ppid == older) return true;
    process = snapshot::find_process(snapshot, process->ppid);
  }
  return false;
}

bool is_of_tree(const Process& process) {
  return snapshot::is_of_tree(process.scope);
}

namespace {

std::string listening_address(const Snapshot& snapshot, const ObjectId& id) {
  const snapshot::Object* object = snapshot::find_object(snapshot, id);
  if (object == nullptr) return "";
  if (object->socket && object->socket->state == "listen") return object->name;
  for (const snapshot::Watched& watched : object->watched) {
    const snapshot::Object* inner = snapshot::find_object(snapshot, watched.object);
    if (inner != nullptr && inner->socket && inner->socket->state == "listen") return inner->name;
  }
  return "";
}

}  // namespace

std::string listens_on(const Snapshot& snapshot, Pid pid) {
  for (const Process& process : snapshot.processes) {
    if (process.pid != pid && process.ppid != pid) continue;
    for (const Thread& thread : process.threads) {
      if (!thread.wait) continue;
      for (const snapshot::Awaited& awaited : thread.wait->objects)
        if (std::string address = listening_address(snapshot, awaited.object); !address.empty())
          return address;
    }
  }
  return "";
}

bool left_the_tree(const Snapshot& snapshot, const Process& process) {
  if (is_inside(process) || process.exited) return false;
  return std::ranges::any_of(snapshot.targets, [&](const Pid target) {
    const Process* root = snapshot::find_process(snapshot, target);
    return root != nullptr && !is_ancestor(snapshot, process.pid, target) &&
           was_adopted(snapshot, process, *root);
  });
}

namespace {

/// A sleep that ends within it is one that somebody may want to wait for; longer where the code was
/// read, and the sleep is all that comes before the end: no job of a CI service lasts longer.
constexpr std::uint64_t kLongMs = 20 * 60'000, kJobMs = 6 * 3'600'000;
constexpr std::uint64_t kTickMs = 10;  // of Process::start_ticks: USER_HZ is 100 on x86-64
constexpr std::uint64_t kStartMs = 2'000;

/// It ends its sleep by itself, and has perhaps not slept before.
bool naps_once(const Snapshot& snapshot, const Process& process, const Thread& thread) {
  const Wait& wait = *thread.wait;
  const bool is_unread = !thread.next && thread.next.error().cause != Cause::NotRead;
  if (!wait.sleep_ms || is_unread) return true;
  const bool ends = !thread.next || thread.next->may(snapshot::kExits | snapshot::kEndsThread);
  if (!ends) return false;  // it was read: it sleeps again
  const std::uint64_t longest = thread.next ? kJobMs : kLongMs;
  if (*wait.sleep_ms > longest) return false;
  const std::uint64_t up = std::max(snapshot.uptime_ticks, process.start_ticks);
  const std::uint64_t age = (up - process.start_ticks) * kTickMs;
  return age <= (wait.sleep_from_now ? longest : *wait.sleep_ms + kStartMs);
}

bool hears_from_the_tree(const Context& context, TaskRef task) {
  for (const ObjectId& object : received_objects(context.snapshot, task))
    for (const diagnosis::Holder& sender : context.ends().senders(object))
      if (const Process* process = snapshot::find_process(context.snapshot, sender.pid);
          process != nullptr && is_inside(*process))
        return true;
  return false;
}

bool is_at_rest(const Context& context, const Process& process, std::set<Pid>& seen) {
  constexpr std::size_t kMaxFamily = 64;
  if (!seen.insert(process.pid).second) return true;
  if (seen.size() > kMaxFamily) return false;
  // What could not be looked into may do anything.
  if (process.threads.empty() && !process.dead && !process.exited) return false;
  const auto child_is_at_rest = [&](const Pid pid) {
    const Process* child = snapshot::find_process(context.snapshot, pid);
    return child == nullptr || is_at_rest(context, *child, seen);
  };
  return std::ranges::all_of(process.threads, [&](const Thread& thread) {
    if (!thread.stable || !thread.wait) return false;
    switch (thread.wait->kind) {
      case WaitKind::Running:
      case WaitKind::Write:
      case WaitKind::FileLock:
        return false;
      case WaitKind::Futex:
        return !thread.wait->futex.shared_memory;
      case WaitKind::Sleep:
        return !naps_once(context.snapshot, process, thread);
      case WaitKind::Child:
        return std::ranges::all_of(thread.wait->children, child_is_at_rest);
      case WaitKind::Poll:
        if (!thread.wait->untimed && thread.wait->objects.empty())
          return !naps_once(context.snapshot, process, thread);
        [[fallthrough]];
      default:
        return !hears_from_the_tree(context, {process.pid, thread.tid});
    }
  });
}

}  // namespace

bool is_at_rest(const Context& context, const Process& process) {
  std::set<Pid> seen;
  return is_at_rest(context, process, seen);
}

bool is_leaked_over_exec(const Process& process, int fd) {
  return fd > 2 && !process.forked_copy;
}

TaskRef task_of(const std::vector<TaskRef>& tasks, Pid pid) {
  TaskRef best{pid, Tid{0}};
  for (const TaskRef& task : tasks)
    if (task.pid == pid && (best.tid.value == 0 || task.tid < best.tid)) best = task;
  return best;
}

std::map<Pid, TaskRef> first_of_each(const std::vector<TaskRef>& tasks) {
  std::map<Pid, TaskRef> first;
  for (const TaskRef& task : tasks) {
    const auto [it, is_new] = first.try_emplace(task.pid, task);
    if (!is_new) it->second = std::min(it->second, task);
  }
  return first;
}

std::string name(const Snapshot& snapshot, Pid pid) {
  return snapshot::label(snapshot, {pid, Tid{0}});
}

std::vector<TaskRef> with_those_behind(const Context& context, std::vector<TaskRef> stuck) {
  constexpr std::size_t kMaxWakers =
      256;  // a task with more alternatives is not said to wait for these alone
  const auto waits_only_for_these = [&](TaskRef task, const Wait& wait) {
    if (!wait.untimed || std::ranges::find(stuck, task) != stuck.end()) return false;
    const std::vector<graph::Waker> wakers = context.graph.wakers(task, kMaxWakers);
    return !wakers.empty() && wakers.size() < kMaxWakers &&
           std::ranges::all_of(wakers,
                               [&](const graph::Waker& w) { return contains(stuck, w.task.pid); });
  };
  for (bool grew = true; grew;) {
    grew = false;
    for (const Process& process : context.snapshot.processes) {
      if (!is_of_tree(process)) continue;
      for (const Thread& thread : process.threads) {
        const TaskRef task{process.pid, thread.tid};
        if (!thread.wait || !waits_only_for_these(task, *thread.wait)) continue;
        stuck.push_back(task);
        grew = true;
      }
    }
  }
  return stuck;
}

}  // namespace ipcdoctor::probes
