#include "collect/sockets.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "base/text.h"
#include "linux/interfaces.h"
#include "linux/namespaces.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::ObjectId;
using snapshot::ObjectKind;

constexpr std::chrono::milliseconds kDumpPatience{1000};
constexpr int kEstablished = 1;

std::string type_name(int type) {
  switch (type) {
    case SOCK_STREAM:
      return "stream";
    case SOCK_DGRAM:
      return "dgram";
    case SOCK_SEQPACKET:
      return "seqpacket";
    default:
      return "";
  }
}

std::string address_of(const linux::UnixSocketInfo& socket) {
  if (!socket.name.empty() && socket.name[0] == '\0') {
    // who binds sizeof(struct sockaddr_un) bytes gets a name that ends in a hundred zero bytes
    const std::string name = socket.name.substr(1, socket.name.find_last_not_of('\0'));
    const std::size_t zeros = socket.name.size() - 1 - name.size();
    const std::string tail = zeros == 0 ? "" : "\\x00*" + std::to_string(zeros);
    return "@" + escape_untrusted(name) + tail;
  }
  return escape_untrusted(socket.name);
}

linux::InetAddress as_v4(linux::InetAddress address) {
  // ::ffff:a.b.c.d
  std::memmove(address.bytes.data(), address.bytes.data() + 12, 4);
  std::fill(address.bytes.begin() + 4, address.bytes.end(), std::uint8_t{0});
  return address;
}

bool is_any(const linux::InetAddress& address) {
  return std::ranges::all_of(address.bytes, [](std::uint8_t byte) { return byte == 0; });
}

bool is_loopback(const linux::InetAddress& address, bool v6) {
  if (!v6) return address.bytes[0] == 127;
  const bool zeros = std::all_of(address.bytes.begin(), address.bytes.begin() + 15,
                                 [](std::uint8_t b) { return b == 0; });
  return zeros && address.bytes[15] == 1;
}

Result<snapshot::Tcp> tcp_of(const linux::InetSocketInfo& socket) {
  if (!socket.has_info) return Error{Cause::Unsupported, 0, "read tcp_info by sock_diag"};
  snapshot::Tcp tcp;
  const auto timer = static_cast<snapshot::TcpTimer>(socket.timer);
  tcp.timer = timer <= snapshot::TcpTimer::Probe ? timer : snapshot::TcpTimer::Retransmit;
  tcp.unacked = socket.unacked;
  tcp.not_sent = socket.not_sent;
  tcp.bytes_acked = socket.bytes_acked;
  tcp.bytes_received = socket.bytes_received;
  tcp.bytes_sent = socket.bytes_sent;
  return tcp;
}

}  // namespace

std::string text_of(const linux::InetSocketInfo& socket, const linux::InetAddress& address) {
  return socket.mapped_v4 ? linux::to_string(as_v4(address), false)
                          : linux::to_string(address, socket.v6);
}

snapshot::NetNamespace network_of(std::uint64_t net_ns,
                                  const std::vector<linux::InetSocketInfo>& sockets) {
  constexpr std::size_t kMost = 4096;
  snapshot::NetNamespace network;
  network.ino = net_ns;
  const auto addresses = linux::read_interface_addresses();
  if (addresses) network.addresses = *addresses;
  network.is_whole = net_ns != 0 && addresses.has_value();
  for (const auto& socket : sockets) {
    if (socket.udp || socket.remote.port == 0) continue;
    if (network.connections.size() == kMost) {
      network.is_whole = false;
      network.connections.clear();
      break;
    }
    network.connections.emplace_back(text_of(socket, socket.local), text_of(socket, socket.remote));
  }
  std::ranges::sort(network.connections);
  return network;
}

void Sockets::add(std::vector<linux::UnixSocketInfo> sockets) {
  std::ranges::move(sockets, std::back_inserter(unix_));
}

void Sockets::add(const std::vector<linux::InetSocketInfo>& sockets, std::uint64_t net_ns) {
  for (const auto& socket : sockets) inet_.push_back({socket, net_ns});
}

void Sockets::dump_unix(System& system) {
  auto sockets = linux::read_unix_sockets(kDumpPatience);
  if (sockets) return add(std::move(*sockets));
  system.note_unseen(Pid{}, Tid{}, sockets.error());
  all_seen_ = false;
}

void Sockets::dump_inet(System& system, std::uint64_t net_ns) {
  const auto sockets = linux::read_inet_sockets(kDumpPatience);
  if (!sockets) {
    system.note_unseen(Pid{}, Tid{}, sockets.error());
    return;
  }
  add(*sockets, net_ns);
  if (keeps_networks_) networks_.push_back(network_of(net_ns, *sockets));
}

