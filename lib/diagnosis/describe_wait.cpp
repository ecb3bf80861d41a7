#include <algorithm>
#include <array>
#include <string_view>

#include "diagnosis/probe.h"

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Awaited;
using snapshot::Object;
using snapshot::ObjectId;
using snapshot::ObjectKind;
using snapshot::Snapshot;
using snapshot::Wait;
using snapshot::WaitKind;

constexpr std::size_t kMaxNamed = 3;  // of a list; a sentence with more is not read

/// "a", "a or b", "a, b, c or 4 more"
std::string any_of(const std::vector<std::string>& parts, std::size_t total) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : i + 1 == total ? " or " : ", ") + parts[i];
  if (total > parts.size()) text += " or " + std::to_string(total - parts.size()) + " more";
  return text;
}

std::string numbers(const Snapshot& snapshot, const std::vector<Pid>& pids) {
  std::vector<std::string> parts;
  for (const Pid pid : pids) {
    if (parts.size() == kMaxNamed) break;
    parts.push_back(snapshot::number_of(snapshot, pid));
  }
  return any_of(parts, pids.size());
}

std::string children_of(const Snapshot& snapshot, const Wait& wait) {
  if (wait.children.empty()) return "the exit of a child";
  if (wait.children.size() == 1) return "the exit of " + numbers(snapshot, wait.children);
  return "the exit of " + numbers(snapshot, wait.children);
}

std::string input_on(const Snapshot& snapshot, const ObjectId& id) {
  const std::string name = object_name(snapshot, id);
  switch (id.kind) {
    case ObjectKind::Terminal:
      return "input from " + name;
    case ObjectKind::TerminalMaster:
      return "output or hangup of " + name;
    case ObjectKind::EventFd:
      return "a count on " + name;
    case ObjectKind::TimerFd:
      return "a timer on " + name;
    case ObjectKind::SignalFd:
      return "a signal on " + name;
    case ObjectKind::PidFd:
      return "the exit of " + snapshot::number_of(snapshot, Pid{static_cast<int>(id.ino)});
    case ObjectKind::MessageQueue:
      return "a message on " + name;
    case ObjectKind::Pipe:
    case ObjectKind::Fifo:
    case ObjectKind::UnixSocket:
    case ObjectKind::InetSocket: {
      const Object* object = snapshot::find_object(snapshot, id);
      const bool listens = object != nullptr && object->socket && object->socket->state == "listen";
      const bool datagrams = object != nullptr && object->socket && object->socket->type == "dgram";
      if (listens) return "a connection on " + name;
      return (datagrams ? "a datagram on " : "data or EOF on ") + name;
    }
    default:
      return "an event of " + name;
  }
}

std::string one_of(const Snapshot& snapshot, const Awaited& awaited) {
  if (awaited.out && !awaited.in) return "room in " + object_name(snapshot, awaited.object);
  return input_on(snapshot, awaited.object);
}

std::string any_of(const Snapshot& snapshot, const std::vector<Awaited>& objects) {
  std::vector<std::string> wholes, parts;
  std::string before;  // what was said of the one before, without its name
  for (const Awaited& awaited : objects) {
    if (parts.size() == kMaxNamed) break;
    const std::string whole = one_of(snapshot, awaited);
    if (std::ranges::find(wholes, whole) != wholes.end()) continue;
    const std::string name = object_name(snapshot, awaited.object);
    const std::size_t words = whole.ends_with(name) ? whole.size() - name.size() : 0;
    parts.push_back(words > 0 && whole.substr(0, words) == before ? name : whole);
    wholes.push_back(whole);
    before = whole.substr(0, words);
  }
  return any_of(parts, parts.size() < kMaxNamed ? parts.size() : objects.size());
}

std::string watched_by(const Snapshot& snapshot, const ObjectId& epoll) {
  const Object* object = snapshot::find_object(snapshot, epoll);
  if (object == nullptr || object->watched.empty())
    return "an event on " + object_name(snapshot, epoll);
  constexpr std::uint32_t kIn = 1, kOut = 4;  // EPOLLIN, EPOLLOUT of epoll_ctl(2)
  std::vector<Awaited> objects;
  for (const snapshot::Watched& w : object->watched)
    objects.push_back({w.fd, w.object, (w.events & kIn) != 0, (w.events & kOut) != 0});
  return any_of(snapshot, objects);
}

