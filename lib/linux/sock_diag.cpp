#include "linux/sock_diag.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "linux/deputy.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {
namespace {

constexpr std::uint16_t kSockDiagByFamily =
    20;  // <linux/sock_diag.h>, which this folder's header hides
constexpr std::size_t kMaxSockets = 4'000'000;
using Clock = std::chrono::steady_clock;

/// Calls `each` with every attribute behind the `head` bytes of a message's own structure.
/// @return false if `each` did, or if bytes are left that form no attribute.
template <class Each>
bool for_each_attribute(std::span<const std::byte> payload, std::size_t head, Each each) {
  const std::size_t start = NLMSG_ALIGN(head);
  if (payload.size() <= start) return true;
  const auto* attribute = reinterpret_cast<const rtattr*>(payload.data() + start);
  int left = static_cast<int>(payload.size() - start);
  while (RTA_OK(attribute, left)) {
    if (!each(attribute->rta_type & NLA_TYPE_MASK,
              reinterpret_cast<const std::byte*>(attribute) + RTA_LENGTH(0),
              std::size_t{RTA_PAYLOAD(attribute)})) {
      return false;
    }
    const int step = static_cast<int>(RTA_ALIGN(attribute->rta_len));
    left -= step;
    attribute = reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(attribute) + step);
  }
  return left <= 0;
}

template <class T>
bool copy_object(const std::byte* data, std::size_t size, T& into) {
  if (size < sizeof into) return false;
  std::memcpy(&into, data, sizeof into);
  return true;
}

/// A netlink socket whose every receive ends at the deadline.
class DiagSocket {
 public:
  static Result<DiagSocket> open() {
    if (deputy::is_asked()) {
      auto asked = deputy::ask_descriptor(deputy::Wish::DiagSocket, 0, entered_network());
      return asked ? Result(DiagSocket(std::move(*asked))) : asked.error();
    }
    UniqueFd fd = open_diag_socket();
    if (!fd.is_open()) return Error{cause_of(errno), errno, "open sock_diag"};
    return DiagSocket(std::move(fd));
  }

  /// Sends one dump request and hands every answer to `each`.
  template <class Request, class Each>
  Status dump(const Request& request, Clock::time_point deadline, const Each& each) {
    struct {
      nlmsghdr header;
      Request request;
    } message{};
    message.header.nlmsg_len = NLMSG_LENGTH(sizeof request);
    message.header.nlmsg_type = kSockDiagByFamily;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.nlmsg_seq = ++sequence_;
    message.request = request;
    if (::send(fd_.get(), &message, message.header.nlmsg_len, 0) < 0) return failed(errno);
    return receive(deadline, each);
  }

 private:
  explicit DiagSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  static Error failed(int saved) {
    // ENOENT: no handler for that family, i.e. a module that is not there.
    const bool unsupported = saved == ENOENT || saved == EINVAL || saved == EPROTONOSUPPORT;
    return Error{unsupported ? Cause::Unsupported : cause_of(saved), saved, "dump sock_diag"};
  }

  template <class Each>
  Status receive(Clock::time_point deadline, const Each& each) {
    std::vector<char> buffer(64 << 10);
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) return Error{Cause::TimedOut, ETIMEDOUT, "dump sock_diag"};
      pollfd entry{fd_.get(), POLLIN, 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(std::min<long>(left.count(), 1000)));
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      if (ready < 0) return failed(errno);
      // MSG_TRUNC gives the full length, so that a message larger than the buffer is seen.
      const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n < 0) return failed(errno);
      if (static_cast<std::size_t>(n) > buffer.size())
        return Error{Cause::Limit, 0, "dump sock_diag"};
      bool done = false;
      const Status status = handle(buffer.data(), static_cast<int>(n), each, done);
      if (!status) return status;
      if (done) return Done{};
    }
  }

  template <class Each>
  Status handle(const char* data, int size, const Each& each, bool& done) {
    for (;;) {
      const auto* header = reinterpret_cast<const nlmsghdr*>(data);
      if (!NLMSG_OK(header, static_cast<unsigned>(size))) return Done{};
      const int step = static_cast<int>(
          std::min<unsigned>(NLMSG_ALIGN(header->nlmsg_len), static_cast<unsigned>(size)));
      const std::span payload(reinterpret_cast<const std::byte*>(data) + NLMSG_HDRLEN,
                              header->nlmsg_len - NLMSG_HDRLEN);
      data += step;
      size -= step;
      if (header->nlmsg_seq != sequence_) continue;
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
        int error = 0;  // NLMSG_DONE carries one too when the dump broke off
        if (!copy_object(payload.data(), payload.size(), error) &&
            header->nlmsg_type == NLMSG_ERROR) {
          return Error{Cause::Malformed, 0, "dump sock_diag"};
        }
        if (error < 0) return failed(-error);
        done = true;
        return Done{};
      }
      if (header->nlmsg_type != kSockDiagByFamily) continue;
      const Status status = each(payload);
      if (!status) return status;
    }
  }

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

