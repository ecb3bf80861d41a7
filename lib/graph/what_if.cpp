#include "graph/what_if.h"

#include <algorithm>
#include <map>
#include <set>

#include "graph/lives.h"

namespace ipcdoctor::graph {
namespace {

using snapshot::Fd;
using snapshot::Object;
using snapshot::ObjectKind;
using snapshot::Process;
using snapshot::Wait;
using snapshot::WaitKind;

constexpr int kMaxNested = 5;  // EP_MAX_NESTS of fs/eventpoll.c, and one

/// What a wait waits for, those that an epoll set watches too.
void add_awaited(const Snapshot& snapshot, const ObjectId& id, std::set<ObjectId>& awaited,
                 int depth) {
  if (!awaited.insert(id).second || depth == 0) return;
  const Object* object = snapshot::find_object(snapshot, id);
  if (object == nullptr) return;
  for (const snapshot::Watched& watched : object->watched)
    add_awaited(snapshot, watched.object, awaited, depth - 1);
}

class WhatIf {
 public:
  WhatIf(const Snapshot& snapshot, std::span<const Event> events) : snapshot_(snapshot) {
    for (const Event& event : events) {
      switch (event.kind) {
        case Event::Kind::Wakes:
          woken_.insert(event.task);
          if (const Lock lock = lock_of(event.task); lock != Lock{}) released_.insert(lock);
          break;
        case Event::Kind::Closes:
          if (const Process* process = snapshot::find_process(snapshot, event.task.pid))
            closed_.emplace(snapshot::table_of(*process), event.fd);
          break;
      }
    }
    if (!closed_.empty()) find_shut();
  }

  /// Whether it ends the wait of that task by itself.
  bool frees(TaskRef task) const {
    if (woken_.contains(task)) return true;
    if (const Lock lock = lock_of(task); lock != Lock{} && released_.contains(lock)) return true;
    const snapshot::Thread* thread = snapshot::find_thread(snapshot_, task);
    if (thread == nullptr || !thread->wait) return false;
    const Process& process = *snapshot::find_process(snapshot_, task.pid);
    return frees(process, *thread->wait) ||
           std::ranges::any_of(thread->asks,
                               [&](const Wait& wait) { return frees(process, wait); });
  }

 private:
  /// What is left of a channel.
  struct Left {
    bool held = false, read = false, written = false;
  };

  /// A lock that is taken by one after the other, by where its word is; nothing for other waits.
  using Lock = std::pair<Pid, snapshot::PageId>;
  Lock lock_of(TaskRef task) const {
    const Process* process = snapshot::find_process(snapshot_, task.pid);
    const snapshot::Thread* thread = snapshot::find_thread(snapshot_, task);
    if (process == nullptr || thread == nullptr || !thread->wait) return {};
    const snapshot::FutexWait& futex = thread->wait->futex;
    const bool passed_on = futex.lock.kind == snapshot::LockKind::UnownedLock ||
                           futex.lock.kind == snapshot::LockKind::SharedSemaphore ||
                           snapshot::has_owner(futex.lock.kind);
    if (thread->wait->kind != WaitKind::Futex || !passed_on) return {};
    if (futex.shared_memory) return {Pid{}, futex.page};
    return {snapshot::memory_of(*process), {0, 0, futex.address.value}};
  }

  bool frees(const Process& process, const Wait& wait) const {
    if (wait.kind == WaitKind::FileLock) return frees(process, wait.file_lock);
    std::set<ObjectId> awaited;
    for (const snapshot::Awaited& one : wait.objects)
      add_awaited(snapshot_, one.object, awaited, kMaxNested);
    return std::ranges::any_of(awaited, [this](const ObjectId& id) { return shut_.contains(id); });
  }

  /// All that is in its way goes with the descriptors that hold it.
  bool frees(const Process& process, const snapshot::FileLockWait& wait) const {
    bool any = false;
    for (const snapshot::FileLock& lock : snapshot_.file_locks) {
      if (lock.file != wait.file || !snapshot::is_in_the_way(snapshot_, lock, wait, process.pid))
        continue;
      any = true;
      const bool gone = std::ranges::all_of(lock.holders, [this](const auto& holder) {
        const Process* its = snapshot::find_process(snapshot_, holder.first);
        return its != nullptr && is_closed(*its, holder.second);
      });
      if (!gone || lock.holders.empty()) return false;
    }
    return any;
  }