bool Sockets::dump_of(System& system, const ProcessEntry& process, std::uint64_t net_ns) {
  if (net_ns == 0) return false;
  const bool of_unix = unix_namespaces_.insert(net_ns).second;
  const bool of_inet = reads_inet_ && inet_namespaces_.insert(net_ns).second;
  if (!of_unix && !of_inet) return false;
  const Status status = linux::within_network_namespace(*process.dir, [&]() -> Status {
    if (of_unix) dump_unix(system);
    if (of_inet) dump_inet(system, net_ns);
    return Done{};
  });
  if (!status && process.examined && status.error().cause != Cause::Gone) {
    system.note_unseen(process.pid, Tid{}, status.error());
    all_seen_ = false;
  }
  return status.has_value();
}

void Sockets::read(System& system, Families families) {
  const bool of_unix = !std::exchange(read_, true);
  const bool of_inet = families == Families::All && !std::exchange(reads_inet_, true);
  if (!of_unix && !of_inet) return;
  const ProcessEntry* self = system.find(system.self());
  const auto own = self != nullptr ? linux::read_namespace(*self->dir, "net").value_or(0) : 0;
  if (of_unix) {
    unix_namespaces_.insert(own);
    dump_unix(system);
  }
  if (of_inet) {
    inet_namespaces_.insert(own);
    dump_inet(system, own);
  }
  for (const auto& process : system.processes())
    if (process->examined) (void)dump_of(system, *process, process->out.net_ns);
  index();
}

bool Sockets::read_everywhere(System& system) {
  if (std::exchange(everywhere_, true)) return false;
  bool more = false;
  for (const auto& process : system.processes()) {
    if (process->scope == snapshot::Scope::Self || system.progress().is_late()) continue;
    more =
        dump_of(system, *process, linux::read_namespace(*process->dir, "net").value_or(0)) || more;
  }
  if (more) index();
  return more;
}

void Sockets::index() {
  unix_by_ino_.clear();
  listener_of_.clear();
  inet_by_ino_.clear();
  by_tuple_.clear();
  for (const auto& socket : unix_) {
    unix_by_ino_[socket.ino] = &socket;
    for (const std::uint64_t client : socket.waiting) listener_of_[client] = socket.ino;
  }
  for (const auto& socket : inet_) {
    if (socket.ino != 0) inet_by_ino_[socket.ino] = &socket;
    by_tuple_.emplace(tuple_of(socket), &socket);
  }
}

ObjectKind Sockets::kind_of(std::uint64_t ino) const {
  if (unix_by_ino_.contains(ino)) return ObjectKind::UnixSocket;
  return inet_by_ino_.contains(ino) ? ObjectKind::InetSocket : ObjectKind::OtherSocket;
}

Result<snapshot::Socket> Sockets::describe(std::uint64_t ino) const {
  if (const auto it = unix_by_ino_.find(ino); it != unix_by_ino_.end())
    return describe_unix(*it->second);
  if (const auto it = inet_by_ino_.find(ino); it != inet_by_ino_.end())
    return describe_inet(*it->second);
  return Error{Cause::Unsupported, 0, "find socket:[" + std::to_string(ino) + "] by sock_diag"};
}

snapshot::Socket Sockets::describe_unix(const linux::UnixSocketInfo& socket) const {
  snapshot::Socket out;
  out.family = "unix";
  out.type = type_name(socket.type);
  out.state = linux::name_of_socket_state(socket.state);
  out.shut_read = socket.shut_read();
  out.shut_write = socket.shut_write();
  out.receive_queue = socket.receive_queue;
  out.send_queue = socket.send_queue;
  out.local = address_of(socket);
  if (socket.peer != 0) {
    out.peer = id_of(socket.peer);
    const auto peer = unix_by_ino_.find(socket.peer);
    if (peer != unix_by_ino_.end()) {
      out.remote = address_of(*peer->second);
      out.peer_closed = peer->second->shut_write();
    } else {
      out.peer = {ObjectKind::UnixSocket, 0, socket.peer};
    }
  }
  if (const auto it = listener_of_.find(socket.ino); it != listener_of_.end()) {
    out.listener = id_of(it->second);
    out.peer_in_backlog = true;
  } else if (socket.peer == 0 && socket.state == kEstablished && socket.type != SOCK_DGRAM) {
    out.peer_closed = true;
  }
  return out;
}

Sockets::Tuple Sockets::tuple_of(const linux::InetSocketInfo& socket) {
  if (!socket.mapped_v4) return {socket.local, socket.remote, socket.udp};
  return {as_v4(socket.local), as_v4(socket.remote), socket.udp};
}

