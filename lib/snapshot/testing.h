#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/cpython/library_words.h"
#include "snapshot/snapshot.h"

/// Hand-made snapshots for tests: a small program in a few lines.
///
///   Builder b;
///   b.process(40).thread().waits_for_child(42);
///   b.process(42).child_of(40).fd(3, pipe(7), Access::Write).fd(4, pipe(7),
///   Access::Read).thread().reads(4); const Snapshot snapshot = b.build();
///
/// Unless told otherwise everything was seen: threads are stable and blocked without a timeout, fd
/// tables and signal sets were read, and all holders are known.
namespace ipcdoctor::snapshot::testing {

inline ObjectId object(ObjectKind kind, std::uint64_t ino, std::uint64_t dev = 0) {
  return {kind, dev, ino};
}
inline ObjectId pipe(std::uint64_t ino) {
  return object(ObjectKind::Pipe, ino);
}
inline ObjectId fifo(std::uint64_t ino) {
  return object(ObjectKind::Fifo, ino, 8);
}
inline ObjectId file(std::uint64_t ino) {
  return object(ObjectKind::File, ino, 8);
}
inline ObjectId unix_socket(std::uint64_t ino) {
  return object(ObjectKind::UnixSocket, ino);
}
inline ObjectId inet_socket(std::uint64_t ino) {
  return object(ObjectKind::InetSocket, ino);
}
inline ObjectId eventfd(std::uint64_t ino) {
  return object(ObjectKind::EventFd, ino);
}
inline ObjectId queue(std::uint64_t ino) {
  return object(ObjectKind::MessageQueue, ino, 8);
}
inline TaskRef task(int pid, int tid = 0) {
  return {Pid{pid}, Tid{tid == 0 ? pid : tid}};
}

inline Socket stream(std::string family) {
  Socket socket;
  socket.family = std::move(family);
  socket.type = "stream";
  socket.state = "unconnected";
  return socket;
}

/// Of a language's own library: "/usr/lib/python3.11/" + file.
inline Frame library_frame(const std::string& file, std::string function) {
  Frame frame;
  frame.kind = FrameKind::Interpreted;
  frame.file = "/usr/lib/python3.11/" + file;
  frame.function = std::move(function);
  return frame;
}

class Builder;

/// One process and, after thread(), the thread that the wait functions speak about.
class ProcessBuilder {
 public:
  ProcessBuilder(Builder& builder, Process& process) : builder_(builder), process_(process) {}

  /// Adds a thread; 0 = the leader.
  ProcessBuilder& thread(int tid = 0) {
    Thread thread;
    thread.tid = Tid{tid == 0 ? process_.pid.value : tid};
    thread.comm = process_.comm;
    thread.state = 'S';
    thread.stable = true;
    thread.signals = SignalSets{};
    process_.threads.push_back(std::move(thread));
    return *this;
  }
  Thread& last() { return process_.threads.back(); }
  Wait& wait() { return *last().wait; }
  Process& process() { return process_; }

  ProcessBuilder& comm(std::string name) { return process_.comm = std::move(name), *this; }
  ProcessBuilder& child_of(int pid) { return process_.ppid = Pid{pid}, *this; }
  ProcessBuilder& scope(Scope scope) { return process_.scope = scope, *this; }
  ProcessBuilder& zombie() { return process_.dead = true, process_.state = 'Z', *this; }
  ProcessBuilder& shares_memory_with(int pid) { return process_.mm_group = Pid{pid}, *this; }
  ProcessBuilder& python(std::string version = "3.11.2") {
    return process_.interpreter.version = std::move(version), *this;
  }
  inline ProcessBuilder& fd(int fd, ObjectId id, Access access = Access::Both);

  /// Adds a frame of the user's own Python code, outermost last.
  ProcessBuilder& at(std::string file, int line, std::string function) {
    Frame frame;
    frame.kind = FrameKind::Interpreted;
    frame.file = std::move(file);
    frame.line = line;
    frame.function = std::move(function);
    frame.user_code = true;
    std::vector<Frame> frames = last().interpreted.value_or(std::vector<Frame>{});
    frames.push_back(std::move(frame));
    last().interpreted = std::move(frames);
    last().is_interpreted = true;
    return *this;
  }
  /// A call of Python's library, as its runtime tells it.
  ProcessBuilder& activity(std::string call, RuntimeObject object = {}) {
    last().activity = {};
    last().activity.call = std::move(call);
    last().activity.object = std::move(object);
    runtime::cpython::add_words(last().activity);
    last().is_interpreted = last().activity.operation != Operation::None;
    return *this;
  }
  /// What the thread is there for, whatever it is in now.
  ProcessBuilder& as(Part part) { return last().activity.part = part, *this; }