  bool is_closed(const Process& process, int fd) const {
    return closed_.contains({snapshot::table_of(process), fd});
  }

  template <class Do>
  void for_each_fd(Do act) const {
    for (const Process& process : snapshot_.processes) {
      if (process.dead || process.exited || process.scope == snapshot::Scope::Self) continue;
      if (process.fds)
        for (const Fd& fd : *process.fds) act(process, fd);
      for (const snapshot::Thread& thread : process.threads)
        if (thread.own_fds)
          for (const Fd& fd : *thread.own_fds) act(process, fd);
    }
  }

  /// The channels of which a side is closed everywhere now, and who waits at the other.
  void find_shut() {
    std::map<ObjectId, Left> left;
    for_each_fd([&](const Process& process, const Fd& fd) {
      if (is_closed(process, fd.fd)) left.try_emplace(fd.object);
    });
    add_carried(left);
    for_each_fd([&](const Process& process, const Fd& fd) {
      const auto it = left.find(fd.object);
      if (it == left.end() || is_closed(process, fd.fd)) return;
      it->second.held = true;
      it->second.read |= is_on(Side::Readers, fd.access);
      it->second.written |= is_on(Side::Writers, fd.access);
    });
    keep_carried(left);
    for (const auto& [id, side] : left) add_shut(id, side);
  }

  /// With a socket or ring goes what it carries.
  void add_carried(std::map<ObjectId, Left>& left) const {
    for (const Object& carrier : snapshot_.objects) {
      if (!left.contains(carrier.id)) continue;
      for (const auto* inner : {&carrier.in_flight, &carrier.registered})
        for (const ObjectId& id : *inner) left.try_emplace(id);
    }
  }

  /// What is in the queue of a socket that somebody still has is open.
  void keep_carried(std::map<ObjectId, Left>& left) const {
    for (const Object& carrier : snapshot_.objects) {
      const auto its = left.find(carrier.id);
      if (its != left.end() && !its->second.held) continue;
      for (const auto* inner : {&carrier.in_flight, &carrier.registered})
        for (const ObjectId& id : *inner)
          if (const auto it = left.find(id); it != left.end()) it->second = {true, true, true};
    }
  }

  void add_shut(const ObjectId& id, const Left& side) {
    switch (id.kind) {
      case ObjectKind::Pipe:
      case ObjectKind::Fifo:
        if (!side.written || !side.read) shut_.insert(id);
        return;
      case ObjectKind::Terminal:
        if (!side.held) shut_.insert({ObjectKind::TerminalMaster, id.dev, 0});
        return;
      case ObjectKind::TerminalMaster:
        if (!side.held) shut_.insert({ObjectKind::Terminal, id.dev, 0});
        return;
      default:
        break;
    }
    const Object* object = snapshot::find_object(snapshot_, id);
    if (!side.held && object != nullptr && object->socket) shut_.insert(object->socket->peer);
  }

  const Snapshot& snapshot_;
  std::set<TaskRef> woken_;
  std::set<Lock> released_;
  std::set<std::pair<Pid, int>> closed_;  ///< descriptors by the process whose table it is
  std::set<ObjectId> shut_;               ///< whose waiters get an end-of-file, or an error
};

}  // namespace

std::vector<TaskRef> freed_by(const Snapshot& snapshot, const Gates& gates,
                              std::span<const Event> events, std::span<const TaskRef> tasks,
                              Level level) {
  const WhatIf what_if(snapshot, events);
  const std::size_t size = gates.network.size();
  Flags off(size, 0), on(size, 0);
  for (Node n = 0; n < size; ++n)
    if (const Leaf* leaf = gates.leaf(n)) off[n] = switched_off_at(leaf->life) >= level;
  for (const TaskRef& task : tasks) {
    const auto node = gates.node_of_task.find(task);
    if (node != gates.node_of_task.end() && what_if.frees(task)) on[node->second] = 1;
  }
  const Flags live = reduce(gates.network, off, on);
  std::vector<TaskRef> freed;
  for (const TaskRef& task : tasks) {
    const auto node = gates.node_of_task.find(task);
    if (node != gates.node_of_task.end() && live[node->second] != 0) freed.push_back(task);
  }
  return freed;
}

}  // namespace ipcdoctor::graph
