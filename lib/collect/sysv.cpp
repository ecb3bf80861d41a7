#include "collect/sysv.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "linux/sysvipc.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::WaitKind;

/// Who last used an object; 0 if nobody can tell whether he lives.
Pid known_or_none(System& system, Pid pid) {
  if (pid.value <= 0 || system.find(pid) != nullptr) return pid;
  const bool ours = system.numbers_as_proc_does() && !system.proc_hides();
  return ours && ::getpgid(pid.value) < 0 && errno == ESRCH ? pid : Pid{};
}

snapshot::SysvObject semaphores(System& system, int id) {
  snapshot::SysvObject out{"sem", id, snapshot::SysvObject::kUnknownKey, {}, {}, {}};
  const auto sets = linux::read_sysvipc_sem(system.proc());
  if (!sets) system.note_unseen(Pid{}, Tid{}, sets.error());
  for (const auto& set : sets.value_or(std::vector<linux::SemaphoreSet>{})) {
    if (set.id == id) out.key = set.key;
  }
  const auto values = linux::read_semaphores(id);
  if (!values) {
    system.note_unseen(Pid{}, Tid{}, values.error());
    return out;
  }
  for (const linux::Semaphore& semaphore : *values) {
    out.values.push_back(semaphore.value);
    out.last_pids.push_back(known_or_none(system, semaphore.last_pid));
  }
  return out;
}

snapshot::SysvObject queue(System& system, int id) {
  snapshot::SysvObject out{"msg", id, snapshot::SysvObject::kUnknownKey, {}, {}, {}};
  const auto queues = linux::read_sysvipc_msg(system.proc());
  if (!queues) system.note_unseen(Pid{}, Tid{}, queues.error());
  for (const auto& info : queues.value_or(std::vector<linux::MessageQueueInfo>{})) {
    if (info.id == id) out.key = info.key;
  }
  const auto limits = linux::read_message_queue(id);
  if (!limits) {
    system.note_unseen(Pid{}, Tid{}, limits.error());
    return out;
  }
  out.values = {static_cast<int>(limits->messages), static_cast<int>(limits->bytes),
                static_cast<int>(limits->max_bytes)};
  out.last_pids = {known_or_none(system, limits->last_sender),
                   known_or_none(system, limits->last_receiver)};
  return out;
}

}  // namespace

SysvObjects read_sysv(System& system) {
  std::map<std::pair<bool, int>, std::set<Pid>> waited;  // (is a semaphore set, id)
  for (const auto& process : system.processes()) {
    for (const ThreadEntry& thread : process->threads) {
      if (!thread.out.wait) continue;
      const WaitKind kind = thread.out.wait->kind;
      const bool is_sem = kind == WaitKind::SysvSem;
      if (!is_sem && kind != WaitKind::SysvSend && kind != WaitKind::SysvReceive) continue;
      const auto ours = linux::shares_our_ipc_namespace(*process->dir);
      if (ours && *ours) waited[{is_sem, thread.out.wait->sysv.id}].insert(process->pid);
    }
  }
  SysvObjects objects;
  for (const auto& [key, pids] : waited) {
    objects.push_back(key.first ? semaphores(system, key.second) : queue(system, key.second));
    objects.back().attached.assign(pids.begin(), pids.end());
  }
  return objects;
}

}  // namespace ipcdoctor::collect
