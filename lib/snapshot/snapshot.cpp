#include "snapshot/snapshot.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace ipcdoctor::snapshot {
namespace {

template <class Range, class Key, class Projection>
auto find_sorted(const Range& range, const Key& key, Projection projection) -> const
    typename Range::value_type* {
  const auto it = std::ranges::lower_bound(range, key, {}, projection);
  return it != range.end() && projection(*it) == key ? &*it : nullptr;
}

std::size_t count_kinds(const Snapshot& snapshot, std::size_t listed,
                        const std::map<std::uint32_t, std::size_t>& listed_of) {
  for (const auto& [kind, count] : listed_of) {
    const Kind& of = snapshot.kinds[kind - 1];
    if (2 * count >= of.here.size()) listed += of.left_out.size();
  }
  return listed;
}

/// Those of a language that follow the native ones have no address: the interpreter's own lines,
/// where it has debug information, are not the user's.
const Frame* first_user_frame(const Result<std::vector<Frame>>& frames) {
  if (!frames) return nullptr;
  const Frame* first = nullptr;
  for (const Frame& frame : *frames) {
    if (!frame.user_code || frame.line <= 0) continue;
    if (frame.pc.value == 0) return &frame;
    if (first == nullptr) first = &frame;
  }
  return first;
}

}  // namespace

bool has_owner(LockKind kind) {
  switch (kind) {
    case LockKind::Mutex:
    case LockKind::RecursiveMutex:
    case LockKind::ErrorcheckMutex:
    case LockKind::RobustMutex:
    case LockKind::PiMutex:
    case LockKind::RwlockRead:
    case LockKind::RwlockWrite:
    case LockKind::Once:
    case LockKind::FileStream:
    case LockKind::Arena:
    case LockKind::LibcInternal:
    case LockKind::ReentrantLock:
    case LockKind::InterpreterLock:
    case LockKind::ImportLock:
      return true;
    default:
      return false;
  }
}

const Process* find_process(const Snapshot& snapshot, Pid pid) {
  return find_sorted(snapshot.processes, pid, [](const Process& p) { return p.pid; });
}

const Thread* find_thread(const Snapshot& snapshot, TaskRef task) {
  const Process* process = find_process(snapshot, task.pid);
  return process == nullptr
             ? nullptr
             : find_sorted(process->threads, task.tid, [](const Thread& t) { return t.tid; });
}

Thread* find_thread(Snapshot& snapshot, TaskRef task) {
  return const_cast<Thread*>(find_thread(std::as_const(snapshot), task));
}

const Object* find_object(const Snapshot& snapshot, const ObjectId& id) {
  return find_sorted(snapshot.objects, id, [](const Object& o) { return o.id; });
}

const SharedArea* find_area(const Snapshot& snapshot, const PageId& page) {
  const auto it = std::ranges::find_if(snapshot.shared_areas, [&](const SharedArea& a) {
    return a.dev == page.dev && a.ino == page.ino;
  });
  return it == snapshot.shared_areas.end() ? nullptr : &*it;
}

std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<TaskRef>& tasks) {
  std::map<std::uint32_t, std::size_t> listed_of;
  if (snapshot.kinds.empty()) return tasks.size();
  const std::set<TaskRef> once(tasks.begin(), tasks.end());
  for (const TaskRef& task : once) {
    const Thread* thread = find_thread(snapshot, task);
    if (thread != nullptr && thread->kind != 0) ++listed_of[thread->kind];
  }
  return count_kinds(snapshot, once.size(), listed_of);
}

std::size_t count_with_left_out(const Snapshot& snapshot, const std::vector<Pid>& pids) {
  std::map<std::uint32_t, std::size_t> listed_of;
  if (snapshot.kinds.empty()) return pids.size();
  for (const Pid pid : pids) {
    const Process* process = find_process(snapshot, pid);
    if (process != nullptr && process->kind != 0) ++listed_of[process->kind];
  }
  return count_kinds(snapshot, pids.size(), listed_of);
}

const Host* host_of(const Snapshot& snapshot, int number) {
  const auto after = std::ranges::upper_bound(snapshot.hosts, number, {}, &Host::first);
  if (after == snapshot.hosts.begin()) return nullptr;
  const Host& host = *std::prev(after);
  return number - host.first < static_cast<int>(host.numbers.size()) ? &host : nullptr;
}

std::string host_prefix(const Snapshot& snapshot, int number) {
  const Host* host = host_of(snapshot, number);
  return host == nullptr ? "" : host->name + ":";
}

int local_number(const Snapshot& snapshot, int number) {
  const Host* host = host_of(snapshot, number);
  return host == nullptr ? number : host->numbers[static_cast<std::size_t>(number - host->first)];
}

static std::string plain_number(const Snapshot& snapshot, int number) {
  return std::to_string(local_number(snapshot, number));
}

std::string number_of(const Snapshot& snapshot, Pid pid) {
  return host_prefix(snapshot, pid.value) + plain_number(snapshot, pid.value);
}

std::string number_of(const Snapshot& snapshot, TaskRef task) {
  const std::string pid = plain_number(snapshot, task.pid.value);
  if (task.tid.value == 0 || task.tid.value == task.pid.value) return pid;
  if (is_fiber(task.tid)) return pid + "#" + std::to_string(task.tid.value - kFirstFiber);
  return pid + "/" + plain_number(snapshot, task.tid.value);
}

std::string label(const Snapshot& snapshot, TaskRef task) {
  const Process* process = find_process(snapshot, task.pid);
  const std::string comm = process == nullptr || process->comm.empty() ? "process" : process->comm;
  return host_prefix(snapshot, task.pid.value) + comm + "[" + number_of(snapshot, task) + "]";
}

const Frame* user_frame(const Thread& thread) {
  const Frame* python = first_user_frame(thread.interpreted);
  return python != nullptr ? python : first_user_frame(thread.native);
}

std::string where(const Thread& thread) {
  const Frame* frame = user_frame(thread);
  if (frame == nullptr) return "";
  return frame->file.substr(frame->file.rfind('/') + 1) + ":" + std::to_string(frame->line);
}

std::string name_of(ObjectKind kind) {
  static constexpr std::array kNames = {
      "object",        "pipe",      "FIFO",        "unix socket",
      "socket",        "socket",    "eventfd",     "epoll",
      "timerfd",       "signalfd",  "inotify",     "fanotify",
      "pidfd",         "io_uring",  "userfaultfd", "seccomp notifier",
      "message queue", "terminal",  "pty master",  "FUSE device",
      "file",          "directory", "device",      "anonymous file"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool blocks_none_of(const Process& process, std::uint64_t signals) {
  return std::ranges::all_of(process.threads, [&](const Thread& thread) {
    return thread.signals && (thread.signals->blocked & signals) == 0;
  });
}

bool is_in_the_way(const Snapshot& snapshot, const FileLock& lock, const FileLockWait& wait,
                   Pid waiter) {
  if (lock.file != wait.file || (lock.type == "flock") != (wait.type == "flock")) return false;
  if (!lock.exclusive && !wait.exclusive) return false;
  if (lock.start > wait.end || wait.start > lock.end) return false;
  if (lock.type != wait.type) return true;
  if (lock.type != "posix")
    return std::ranges::find(lock.holders, std::pair{waiter, wait.fd}) == lock.holders.end();
  if (lock.taker == waiter) return false;
  const Process* own = find_process(snapshot, waiter);
  const Process* taker = find_process(snapshot, lock.taker);
  return own == nullptr || taker == nullptr || own->fd_group.value == 0 ||
         own->fd_group != taker->fd_group;
}

}  // namespace ipcdoctor::snapshot