std::string thread_list(const Snapshot& snapshot, const std::vector<TaskRef>& tasks) {
  std::vector<std::string> parts;
  for (const TaskRef& task : tasks) {
    if (parts.size() == kMaxNamed) break;
    parts.push_back(std::to_string(snapshot::local_number(snapshot, task.tid.value)));
  }
  return any_of(parts, tasks.size());
}

std::string hex(std::uint64_t value) {
  std::string text;
  do {
    text.insert(text.begin(), "0123456789abcdef"[value & 15U]);
    value >>= 4U;
  } while (value != 0);
  return "0x" + text;
}

std::string kind_of(snapshot::LockKind kind) {
  using snapshot::LockKind;
  switch (kind) {
    case LockKind::Mutex:
    case LockKind::RecursiveMutex:
    case LockKind::ErrorcheckMutex:
      return "a mutex";
    case LockKind::RobustMutex:
      return "a robust mutex";
    case LockKind::PiMutex:
      return "a priority-inheritance mutex";
    case LockKind::RwlockRead:
      return "a read lock";
    case LockKind::RwlockWrite:
      return "a write lock";
    case LockKind::Condition:
      return "a condition variable";
    case LockKind::Semaphore:
      return "a semaphore";
    case LockKind::Barrier:
      return "a barrier";
    case LockKind::ThreadJoin:
      return "the end of a thread";
    case LockKind::Once:
      return "a one-time initialisation";
    case LockKind::FileStream:
      return "the lock of a FILE";
    case LockKind::Arena:
      return "the lock of malloc";
    case LockKind::LibcInternal:
      return "a lock inside libc";
    case LockKind::Latch:
      return "a latch";
    case LockKind::Future:
      return "a future";
    case LockKind::Slots:
      return "a slot of a semaphore";
    case LockKind::SharedValue:
      return "a value of its memory";
    case LockKind::UnownedLock:
      return "a lock";
    case LockKind::ReentrantLock:
      return "a re-entrant lock";
    case LockKind::InterpreterLock:
      return "the interpreter lock";
    case LockKind::SharedSemaphore:
      return "a semaphore between processes";
    case LockKind::ImportLock:
      return "an import lock";
    case LockKind::Unknown:
    case LockKind::Parked:
      break;
  }
  return "";
}

std::string futex_of(const Snapshot& snapshot, const Wait& wait) {
  const snapshot::Lock& lock = wait.futex.lock;
  using snapshot::LockKind;
  if (snapshot::is_join(lock.kind) && !lock.owners.empty())
    return "the end of thread " + thread_list(snapshot, lock.owners);
  if (!lock.name.empty()) {
    const auto is_a = [&](const char* noun) { return lock.name.find(noun) != std::string::npos; };
    // A runtime's own lock is named by what it is there for.
    if (lock.kind == LockKind::Condition && is_a("condition variable"))
      return "a signal of " + lock.name;
    if (lock.kind == LockKind::Barrier && is_a("barrier"))
      return "the other parties of " + lock.name;
    return lock.name;
  }
  const std::string kind = kind_of(lock.kind);
  if (!kind.empty()) return kind;
  if (wait.futex.address.value == 0 && wait.asked) return "something that another thread does";
  if (wait.futex.address.value == 0) return "a wake-up of " + wait.detail;  // futex_waitv
  return (wait.futex.shared_memory ? "a word of shared memory at " : "a word of its memory at ") +
         hex(wait.futex.address.value);
}

std::string file_lock_of(const Snapshot& snapshot, const Wait& wait) {
  const std::string& type = wait.file_lock.type;
  const std::string name = type == "posix" ? "POSIX" : type == "ofd" ? "OFD" : type;
  return "the " + name + (wait.file_lock.exclusive ? " lock on " : " shared lock on ") +
         object_name(snapshot, wait.file_lock.file);
}

std::string of_first(const Snapshot& snapshot, const Wait& wait, const std::string& before,
                     const std::string& without) {
  return wait.objects.empty() ? without
                              : before + object_name(snapshot, wait.objects.front().object);
}

