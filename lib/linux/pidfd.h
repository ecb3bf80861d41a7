#pragma once

#include <chrono>
#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// pidfd_open(2). The descriptor is bound to the process, not to the number. @return Gone, Limit,
/// Unsupported (before 5.3).
Result<UniqueFd> open_pidfd(Pid pid);
/// It has exited (is at least a zombie); pidfds become readable then.
bool has_exited(const UniqueFd& pidfd);

/// Occupancy of a pipe or FIFO. poll(2) is not asked: it would change how the pipe wakes its epoll
/// watchers (poll_usage, fs/pipe.c). While we hold the copy an EOF or EPIPE of the target's is
/// delayed: microseconds.
struct PipeFill {
  std::uint64_t queued = 0;  ///< FIONREAD, bytes
  std::uint64_t capacity =
      0;  ///< F_GETPIPE_SZ, bytes; a pipe of small writes is full below it (slots)
  bool nonblocking = false;  ///< O_NONBLOCK
};
/// pidfd_getfd(2), ask, close at once. Only call it for a descriptor that its link says is a pipe
/// or FIFO: closing a copy of another file may be an action. Checked again on the copy. Needs
/// PTRACE_MODE_ATTACH.
/// @return Denied, Gone (closed meanwhile), Unsupported (before 5.6), Malformed (not a pipe).
Result<PipeFill> read_pipe_fill(const UniqueFd& pidfd, int fd);

struct SocketState {
  std::uint64_t receive_queue = 0;  ///< FIONREAD: bytes, of a datagram socket the next message
  std::uint64_t send_queue = 0;     ///< SIOCOUTQ, bytes
  std::chrono::microseconds receive_timeout{0};  ///< SO_RCVTIMEO; 0 = none
  std::chrono::microseconds send_timeout{0};     ///< SO_SNDTIMEO; 0 = none
  bool nonblocking = false;
  int domain = 0, type = 0, protocol = 0;  ///< AF_*, SOCK_*, IPPROTO_*
  bool listening = false;                  ///< SO_ACCEPTCONN
};
/// As read_pipe_fill, for a socket. @return Malformed (not a socket).
Result<SocketState> read_socket_state(const UniqueFd& pidfd, int fd);

struct MqueueState {
  std::uint64_t messages = 0, max_messages = 0, message_size = 0;
  bool nonblocking = false;
};
/// As read_pipe_fill, for a POSIX message queue (mq_getattr). Closing the copy ends nobody's
/// registration for notification but that of our own process. @return Malformed (not one).
Result<MqueueState> read_mqueue_state(const UniqueFd& pidfd, int fd);

}  // namespace ipcdoctor::linux
