#include "diagnosis/relations.h"

#include <algorithm>

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Access;
using snapshot::ObjectKind;
using snapshot::WaitKind;

std::size_t hash_of(const ObjectId& id) {
  return (id.ino * 0x9e3779b97f4a7c15U) ^ (id.dev << 20U) ^ static_cast<std::size_t>(id.kind);
}

/// What is no descriptor has a number of its own here; no real object is of unknown kind.
enum class Other : std::uint8_t { Area = 1, Semaphores, Messages, LockedFile, Word };

ObjectId id_of(Other what, std::uint64_t dev, std::uint64_t ino) {
  return {ObjectKind::Unknown, (static_cast<std::uint64_t>(what) << 56U) ^ dev, ino};
}
ObjectId area_id(std::uint64_t dev, std::uint64_t ino) {
  return id_of(Other::Area, dev, ino);
}
ObjectId sysv_id(const std::string& type, int id) {
  return id_of(type == "sem" ? Other::Semaphores : Other::Messages, 0,
               static_cast<std::uint64_t>(id));
}
ObjectId lock_id(const ObjectId& file) {
  return id_of(Other::LockedFile, file.dev, file.ino);
}
/// A word of private memory.
ObjectId word_id(const snapshot::Process& process, RemoteAddr address) {
  return id_of(Other::Word, static_cast<std::uint64_t>(process.mm_group.value), address.value);
}

}  // namespace

Relations::Relations(const Snapshot& snapshot) : snapshot_(snapshot) {
  for (const snapshot::Process& process : snapshot.processes) {
    processes.push_back({&process, kNoIndex, static_cast<Index>(threads.size()), {}});
    for (const snapshot::Thread& thread : process.threads)
      threads.push_back({static_cast<Index>(processes.size() - 1), &thread, {}, {}, {}, {}});
  }
  for (Process& process : processes) process.parent = this->process(process.known->ppid);
  for (Index t = 0; t < threads.size(); ++t) add_wait(t);
  // Somebody may have an end of what sits in the queue of a socket that nobody waits for.
  for (const snapshot::Object& known : snapshot.objects) {
    const bool carries = !known.in_flight.empty() || !known.registered.empty() ||
                         (known.socket && known.socket->fds_in_flight > 0);
    if (carries) object(known.id);
  }
  for (Index o = 0; o < objects.size(); ++o) add_object(o);
  add_holdings();
}

Index Relations::process(Pid pid) const {
  const auto it =
      std::ranges::lower_bound(processes, pid, {}, [](const Process& p) { return p.known->pid; });
  return it != processes.end() && it->known->pid == pid ? static_cast<Index>(it - processes.begin())
                                                        : kNoIndex;
}

Index Relations::end_of_threads(Index process) const {
  return process + 1 < processes.size() ? processes[process + 1].first_thread
                                        : static_cast<Index>(threads.size());
}

Index Relations::thread(TaskRef task) const {
  const Index owner = process(task.pid);
  if (owner == kNoIndex) return kNoIndex;
  const auto begin = threads.begin() + processes[owner].first_thread;
  const auto end = threads.begin() + end_of_threads(owner);
  const auto it = std::ranges::lower_bound(begin, end, task.tid, {},
                                           [](const Thread& t) { return t.known->tid; });
  return it != end && it->known->tid == task.tid ? static_cast<Index>(it - threads.begin())
                                                 : kNoIndex;
}

TaskRef Relations::task(Index thread) const {
  return {processes[threads[thread].process].known->pid, threads[thread].known->tid};
}

Index Relations::find(const ObjectId& id) const {
  const auto [begin, end] = places_.equal_range(hash_of(id));
  for (auto it = begin; it != end; ++it)
    if (objects[it->second].id == id) return it->second;
  return kNoIndex;
}

Index Relations::object(const ObjectId& id) {
  const Index known = find(id);
  if (known != kNoIndex) return known;
  places_.emplace(hash_of(id), static_cast<Index>(objects.size()));
  objects.push_back({id, snapshot::find_object(snapshot_, id), {}, {}, {}, {}});
  return static_cast<Index>(objects.size() - 1);
}

/// May add objects behind: those that it is related to.
void Relations::add_object(Index at) {
  const snapshot::Object* known = objects[at].known;
  if (known == nullptr) return;
  const auto relate = [&](const ObjectId& id) {
    if (id.kind == ObjectKind::Unknown) return;
    const Index other = object(id);
    if (other == at) return;
    objects[at].related.push_back(other);
    objects[other].related.push_back(at);
  };
  if (known->socket) {
    relate(known->socket->peer);
    relate(known->socket->listener);
  }
  for (const snapshot::Watched& watched : known->watched) relate(watched.object);
  for (const ObjectId& id : known->in_flight) relate(id);
  for (const ObjectId& id : known->registered) relate(id);
}