  ProcessBuilder& waits(WaitKind kind, std::string call) {
    Wait wait;
    wait.kind = kind;
    wait.call = std::move(call);
    wait.untimed = true;
    last().wait = std::move(wait);
    return *this;
  }
  ProcessBuilder& timed() { return wait().untimed = false, *this; }
  /// It asks for what it waits for again and again.
  ProcessBuilder& asked() {
    last().meanwhile = effects_of(0, "");
    return wait().asked = true, last().stable = false, *this;
  }
  ProcessBuilder& runs() { return last().state = 'R', waits(WaitKind::Running, ""), *this; }
  ProcessBuilder& sleeps(std::chrono::milliseconds time = std::chrono::hours(1)) {
    waits(WaitKind::Sleep, "clock_nanosleep").timed();
    wait().sleep_ms = static_cast<std::uint64_t>(time.count());
    return *this;
  }
  ProcessBuilder& on(int fd, bool in, bool out) {
    return wait().objects.push_back({fd, object_of(fd), in, out}), *this;
  }
  ProcessBuilder& reads(int fd) { return waits(WaitKind::Read, "read").on(fd, true, false); }
  ProcessBuilder& writes(int fd) { return waits(WaitKind::Write, "write").on(fd, false, true); }
  ProcessBuilder& accepts(int fd) { return waits(WaitKind::Accept, "accept4").on(fd, true, false); }
  ProcessBuilder& polls_in(const std::vector<int>& fds) {
    waits(WaitKind::Poll, "poll");
    for (const int fd : fds) on(fd, true, false);
    return *this;
  }
  ProcessBuilder& waits_for_child(int pid) { return waits_for_children({pid}); }
  ProcessBuilder& waits_for_children(const std::vector<int>& pids) {
    waits(WaitKind::Child, "wait4");
    for (const int pid : pids) wait().children.push_back(Pid{pid});
    return *this;
  }
  /// A futex on private memory; set the rest through lock().
  ProcessBuilder& futex(std::uint64_t address, LockKind kind = LockKind::Unknown) {
    waits(WaitKind::Futex, "futex");
    wait().futex.address = RemoteAddr{address};
    lock().kind = kind;
    lock().address = RemoteAddr{address};
    return *this;
  }
  /// A futex in the shared area of that inode, offset 0.
  ProcessBuilder& shared_futex(std::uint64_t ino, LockKind kind = LockKind::Semaphore) {
    futex(0x7f0000000000 + ino, kind);
    wait().futex.shared_memory = true;
    wait().futex.page = {1, ino, 0};
    return *this;
  }
  Lock& lock() { return wait().futex.lock; }
  /// The lock waited for is owned by these, and only they may release it.
  ProcessBuilder& owned_by(std::vector<TaskRef> owners) {
    lock().ownership = Ownership::Known;
    lock().owners = std::move(owners);
    lock().checked = true;
    return *this;
  }
  ProcessBuilder& file_lock(ObjectId id, std::string type, bool exclusive = true) {
    waits(WaitKind::FileLock, type == "flock" ? "flock" : "fcntl");
    wait().file_lock.file = id;
    wait().file_lock.type = std::move(type);
    wait().file_lock.exclusive = exclusive;
    return *this;
  }

 private:
  ObjectId object_of(int fd) const {
    if (!process_.fds) return {};
    const auto it = std::ranges::find(*process_.fds, fd, &Fd::fd);
    return it == process_.fds->end() ? ObjectId{} : it->object;
  }

  Builder& builder_;
  Process& process_;
};

class Builder {
 public:
  Builder() {
    snapshot_.all_holders_seen = true;
    snapshot_.in_init_pid_ns = true;
  }

  /// The process of that pid; the first one is the target, the others its descendants.
  ProcessBuilder process(int pid) {
    const auto [it, is_new] = processes_.try_emplace(pid);
    Process& process = it->second;
    if (is_new) {
      process.pid = process.mm_group = process.fd_group = Pid{pid};
      process.comm = "app";
      process.pid_ns = 1;
      process.state = 'S';
      process.scope = processes_.size() == 1 ? Scope::Target : Scope::Descendant;
      process.fds = std::vector<Fd>{};
      if (processes_.size() == 1) snapshot_.targets = {Pid{pid}};
    }
    return {*this, process};
  }

  /// The object of that id, made if need be.
  Object& object(const ObjectId& id) {
    Object& object = objects_[id];
    if (object.id.kind == ObjectKind::Unknown) {
      object.id = id;
      object.name = name_of(id.kind) + ":[" + std::to_string(id.ino) + "]";
      if (id.kind == ObjectKind::UnixSocket) object.socket = stream("unix");
      if (id.kind == ObjectKind::InetSocket) object.socket = stream("tcp");
    }
    return object;
  }

  /// Connects two sockets.
  Builder& connect(const ObjectId& a, const ObjectId& b) {
    object(a).socket->peer = b;
    object(b).socket->peer = a;
    object(a).socket->state = object(b).socket->state = "established";
    return *this;
  }
  Builder& area(std::uint64_t ino, const std::vector<int>& mappers,
                std::string path = "/dev/shm/sem.x (deleted)", bool has_name = false) {
    SharedArea area{1, ino, std::move(path), has_name, {}};
    for (const int pid : mappers) area.mappers.push_back(Pid{pid});
    snapshot_.shared_areas.push_back(std::move(area));
    return *this;
  }
  /// @param type  "sem", "msg"
  SysvObject& sysv(std::string type, int id, std::int64_t key = SysvObject::kUnknownKey) {
    SysvObject& object = snapshot_.sysv.emplace_back();
    object.type = std::move(type);
    object.id = id;
    object.key = key;
    return object;
  }
  Builder& lock(FileLock lock) { return snapshot_.file_locks.push_back(std::move(lock)), *this; }
  Snapshot& raw() { return snapshot_; }

  Snapshot build() const {
    Snapshot snapshot = snapshot_;
    for (const auto& [pid, process] : processes_) snapshot.processes.push_back(process);
    for (const auto& [id, object] : objects_) snapshot.objects.push_back(object);
    for (Process& process : snapshot.processes) {
      std::ranges::sort(process.threads, {}, &Thread::tid);
      for (RuntimeObject& object : process.interpreter.objects) runtime::cpython::add_words(object);
      if (process.fds) std::ranges::sort(*process.fds, {}, &Fd::fd);
    }
    return snapshot;
  }

 private:
  Snapshot snapshot_;
  std::map<int, Process> processes_;
  std::map<ObjectId, Object> objects_;
};

inline ProcessBuilder& ProcessBuilder::fd(int fd, ObjectId id, Access access) {
  builder_.object(id);
  process_.fds->push_back({fd, access, id});
  return *this;
}

}  // namespace ipcdoctor::snapshot::testing