const Sockets::Inet* Sockets::find_listener(const Inet& unaccepted) const {
  const Tuple tuple = tuple_of(unaccepted);
  const Inet* found = nullptr;
  bool is_only = false;
  for (const Inet& socket : inet_) {
    if (!socket.is_listening() || socket.net_ns != unaccepted.net_ns) continue;
    if (socket.local.port != tuple.local.port) continue;
    if (!is_any(socket.local) && socket.local.bytes != tuple.local.bytes) continue;
    // a listener on the address itself goes before one on all addresses
    const bool closer = found != nullptr && is_any(found->local) && !is_any(socket.local);
    if (found != nullptr && !closer && is_any(found->local) == is_any(socket.local))
      is_only = false;
    if (found != nullptr && !closer) continue;
    found = &socket;
    is_only = true;
  }
  return is_only ? found : nullptr;
}

const Sockets::Inet* Sockets::find_peer(const Inet& socket) const {
  const Tuple tuple = tuple_of(socket);
  const auto [first, last] = by_tuple_.equal_range(Tuple{tuple.remote, tuple.local, tuple.udp});
  const Inet* near = nullptr;
  const Inet* far = nullptr;
  bool many_near = false;
  bool many_far = false;
  for (auto it = first; it != last; ++it) {
    const Inet* candidate = it->second;
    if (candidate == &socket) continue;
    const bool is_near = candidate->net_ns == socket.net_ns;
    const Inet*& known = is_near ? near : far;
    // what its process has closed may linger beside a new connection with the same addresses
    const bool replaces = known == nullptr || (known->ino == 0 && candidate->ino != 0);
    const bool rivals = known != nullptr && (known->ino != 0) == (candidate->ino != 0);
    if (rivals) (is_near ? many_near : many_far) = true;
    if (!replaces) continue;
    if (known != nullptr) (is_near ? many_near : many_far) = false;
    known = candidate;
  }
  if (near != nullptr) return many_near ? nullptr : near;
  // a loopback address never leaves its namespace
  return many_far || is_loopback(tuple.remote, socket.v6 && !socket.mapped_v4) ? nullptr : far;
}

snapshot::Socket Sockets::describe_inet(const Inet& socket) const {
  snapshot::Socket out;
  out.family = std::string(socket.udp ? "udp" : "tcp") + (socket.v6 ? "6" : "");
  out.type = socket.udp ? "dgram" : "stream";
  out.state = linux::name_of_socket_state(socket.state);
  out.shut_read = (socket.shutdown & 1) != 0;
  out.shut_write = (socket.shutdown & 2) != 0;
  out.receive_queue = socket.receive_queue;
  out.send_queue = socket.send_queue;
  out.kernel_timer = socket.timer != 0;
  out.cookie = socket.cookie;
  out.net_ns = socket.net_ns;
  if (!socket.udp) out.tcp = tcp_of(socket);
  out.local = text_of(socket, socket.local);
  if (socket.remote.port == 0) return out;
  out.remote = text_of(socket, socket.remote);
  const Inet* peer = find_peer(socket);
  // CLOSE-WAIT and later: the other side has sent its FIN
  out.peer_closed = socket.state == 8 || socket.state == 9 || socket.state == 11;
  if (peer == nullptr) {
    out.peer_is_remote = !out.peer_closed;
  } else if (peer->ino != 0) {
    out.peer = {ObjectKind::InetSocket, 0, peer->ino};
    // our own kernel answers the probes of our own kernel for ever: no timer ends such a connection
    if (!socket.udp && peer->state == kEstablished && socket.state == kEstablished)
      out.kernel_timer = false;
  } else if (const auto* listener = find_listener(*peer);
             listener != nullptr && !socket.udp && !out.peer_closed) {
    out.listener = {ObjectKind::InetSocket, 0, listener->ino};
    out.peer_in_backlog = true;
  }
  return out;
}

ObjectId Sockets::find_bound(const std::string& raw_name) const {
  for (const auto& socket : unix_) {
    const bool accepts = socket.is_listening() || socket.type == SOCK_DGRAM;
    if (accepts && !raw_name.empty() && socket.name == raw_name)
      return {ObjectKind::UnixSocket, 0, socket.ino};
  }
  return {};
}

std::vector<std::uint64_t> Sockets::unix_with_data() const {
  std::vector<std::uint64_t> inos;
  for (const auto& socket : unix_) {
    if (!socket.is_listening() && socket.receive_queue != 0) inos.push_back(socket.ino);
  }
  return inos;
}

}  // namespace ipcdoctor::collect