/// Parses each answer into `sockets`.
template <class T, class Parse>
auto collect_into(std::vector<T>& sockets, Parse parse) {
  return [&sockets, parse](std::span<const std::byte> payload) -> Status {
    auto socket = parse(payload);
    if (!socket) return socket.error();
    if (sockets.size() >= kMaxSockets) return Error{Cause::Limit, 0, "dump sock_diag"};
    sockets.push_back(std::move(*socket));
    return Done{};
  };
}

/// Older kernels send a shorter structure, newer ones a longer.
void read_tcp_info(const std::byte* data, std::size_t size, InetSocketInfo& socket) {
  constexpr std::size_t kNeeded = offsetof(tcp_info, tcpi_notsent_bytes) + sizeof(__u32);
  if (size < kNeeded) return;
  tcp_info info{};
  std::memcpy(&info, data, std::min(size, sizeof info));
  socket.has_info = true;
  socket.unacked = info.tcpi_unacked;
  socket.not_sent = info.tcpi_notsent_bytes;
  socket.bytes_acked = info.tcpi_bytes_acked;
  socket.bytes_received = info.tcpi_bytes_received;
  if (size >= offsetof(tcp_info, tcpi_bytes_retrans) + sizeof(__u64))
    socket.bytes_sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
}

bool is_mapped_v4(const InetAddress& address) {
  static constexpr std::array<std::uint8_t, 12> kPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.end(), address.bytes.begin());
}

}  // namespace

std::string to_string(const InetAddress& address, bool v6) {
  char text[INET6_ADDRSTRLEN] = "";
  (void)::inet_ntop(v6 ? AF_INET6 : AF_INET, address.bytes.data(), text,
                    sizeof text);  // the buffer is large enough
  const std::string port = std::to_string(address.port);
  return v6 ? "[" + std::string(text) + "]:" + port : std::string(text) + ":" + port;
}

std::string name_of_socket_state(int state) {
  static constexpr const char* kNames[] = {"unknown",     "established", "syn-sent",  "syn-recv",
                                           "fin-wait-1",  "fin-wait-2",  "time-wait", "unconnected",
                                           "close-wait",  "last-ack",    "listen",    "closing",
                                           "new-syn-recv"};
  return kNames[state > 0 && state < static_cast<int>(std::size(kNames)) ? state : 0];
}

Result<UnixSocketInfo> parse_unix_diag(std::span<const std::byte> payload) {
  const Error malformed{Cause::Malformed, 0, "parse unix_diag"};
  unix_diag_msg message{};
  if (!copy_object(payload.data(), payload.size(), message) || message.udiag_family != AF_UNIX)
    return malformed;
  UnixSocketInfo socket;
  socket.ino = message.udiag_ino;
  socket.type = message.udiag_type;
  socket.state = message.udiag_state;
  const bool complete = for_each_attribute(
      payload, sizeof message, [&](std::uint16_t type, const std::byte* data, std::size_t size) {
        std::uint32_t number = 0;
        std::uint8_t bits = 0;
        unix_diag_rqlen queues{};
        switch (type) {
          case UNIX_DIAG_NAME:
            socket.name.assign(reinterpret_cast<const char*>(data), size);
            // A path may come with the zero byte that ends it; an abstract name begins with one.
            if (!socket.name.empty() && socket.name.front() != '\0')
              socket.name = socket.name.c_str();
            return true;
          case UNIX_DIAG_PEER:
            if (!copy_object(data, size, number)) return false;
            socket.peer = number;
            return true;
          case UNIX_DIAG_ICONS:
            for (; copy_object(data, size, number); data += sizeof number, size -= sizeof number) {
              socket.waiting.push_back(number);
            }
            return size == 0;
          case UNIX_DIAG_RQLEN:
            if (!copy_object(data, size, queues)) return false;
            socket.receive_queue = queues.udiag_rqueue;
            socket.send_queue = queues.udiag_wqueue;
            return true;
          case UNIX_DIAG_SHUTDOWN:
            if (!copy_object(data, size, bits)) return false;
            socket.shutdown = bits;
            return true;
          default:
            return true;
        }
      });
  if (!complete) return malformed;
  return socket;
}

