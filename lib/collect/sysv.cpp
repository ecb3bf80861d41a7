#include "collect/sysv.h"

#include <algorithm>
#include <map>
#include <set>

#include "linux/sysvipc.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::WaitKind;

snapshot::SysvObject semaphores(System& system, int id) {
  snapshot::SysvObject out{"sem", id, 0, {}, {}, {}};
  const auto sets = linux::read_sysvipc_sem(system.proc());
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
    out.last_pids.push_back(semaphore.last_pid);
  }
  return out;
}

snapshot::SysvObject queue(System& system, int id) {
  snapshot::SysvObject out{"msg", id, 0, {}, {}, {}};
  const auto queues = linux::read_sysvipc_msg(system.proc());
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
  out.last_pids = {limits->last_sender, limits->last_receiver};
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
