#include "diagnosis/ends.h"

#include <algorithm>
#include <tuple>

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Access;
using snapshot::Object;
using snapshot::ObjectKind;
using snapshot::Process;

bool is_socket(ObjectKind kind) {
  return kind == ObjectKind::UnixSocket || kind == ObjectKind::InetSocket ||
         kind == ObjectKind::OtherSocket;
}

bool reads(Access access) {
  return access == Access::Read || access == Access::Both;
}
bool writes(Access access) {
  return access == Access::Write || access == Access::Both;
}

template <class Keep>
std::vector<Holder> only(std::vector<Holder> all, Keep keep) {
  std::erase_if(all, [&](const Holder& h) { return !keep(h); });
  return all;
}

void append(std::vector<Holder>& to, const std::vector<Holder>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

Ends::Ends(const Snapshot& snapshot) : snapshot_(snapshot) {
  const auto add = [&](Pid pid, const snapshot::Fd& fd) {
    by_object_.push_back(
        {pid, fd.fd, fd.object, reads(fd.access), writes(fd.access), Hold::Descriptor});
  };
  for (const Process& process : snapshot.processes) {
    if (process.scope == snapshot::Scope::Self || process.dead || process.exited) continue;
    if (process.fds)
      for (const snapshot::Fd& fd : *process.fds) add(process.pid, fd);
    for (const snapshot::Thread& thread : process.threads)
      if (thread.own_fds)
        for (const snapshot::Fd& fd : *thread.own_fds) add(process.pid, fd);
  }
  std::ranges::stable_sort(by_object_, {}, &Holder::object);
  for (const Object& object : snapshot.objects) {
    for (const ObjectId& inner : object.in_flight)
      carriers_.push_back({inner, object.id, Hold::InFlight});
    for (const ObjectId& inner : object.registered)
      carriers_.push_back({inner, object.id, Hold::Registered});
    if (object.socket && object.socket->fds_in_flight > 0) loaded_sockets_.push_back(object.id);
  }
  std::ranges::stable_sort(carriers_, {}, &Carrier::inner);
}

std::span<const Holder> Ends::with(const ObjectId& object) const {
  const auto found = std::ranges::equal_range(by_object_, object, {}, &Holder::object);
  return {found.begin(), found.end()};
}

std::vector<Holder> Ends::holders(const ObjectId& object) const {
  std::vector<Holder> found;
  for (const Holder& holder : with(object)) found.push_back(holder);
  for (const Carrier& carrier : std::ranges::equal_range(carriers_, object, {}, &Carrier::inner)) {
    // The access of such a descriptor is not known: both ways, which never hides a holder.
    for (const Holder& holder : with(carrier.outer))
      found.push_back({holder.pid, holder.fd, object, true, true, carrier.hold});
  }
  std::ranges::sort(found, {}, [](const Holder& h) { return std::tuple(h.pid, h.fd, h.hold); });
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

std::vector<Holder> Ends::senders(const ObjectId& id) const {
  const Object* object = snapshot::find_object(snapshot_, id);
  if (is_socket(id.kind)) {
    if (object == nullptr || !object->socket) return {};
    return holders(object->socket->peer_in_backlog ? object->socket->listener
                                                   : object->socket->peer);
  }
  if (id.kind == ObjectKind::TerminalMaster) return holders({ObjectKind::Terminal, id.dev, 0});
  if (id.kind == ObjectKind::Terminal) return holders({ObjectKind::TerminalMaster, id.dev, 0});
  std::vector<Holder> found = only(holders(id), [](const Holder& h) { return h.writes; });
  if (!found.empty() || id.kind != ObjectKind::Pipe) return found;
  for (const ObjectId& socket : loaded_sockets_) {
    for (Holder holder : holders(socket)) {
      holder.hold = Hold::InFlight;
      found.push_back(holder);
    }
  }
  return found;
}

std::vector<Holder> Ends::receivers(const ObjectId& id) const {
  const Object* object = snapshot::find_object(snapshot_, id);
  if (is_socket(id.kind)) {
    if (object == nullptr || !object->socket) return {};
    const snapshot::Socket& socket = *object->socket;
    std::vector<Holder> found = holders(socket.peer);
    if (socket.peer_in_backlog || found.empty()) append(found, holders(socket.listener));
    return found;
  }
  if (id.kind == ObjectKind::TerminalMaster) return holders({ObjectKind::Terminal, id.dev, 0});
  if (id.kind == ObjectKind::Terminal) return holders({ObjectKind::TerminalMaster, id.dev, 0});
  return only(holders(id), [](const Holder& h) { return h.reads; });
}

std::vector<Pid> pids_of(const std::vector<Holder>& holders) {
  std::vector<Pid> pids;
  for (const Holder& holder : holders) pids.push_back(holder.pid);
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
  return pids;
}

}  // namespace ipcdoctor::diagnosis