Result<InetSocketInfo> parse_inet_diag(std::span<const std::byte> payload, bool udp) {
  const Error malformed{Cause::Malformed, 0, "parse inet_diag"};
  inet_diag_msg message{};
  if (!copy_object(payload.data(), payload.size(), message)) return malformed;
  if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) return malformed;
  InetSocketInfo socket;
  socket.v6 = message.idiag_family == AF_INET6;
  socket.udp = udp;
  socket.ino = message.idiag_inode;
  socket.state = message.idiag_state;
  socket.timer = message.idiag_timer;
  socket.expires_ms = message.idiag_expires;
  socket.receive_queue = message.idiag_rqueue;
  socket.send_queue = message.idiag_wqueue;
  socket.interface = message.id.idiag_if;
  socket.cookie =
      message.id.idiag_cookie[0] | static_cast<std::uint64_t>(message.id.idiag_cookie[1]) << 32;
  socket.local.port = ntohs(message.id.idiag_sport);
  socket.remote.port = ntohs(message.id.idiag_dport);
  const std::size_t length = socket.v6 ? 16 : 4;
  std::memcpy(socket.local.bytes.data(), message.id.idiag_src, length);
  std::memcpy(socket.remote.bytes.data(), message.id.idiag_dst, length);
  socket.mapped_v4 = socket.v6 && is_mapped_v4(socket.local) && is_mapped_v4(socket.remote);
  const bool complete = for_each_attribute(
      payload, sizeof message, [&](std::uint16_t type, const std::byte* data, std::size_t size) {
        if (type == INET_DIAG_SHUTDOWN) {
          std::uint8_t bits = 0;
          if (!copy_object(data, size, bits)) return false;
          socket.shutdown = bits;
        }
        if (type == INET_DIAG_INFO && !udp) read_tcp_info(data, size, socket);
        return true;
      });
  if (!complete) return malformed;
  return socket;
}

Result<std::vector<UnixSocketInfo>> read_unix_sockets(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  auto diag = DiagSocket::open();
  if (!diag) return diag.error();
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN;
  std::vector<UnixSocketInfo> sockets;
  const Status status = diag->dump(request, deadline, collect_into(sockets, parse_unix_diag));
  if (!status) return status.error();
  return sockets;
}

Result<std::vector<InetSocketInfo>> read_inet_sockets(InetTable table,
                                                      std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  auto diag = DiagSocket::open();
  if (!diag) return diag.error();
  const bool udp = table == InetTable::Udp || table == InetTable::Udp6;
  inet_diag_req_v2 request{};
  request.sdiag_family = table == InetTable::Tcp || table == InetTable::Udp ? AF_INET : AF_INET6;
  request.sdiag_protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
  request.idiag_states = ~0U;
  request.idiag_ext = 1 << (INET_DIAG_SHUTDOWN - 1) | 1 << (INET_DIAG_INFO - 1);
  std::vector<InetSocketInfo> sockets;
  const auto parse = [udp](std::span<const std::byte> payload) {
    return parse_inet_diag(payload, udp);
  };
  const Status status = diag->dump(request, deadline, collect_into(sockets, parse));
  if (!status) return status.error();
  return sockets;
}

Result<std::vector<InetSocketInfo>> read_inet_sockets(std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  std::vector<InetSocketInfo> all;
  for (const InetTable table : {InetTable::Tcp, InetTable::Tcp6, InetTable::Udp, InetTable::Udp6}) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const auto sockets = read_inet_sockets(table, left);
    if (!sockets) return sockets.error();
    all.insert(all.end(), sockets->begin(), sockets->end());
  }
  return all;
}

namespace {
int asked_network = -1;
}  // namespace

int entered_network() {
  return asked_network;
}

UniqueFd open_diag_socket() {
  return UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
}

Status within_network_namespace(const ProcDir& process, const std::function<Status()>& work) {
  const auto theirs = process.open_in("ns/net", O_RDONLY, "enter");
  if (!theirs) return theirs.error();
  if (!deputy::is_asked()) return within_network(theirs->get(), work);
  // may the deputy go there?
  const auto tried = deputy::ask_descriptor(deputy::Wish::DiagSocket, 0, theirs->get());
  if (!tried) return tried.error();
  asked_network = theirs->get();
  Status status = work();
  asked_network = -1;
  return status;
}

Status within_network(int network, const std::function<Status()>& work) {
  const UniqueFd ours(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!ours.is_open()) return Error{cause_of(errno), errno, "open own ns/net"};
  if (::setns(network, CLONE_NEWNET) != 0)
    return Error{cause_of(errno), errno, "enter a network namespace"};
  Status status = work();
  if (::setns(ours.get(), CLONE_NEWNET) != 0)
    return Error{Cause::Other, errno, "return to our own network namespace"};
  return status;
}

}  // namespace ipcdoctor::linux
