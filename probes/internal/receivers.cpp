#include "probes/internal/receivers.h"

#include <algorithm>

namespace ipcdoctor::probes {
namespace {

using snapshot::ObjectId;
using snapshot::Operation;
using snapshot::Reach;
using snapshot::Resource;
using snapshot::RuntimeObject;

bool waits_in_private_memory(const Thread& thread) {
  const Wait* wait = wait_of(thread);
  return wait != nullptr && wait->kind == snapshot::WaitKind::Futex && !wait->futex.shared_memory;
}

bool is_proxy_get(const Thread& thread) {
  return thread.activity.object.kind == Resource::Proxy &&
         thread.activity.object.texts.get_or(Text::Method, "") == "get";
}

/// What it reads: the pipe of the queue, else the descriptor of the call.
ObjectId source_of(const Thread& thread) {
  const RuntimeObject& object = thread.activity.object;
  for (const End end : {End::Reader, End::Handle, End::Socket})
    if (const ObjectId* id = object.objects.find(end)) return *id;
  const Wait* wait = wait_of(thread);
  return wait != nullptr && !wait->objects.empty() ? wait->objects.front().object : ObjectId{};
}

/// It receives from a message queue, by no library's call.
bool receives_messages(const Thread& thread) {
  const Wait* wait = wait_of(thread);
  return wait != nullptr && thread.activity.call.empty() &&
         (wait->kind == WaitKind::MqReceive || wait->kind == WaitKind::SysvReceive);
}

/// The number of the System V queue that it receives from; -1: it does not.
int sysv_queue(const Thread& thread) {
  const Wait* wait = wait_of(thread);
  return wait != nullptr && wait->kind == WaitKind::SysvReceive ? wait->sysv.id : -1;
}

bool can_write_to(const Process& process, const ObjectId& id) {
  return !process.fds || std::ranges::any_of(*process.fds, [&](const snapshot::Fd& fd) {
    return fd.object == id && fd.access != snapshot::Access::Read;
  });
}

}  // namespace

bool takes_from_processes(const Thread& thread) {
  const snapshot::Activity& activity = thread.activity;
  const bool takes =
      (activity.operation == Operation::Take && activity.object.kind == Resource::Queue) ||
      (activity.operation == Operation::Receive && activity.object.kind == Resource::Channel);
  return receives_messages(thread) || is_proxy_get(thread) ||
         (takes && activity.object.reach == Reach::Tree);
}

bool takes_from_memory(const Thread& thread) {
  return !thread.is_interpreted && thread.activity.operation == Operation::Take &&
         waits_in_private_memory(thread);
}

bool puts_into_memory(const Thread& thread) {
  return !thread.is_interpreted && thread.activity.operation == Operation::Put &&
         waits_in_private_memory(thread);
}

bool takes_from_threads(const Thread& thread) {
  const bool of_threads =
      thread.activity.operation == Operation::Take && thread.activity.object.reach == Reach::Memory;
  return of_threads || takes_from_memory(thread);
}

bool takes_from_queue(const Thread& thread) {
  return takes_from_processes(thread) || takes_from_threads(thread);
}

Members fellow_receivers(const Members& members, const Member& one) {
  const bool by_threads = takes_from_threads(*one.thread);
  const ObjectId source = source_of(*one.thread);
  const RuntimeObject& object = one.thread->activity.object;
  Members fellows;
  for (const Member& member : members) {
    if (!takes_from_queue(*member.thread) || takes_from_threads(*member.thread) != by_threads)
      continue;
    const bool same_object = !receives_messages(*one.thread) &&
                             member.process->mm_group == one.process->mm_group &&
                             member.thread->activity.object.address == object.address;
    const bool same_source =
        !by_threads && sysv_queue(*member.thread) == sysv_queue(*one.thread) &&
        (source.kind != snapshot::ObjectKind::Unknown || sysv_queue(*one.thread) >= 0) &&
        source_of(*member.thread) == source;
    if (member.task == one.task || same_object || same_source) fellows.push_back(member);
  }
  return fellows;
}

bool could_give(const Member& giver, const Member& receiver) {
  if (takes_from_threads(*receiver.thread))
    return giver.process->mm_group == receiver.process->mm_group;
  if (sysv_queue(*receiver.thread) >= 0) return true;  // whoever knows its number
  if (receives_messages(*receiver.thread))
    return can_write_to(*giver.process, source_of(*receiver.thread));
  const ObjectId* writer = receiver.thread->activity.object.objects.find(End::Writer);
  return writer == nullptr || can_write_to(*giver.process, *writer);
}

std::string queue_name(const Context& context, const Member& receiver) {
  const RuntimeObject& object = receiver.thread->activity.object;
  // A proxy is known to its own methods only as `self`.
  const bool named = !object.name.empty() && object.name != "self";
  if (object.kind == Resource::Proxy)
    return named ? "the manager's queue `" + object.name + "`" : "a manager's queue";
  if (!object.type.empty()) {
    const std::string kind = "the " + object.type;
    return object.name.empty() ? kind : kind + " `" + object.name + "`";
  }
  if (takes_from_memory(*receiver.thread)) return "the queue of " + receiver.thread->activity.call;
  if (const int id = sysv_queue(*receiver.thread); id >= 0)
    return "System V queue " + std::to_string(id);
  const ObjectId source = source_of(*receiver.thread);
  return source.kind == snapshot::ObjectKind::Unknown
             ? "its queue"
             : diagnosis::object_name(context.snapshot, source);
}

}  // namespace ipcdoctor::probes