std::string describe(const Snapshot& snapshot, const snapshot::Process& process, const Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Running:
      return "nothing: it runs";
    case WaitKind::Read:
      return wait.objects.empty() ? "data" : input_on(snapshot, wait.objects.front().object);
    case WaitKind::Write:
      return of_first(snapshot, wait, "room in ", "room to write");
    case WaitKind::Poll:
      if (wait.objects.empty()) return wait.untimed ? "a signal" : "time to pass";
      return any_of(snapshot, wait.objects);
    case WaitKind::Epoll:
      return wait.objects.empty() ? "an event" : watched_by(snapshot, wait.objects.front().object);
    case WaitKind::OpenFifo:
      return "somebody to open the other side of " + opened_path(snapshot, wait);
    case WaitKind::Accept:
      return of_first(snapshot, wait, "a connection on ", "a connection");
    case WaitKind::Connect:
      return of_first(snapshot, wait, "its connection to be taken, ", "a connection");
    case WaitKind::Futex:
      return futex_of(snapshot, wait);
    case WaitKind::Child:
      return children_of(snapshot, wait);
    case WaitKind::Vfork:
      return "its vfork child " + numbers(snapshot, wait.children) + " to exec or exit";
    case WaitKind::FileLock:
      return file_lock_of(snapshot, wait);
    case WaitKind::SysvSem:
      return "System V semaphore set " + std::to_string(wait.sysv.id);
    case WaitKind::SysvSend:
      return "room in System V queue " + std::to_string(wait.sysv.id);
    case WaitKind::SysvReceive:
      return "a message on System V queue " + std::to_string(wait.sysv.id);
    case WaitKind::MqSend:
      return of_first(snapshot, wait, "room in ", "room in a message queue");
    case WaitKind::MqReceive:
      return of_first(snapshot, wait, "a message on ", "a message");
    case WaitKind::Sleep:
      return "time to pass";
    case WaitKind::Signal:
      return "a signal";
    case WaitKind::Stopped:
      return wait.frozen ? "its cgroup to be thawed" : "SIGCONT: it is stopped";
    case WaitKind::Traced:
      return "its tracer " + std::to_string(process.tracer.value);
    case WaitKind::KernelService:
      return of_first(snapshot, wait, "the server of ", "a server of the kernel");
    case WaitKind::Close:
      return of_first(snapshot, wait, "the peer to take what was sent on ", "a lingering close");
    case WaitKind::IoUring:
      return of_first(snapshot, wait, "a completion on ", "an io_uring completion");
    case WaitKind::Exiting:
      return wait.children.empty() ? "its own exit" : children_of(snapshot, wait);
    case WaitKind::Terminal:
      return of_first(snapshot, wait, "room for output on ", "a terminal");
    case WaitKind::Unknown:
      break;
  }
  return wait.call.empty() ? "something that could not be seen" : "its call " + wait.call;
}

}  // namespace

std::string object_name(const snapshot::Snapshot& snapshot, const ObjectId& id) {
  const Object* object = snapshot::find_object(snapshot, id);
  if (object != nullptr && !object->name.empty()) return object->name;
  if (id.kind == ObjectKind::Pipe) return "pipe:[" + std::to_string(id.ino) + "]";
  const bool is_socket = id.kind == ObjectKind::UnixSocket || id.kind == ObjectKind::InetSocket ||
                         id.kind == ObjectKind::OtherSocket;
  if (is_socket) return "socket:[" + std::to_string(id.ino) + "]";
  return snapshot::name_of(id.kind);
}

std::string opened_path(const snapshot::Snapshot& snapshot, const Wait& wait) {
  const Object* object =
      wait.objects.empty() ? nullptr : snapshot::find_object(snapshot, wait.objects.front().object);
  if (object != nullptr && !object->name.empty()) return object->name;
  constexpr std::string_view kPath = "path ";
  return wait.detail.starts_with(kPath) ? wait.detail.substr(kPath.size()) : "a FIFO";
}

std::string describe_wait(const snapshot::Snapshot& snapshot, TaskRef task) {
  const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
  if (process != nullptr && (process->dead || process->exited)) return "nothing: it has exited";
  if (process == nullptr || thread == nullptr || !thread->wait)
    return "something that could not be seen";
  const snapshot::Activity& activity = thread->activity;
  if (!activity.wants.empty() && (thread->wait->kind == WaitKind::Futex || activity.in_loop))
    return activity.wants;
  return describe(snapshot, *process, *thread->wait);
}

}  // namespace ipcdoctor::diagnosis
