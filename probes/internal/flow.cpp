#include "probes/internal/flow.h"

#include <algorithm>

namespace ipcdoctor::probes {
namespace {

using snapshot::WaitKind;

constexpr std::size_t kMaxWakers = 256;

/// A write to a terminal goes on when its master is read.
std::vector<ObjectId> masters_of(const Wait& wait) {
  std::vector<ObjectId> masters;
  if (wait.kind != WaitKind::Terminal || !wait.call.starts_with("write")) return masters;
  for (const snapshot::Awaited& awaited : wait.objects)
    if (awaited.object.kind == snapshot::ObjectKind::Terminal)
      masters.push_back({snapshot::ObjectKind::TerminalMaster, awaited.object.dev, 0});
  return masters;
}

void sort_once(std::vector<Pid>& pids) {
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
}

}  // namespace

Flow flow_of(const Context& context, const Ends& ends, TaskRef task) {
  Flow flow{task, Way::None, {}, {}};
  const Wait* wait = wait_of(context.snapshot, task);
  if (wait == nullptr) return flow;
  if (receives(*wait)) flow.way = Way::Receive;
  if (sends(*wait) || waits_until_sent(context.snapshot, task)) flow.way = Way::Send;
  flow.objects = flow.way == Way::Send ? sent_objects(context.snapshot, task)
                                       : received_objects(context.snapshot, task);
  for (const ObjectId& object : flow.objects)
    for (const Holder& holder :
         flow.way == Way::Send ? ends.receivers(object) : ends.senders(object))
      flow.partners.push_back(holder.pid);
  if (flow.way == Way::None) {
    flow.objects = masters_of(*wait);
    if (!flow.objects.empty()) flow.way = Way::Send;
    for (const ObjectId& master : flow.objects)
      for (const Holder& holder : ends.holders(master)) flow.partners.push_back(holder.pid);
  }
  // System V queues have no descriptors.
  if (wait->kind == WaitKind::SysvSend || wait->kind == WaitKind::SysvReceive)
    for (const graph::Waker& waker : context.graph.wakers(task, kMaxWakers))
      flow.partners.push_back(waker.task.pid);
  sort_once(flow.partners);
  return flow;
}

std::vector<Flow> flows_of(const Context& context, const Ends& ends,
                           const std::vector<TaskRef>& tasks) {
  std::vector<Flow> flows;
  for (const TaskRef& task : tasks) flows.push_back(flow_of(context, ends, task));
  return flows;
}

bool is_partner(const Flow& flow, Pid pid) {
  return std::ranges::binary_search(flow.partners, pid);
}

std::optional<Pid> keeper_of(const Snapshot& snapshot, const std::vector<Holder>& holders,
                             const Holder& copy) {
  const auto keeper = std::ranges::find_if(holders, [&](const Holder& h) {
    return h.fd == copy.fd && h.pid != copy.pid && h.hold == Hold::Descriptor &&
           is_ancestor(snapshot, h.pid, copy.pid) && waits_for_exit(snapshot, h.pid, copy.pid);
  });
  return keeper == holders.end() ? std::nullopt : std::optional(keeper->pid);
}

std::vector<Pid> those_who_decide(const Snapshot& snapshot, std::vector<Pid> pids) {
  sort_once(pids);
  if (pids.size() <= 2) return pids;
  for (const Pid pid : pids) {
    const bool started_all = std::ranges::all_of(
        pids, [&](Pid other) { return other == pid || is_ancestor(snapshot, pid, other); });
    if (started_all) return {pid};
  }
  return pids;
}

std::string filled(const Snapshot& snapshot, const ObjectId& id) {
  const std::string name = diagnosis::object_name(snapshot, id);
  const snapshot::Object* object = snapshot::find_object(snapshot, id);
  if (object == nullptr || !object->queued) return name;
  const std::string unit = id.kind == snapshot::ObjectKind::MessageQueue ? " messages" : " bytes";
  if (id.kind == snapshot::ObjectKind::EventFd)
    return name + " (count " + std::to_string(*object->queued) + ")";
  const std::string of = object->capacity ? " of " + std::to_string(*object->capacity) : "";
  return name + " (" + std::to_string(*object->queued) + of + unit + ")";
}

}  // namespace ipcdoctor::probes
