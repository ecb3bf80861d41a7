#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

/// Kernel objects: what descriptors refer to.
namespace ipcdoctor::snapshot {

enum class ObjectKind {
  Unknown,
  Pipe,
  Fifo,
  UnixSocket,
  InetSocket,
  OtherSocket,
  EventFd,
  Epoll,
  TimerFd,
  SignalFd,
  Inotify,
  Fanotify,
  PidFd,
  IoUring,
  UserFault,
  SeccompNotify,
  MessageQueue,
  Terminal,
  TerminalMaster,
  Fuse,
  File,
  Directory,
  Device,
  OtherAnon,
};

/// What tells two kernel objects apart:
/// * Pipe, sockets: dev 0, ino = the number in pipe:[N], socket:[N]
/// * Fifo, File, MessageQueue, Directory: st_dev and st_ino
/// * Terminal, TerminalMaster: dev = rdev of the slave (136:N, 4:N ...), ino 0, so that the two
///   sides of a pty match by dev
/// * EventFd: ino = eventfd-id of fdinfo
/// * PidFd: ino = the pid in our namespace
/// * Device, Fuse: dev = st_rdev, ino = st_ino
/// * other anonymous files (Epoll, TimerFd, IoUring, ...): dev = pid, ino = fd of the first holder
///   found; copies over fork share one id (kcmp KCMP_FILE, or equal fdinfo and a forked parent)
struct ObjectId {
  ObjectKind kind = ObjectKind::Unknown;
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

enum class Access { None, Read, Write, Both };

/// One descriptor of a table.
struct Fd {
  int fd = -1;
  Access access = Access::None;
  ObjectId object;
};

/// One entry of an epoll set (fdinfo tfd lines). object.kind Unknown: the watched file is not in
/// the holder's table.
struct Watched {
  int fd = -1;
  ObjectId object;
  std::uint32_t events = 0;  ///< EPOLLIN ...
};

/// The timer of a TCP socket that runs (idiag_timer of inet_diag_msg, sock_diag(7)).
enum class TcpTimer { None, Retransmit, Keepalive, TimeWait, Probe };

/// What is under way on a connection, as one end knows it (struct tcp_info, linux/tcp.h).
struct Tcp {
  TcpTimer timer = TcpTimer::None;
  std::uint32_t unacked = 0;   ///< segments that were sent and are not acknowledged
  std::uint64_t not_sent = 0;  ///< bytes that wait to be sent
  std::uint64_t bytes_acked = 0, bytes_received = 0;  ///< since the connection began
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  std::uint64_t bytes_sent = kUnknown;  ///< the same, each byte once; before Linux 4.19 not told
};

/// UNIX_DIAG and INET_DIAG. Queue lengths in bytes for data, in connections for listeners.
struct Socket {
  std::string family;  ///< "unix", "tcp", "udp", "tcp6", "udp6"
  std::string type;    ///< "stream", "dgram", "seqpacket"
  std::string state;   ///< "established", "listen", "close-wait", "fin-wait-1", "syn-sent",
                       ///< "unconnected" ...
  ObjectId peer;       ///< kind Unknown: none, remote, or not found
  ObjectId listener;   ///< for the unaccepted side: the listener whose backlog holds it
  bool peer_in_backlog = false;  ///< connected, but the other side has not been accepted: wakers
                                 ///< are the listener's holders
  bool peer_is_remote = false;   ///< another host, or a network namespace that was not looked at
  bool shut_read = false;        ///< shutdown(2) bits
  bool shut_write = false;
  bool peer_closed = false;         ///< nobody can send any more: a read returns
  std::uint64_t receive_queue = 0;  ///< listener: waiting connections
  std::uint64_t send_queue = 0;     ///< listener: limit of the backlog
  bool kernel_timer = false;        ///< a retransmit, probe or keepalive timer may end a wait
  Result<Tcp> tcp = Error{};        ///< TCP only
  std::uint64_t cookie = 0;         ///< INET_DIAG: no other socket since boot has it
  std::uint64_t net_ns = 0;         ///< INET_DIAG: of which network namespace; 0 = not known
  std::uint32_t fds_in_flight = 0;  ///< scm_fds: descriptors that sit in its receive queue
  std::string local;                ///< address or path; "" if unnamed
  std::string remote;               ///< v4 addresses that are mapped into v6 are written as v4
  // Only in a joined snapshot, see join.h; never saved.
  bool peer_is_joined = false;  ///< peer is a socket of another host, found by the addresses
  bool looked_once = false;     ///< ... one of these hosts was looked at in one round only
  std::string in_doubt;         ///< ... why bytes may arrive, though its holders are dead
  std::string out_doubt;        ///< ... the same for room
  std::string elsewhere;        ///< peer_is_remote: why it was not joined
  bool half_open = false;       ///< peer_is_remote: the peer's host has no such connection any more
};

/// Of one side of a pipe: whether the descriptors that were read are all that refer to it, as the
/// kernel counts open files and references to them.
enum class Counted {
  Unknown,
  All,
  More,  ///< somebody who was not seen has it, or it is on its way through a socket
};

/// A kernel object that somebody waits on or that a finding may name.
struct Object {
  ObjectId id;
  std::string name;                 ///< "pipe:[123]", "socket:[9]", a path, "127.0.0.1:80"
  Result<Socket> socket = Error{};  ///< sockets only
  Result<std::uint64_t> queued =
      Error{};  ///< bytes (pipe, FIFO), count (eventfd), messages (mq) that wait to be read
  Result<std::uint64_t> capacity = Error{};  ///< of the same unit; pipes: F_GETPIPE_SZ
  Result<bool> semaphore = Error{};          ///< EventFd only: EFD_SEMAPHORE, one at a time
  std::vector<Watched> watched;              ///< Epoll only
  bool armed = false;                        ///< TimerFd only: it will fire
  std::uint64_t signals = 0;                 ///< SignalFd only: bit N-1 = signal N; 0 if unknown
  bool has_name =
      false;  ///< a path or name lets strangers open it (linked FIFO, mq, /dev/shm file)
  bool kernel_user =
      false;  ///< the kernel itself may wake it (eventfd with KVM, AIO, io_uring; async pipe users)
  std::vector<ObjectId> in_flight;   ///< UnixSocket: what its queued SCM_RIGHTS hold, where known
  std::vector<ObjectId> registered;  ///< IoUring: fixed files
  std::uint64_t pending = 0;         ///< IoUring: operations under way
  Counted readers = Counted::Unknown, writers = Counted::Unknown;  ///< pipes only
  bool copies_unknown = false;  ///< other processes have such files, and without kcmp(2) nobody
                                ///< can tell whether it is this one
};

/// The kernel's name of the kind: "pipe", "unix socket", "eventfd".
std::string name_of(ObjectKind kind);

}  // namespace ipcdoctor::snapshot