void Relations::add_wait(Index at) {
  Thread& thread = threads[at];
  if (!thread.known->wait) return;
  const snapshot::Wait& wait = *thread.known->wait;
  const snapshot::Process& process = *processes[thread.process].known;
  const auto awaits = [&](const ObjectId& id) {
    const Index other = object(id);
    thread.awaited.push_back(other);
    if (objects[other].waiters.empty() || objects[other].waiters.back() != at)
      objects[other].waiters.push_back(at);
  };
  for (const snapshot::Awaited& awaited : wait.objects) {
    if (awaited.object.kind == ObjectKind::Unknown) continue;
    awaits(awaited.object);
    if (awaited.object.kind == ObjectKind::Terminal)
      awaits({ObjectKind::TerminalMaster, awaited.object.dev, 0});
    if (awaited.object.kind == ObjectKind::TerminalMaster)
      awaits({ObjectKind::Terminal, awaited.object.dev, 0});
    if (awaited.object.kind == ObjectKind::PidFd)
      if (const Index p = this->process(Pid{static_cast<int>(awaited.object.ino)}); p != kNoIndex)
        thread.children.push_back(p);
  }
  switch (wait.kind) {
    case WaitKind::Futex:
      if (wait.futex.shared_memory) {
        awaits(area_id(wait.futex.page.dev, wait.futex.page.ino));
      } else {
        awaits(word_id(process, wait.futex.address));
        if (wait.futex.lock.address != wait.futex.address)
          awaits(word_id(process, wait.futex.lock.address));
      }
      for (const auto* owners : {&wait.futex.lock.owners, &wait.futex.lock.likely_owners})
        for (const TaskRef& owner : *owners)
          if (const Index t = this->thread(owner); t != kNoIndex) thread.owners.push_back(t);
      break;
    case WaitKind::FileLock:
      awaits(lock_id(wait.file_lock.file));
      break;
    case WaitKind::SysvSem:
      awaits(sysv_id("sem", wait.sysv.id));
      break;
    case WaitKind::SysvSend:
    case WaitKind::SysvReceive:
      awaits(sysv_id("msg", wait.sysv.id));
      break;
    default:
      break;
  }
  for (const Pid child : wait.children)
    if (const Index p = this->process(child); p != kNoIndex) thread.children.push_back(p);
}

void Relations::add_holdings() {
  const auto add = [&](Index holder, const ObjectId& id, Access access) {
    const Index at = find(id);
    if (holder == kNoIndex || at == kNoIndex) return;
    objects[at].holders.push_back({holder, access});
    processes[holder].holdings.push_back({at, access});
  };
  for (Index p = 0; p < processes.size(); ++p) {
    const snapshot::Process& process = *processes[p].known;
    if (process.fds)
      for (const snapshot::Fd& fd : *process.fds) add(p, fd.object, fd.access);
    for (const snapshot::Thread& thread : process.threads)
      if (thread.own_fds)
        for (const snapshot::Fd& fd : *thread.own_fds) add(p, fd.object, fd.access);
  }
  for (const snapshot::SharedArea& area : snapshot_.shared_areas)
    for (const Pid pid : area.mappers) add(process(pid), area_id(area.dev, area.ino), Access::Both);
  for (const snapshot::SysvObject& set : snapshot_.sysv)
    for (const Pid pid : set.attached) add(process(pid), sysv_id(set.type, set.id), Access::Both);
  for (const snapshot::FileLock& lock : snapshot_.file_locks) {
    const Access access = lock.exclusive ? Access::Write : Access::Read;
    for (const auto& [pid, fd] : lock.holders) add(process(pid), lock_id(lock.file), access);
    add(process(lock.taker), lock_id(lock.file), access);
  }
  for (Index t = 0; t < threads.size(); ++t) {
    const snapshot::Process& process = *processes[threads[t].process].known;
    for (const RemoteAddr lock : threads[t].known->held_locks)
      if (const Index at = find(word_id(process, lock)); at != kNoIndex) {
        threads[t].held.push_back(at);
        objects[at].keepers.push_back(t);
      }
  }
  const auto once = [](std::vector<Holding>& holdings) {
    std::ranges::sort(holdings);
    const auto repeated = std::ranges::unique(holdings);
    holdings.erase(repeated.begin(), repeated.end());
  };
  for (Object& object : objects) once(object.holders);
  for (Process& process : processes) once(process.holdings);
}

}  // namespace ipcdoctor::diagnosis
