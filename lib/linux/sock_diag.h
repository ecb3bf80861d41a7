#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// A unix socket, as UNIX_DIAG dumps it; see sock_diag(7). Sockets in flight or waiting to be
/// accepted are listed too.
struct UnixSocketInfo {
  std::uint64_t ino = 0;
  int type = 0;   ///< SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
  int state = 0;  ///< TCP_ESTABLISHED 1, TCP_CLOSE 7 (unconnected), TCP_LISTEN 10
  std::uint64_t peer =
      0;  ///< inode; 0 = none, closed, or connected but not accepted yet: see waiting of listeners
  std::vector<std::uint64_t>
      waiting;  ///< listener: inodes of the clients in its backlog (UNIX_DIAG_ICONS)
  std::uint32_t receive_queue = 0;  ///< bytes; listener: connections waiting
  std::uint32_t send_queue = 0;     ///< skb memory, bytes; listener: limit of the backlog
  int shutdown = 0;                 ///< 1 = no more reads, 2 = no more writes
  std::string name;                 ///< raw sun_path: a path, "\0abstract", or ""

  bool is_listening() const { return state == 10; }
  bool shut_read() const { return (shutdown & 1) != 0; }
  bool shut_write() const { return (shutdown & 2) != 0; }
};

struct InetAddress {
  std::array<std::uint8_t, 16> bytes{};  ///< IPv4: the first four
  std::uint16_t port = 0;                ///< host byte order
  friend auto operator<=>(const InetAddress&, const InetAddress&) = default;
};

/// A TCP or UDP socket, as INET_DIAG dumps it.
struct InetSocketInfo {
  std::uint64_t ino =
      0;  ///< 0 = accepted by nobody yet, or closed by its process (TIME-WAIT, FIN-WAIT-1 ...)
  bool v6 = false;
  bool udp = false;
  int state = 0;  ///< TCP_ESTABLISHED 1 .. TCP_NEW_SYN_RECV 12 (include/net/tcp_states.h)
  InetAddress local, remote;
  std::uint32_t interface = 0;
  std::uint32_t receive_queue = 0;  ///< bytes; listener: connections waiting
  std::uint32_t send_queue = 0;     ///< bytes not acknowledged; listener: limit of the backlog
  int timer = 0;  ///< 0 none, 1 retransmit, 2 keepalive, 3 TIME-WAIT, 4 zero window probe
  std::uint32_t expires_ms = 0;
  int shutdown = 0;  ///< INET_DIAG_SHUTDOWN; 1 = no more reads, 2 = no more writes
  /// INET_DIAG_INFO, TCP only: segments sent and not acknowledged, bytes not sent yet, and bytes
  /// since the connection began (struct tcp_info, linux/tcp.h).
  bool has_info = false;
  std::uint32_t unacked = 0, not_sent = 0;
  std::uint64_t bytes_acked = 0, bytes_received = 0;
  /// Each byte once, without SYN and FIN; ~0 before Linux 4.19, which does not tell.
  std::uint64_t bytes_sent = ~std::uint64_t{0};
  bool mapped_v4 = false;    ///< ::ffff:a.b.c.d on both sides: its mirror may be a v4 socket
  std::uint64_t cookie = 0;  ///< tells sockets with ino 0 apart

  bool is_listening() const { return state == 10 && !udp; }
};

/// "127.0.0.1:80", "[::1]:80".
std::string to_string(const InetAddress& address, bool v6);
/// "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "unconnected"
/// (7), "close-wait", "last-ack", "listen", "closing", "new-syn-recv".
std::string name_of_socket_state(int state);

/// Parse one netlink payload (struct unix_diag_msg / inet_diag_msg and its attributes). @return
/// Malformed.
Result<UnixSocketInfo> parse_unix_diag(std::span<const std::byte> payload);
Result<InetSocketInfo> parse_inet_diag(std::span<const std::byte> payload, bool udp);

/// All sockets of the calling thread's network namespace. @return TimedOut past `patience`, Denied,
/// Unsupported, Limit.
Result<std::vector<UnixSocketInfo>> read_unix_sockets(std::chrono::milliseconds patience);
enum class InetTable { Tcp, Tcp6, Udp, Udp6 };
Result<std::vector<InetSocketInfo>> read_inet_sockets(InetTable table,
                                                      std::chrono::milliseconds patience);
/// All four; an error if one of them fails.
Result<std::vector<InetSocketInfo>> read_inet_sockets(std::chrono::milliseconds patience);

/// Runs `work` with the calling thread in the network namespace of `process`, and goes back. Only
/// the network namespace is ever entered. Call it in the helper process: if the way back fails, the
/// process must end (the error says so).
/// @return Denied (CAP_SYS_ADMIN), Gone; else what `work` returned.
Status within_network_namespace(const ProcDir& process, const std::function<Status()>& work);
/// The same, by a descriptor of /proc/PID/ns/net.
Status within_network(int network, const std::function<Status()>& work);

/// A socket for questions to the kernel about the sockets of the calling thread's network
/// namespace; errno if it is not open.
UniqueFd open_diag_socket();
/// Where rights were given up, a deputy enters the namespace: a descriptor of it; -1: our own.
int entered_network();

}  // namespace ipcdoctor::linux
