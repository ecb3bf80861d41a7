#include "linux/pidfd.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <string>

#include "linux/broker.h"
#include "linux/deputy.h"

namespace ipcdoctor::linux {
namespace {

Error error_of(int saved, const std::string& what) {
  // EBADF: that descriptor of the target's is closed.
  return Error{saved == EBADF ? Cause::Gone : cause_of(saved), saved, what};
}

std::string what_of(int fd) {
  return "pidfd_getfd " + std::to_string(fd);
}

/// The copy is closed when it dies: keep it as short as possible, and never hold two.
Result<UniqueFd> copy_of(const UniqueFd& pidfd, int fd) {
  UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0)));
  const int saved = errno;
  if (copy.is_open()) return copy;
  if (cause_of(saved) == Cause::Denied)
    if (auto asked = ask_to_copy(pidfd.get(), fd)) return asked;
  return error_of(saved, what_of(fd));
}

bool has_type(const UniqueFd& file, mode_t type) {
  struct stat status {};
  return ::fstat(file.get(), &status) == 0 && (status.st_mode & S_IFMT) == type;
}

bool is_nonblocking(const UniqueFd& file) {
  const int flags = ::fcntl(file.get(), F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

template <class T>
bool read_option(const UniqueFd& socket, int option, T& value) {
  socklen_t size = sizeof value;
  return ::getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) == 0 && size == sizeof value;
}

std::chrono::microseconds duration_of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

Result<UniqueFd> open_pidfd(Pid pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid.value, 0)));
  if (!pidfd.is_open()) {
    const int saved = errno;
    // EINVAL: the number belongs to a thread that is not a leader, so no such process exists.
    const Cause cause = saved == EINVAL ? Cause::Gone : cause_of(saved);
    return Error{cause, saved, "pidfd_open " + std::to_string(pid.value)};
  }
  return pidfd;
}

bool has_exited(const UniqueFd& pidfd) {
  pollfd entry{pidfd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLIN | POLLHUP)) != 0;
}

Result<PipeFill> read_pipe_fill(const UniqueFd& pidfd, int fd) {
  using deputy::Wish;
  if (deputy::is_asked()) return deputy::ask<PipeFill>(Wish::PipeFill, fd, pidfd.get());
  const auto copy = copy_of(pidfd, fd);
  if (!copy) return copy.error();
  if (!has_type(*copy, S_IFIFO)) return Error{Cause::Malformed, 0, what_of(fd)};
  PipeFill fill;
  int queued = 0;
  if (::ioctl(copy->get(), FIONREAD, &queued) < 0) return error_of(errno, what_of(fd));
  const int capacity = ::fcntl(copy->get(), F_GETPIPE_SZ);
  if (capacity < 0) return error_of(errno, what_of(fd));
  fill.queued = static_cast<std::uint64_t>(queued);
  fill.capacity = static_cast<std::uint64_t>(capacity);
  fill.nonblocking = is_nonblocking(*copy);
  return fill;
}

Result<SocketState> read_socket_state(const UniqueFd& pidfd, int fd) {
  using deputy::Wish;
  if (deputy::is_asked()) return deputy::ask<SocketState>(Wish::SocketState, fd, pidfd.get());
  const auto copy = copy_of(pidfd, fd);
  if (!copy) return copy.error();
  if (!has_type(*copy, S_IFSOCK)) return Error{Cause::Malformed, 0, what_of(fd)};
  SocketState state;
  timeval receive{}, send{};
  int listening = 0;
  if (!read_option(*copy, SO_DOMAIN, state.domain) || !read_option(*copy, SO_TYPE, state.type) ||
      !read_option(*copy, SO_PROTOCOL, state.protocol) ||
      !read_option(*copy, SO_RCVTIMEO, receive) || !read_option(*copy, SO_SNDTIMEO, send) ||
      !read_option(*copy, SO_ACCEPTCONN, listening)) {
    return error_of(errno, what_of(fd));
  }
  state.receive_timeout = duration_of(receive);
  state.send_timeout = duration_of(send);
  state.listening = listening != 0;
  state.nonblocking = is_nonblocking(*copy);
  // Listeners and some families refuse these two; their queues are then left at 0.
  int queued = 0;
  if (::ioctl(copy->get(), SIOCINQ, &queued) == 0)
    state.receive_queue = static_cast<std::uint64_t>(queued);
  if (::ioctl(copy->get(), SIOCOUTQ, &queued) == 0)
    state.send_queue = static_cast<std::uint64_t>(queued);
  return state;
}

Result<MqueueState> read_mqueue_state(const UniqueFd& pidfd, int fd) {
  using deputy::Wish;
  if (deputy::is_asked()) return deputy::ask<MqueueState>(Wish::MqueueState, fd, pidfd.get());
  const auto copy = copy_of(pidfd, fd);
  if (!copy) return copy.error();
  mq_attr attributes{};
  if (::mq_getattr(copy->get(), &attributes) < 0) {
    const int saved = errno;
    return Error{saved == EBADF ? Cause::Malformed : cause_of(saved), saved, what_of(fd)};
  }
  MqueueState state;
  state.messages = static_cast<std::uint64_t>(attributes.mq_curmsgs);
  state.max_messages = static_cast<std::uint64_t>(attributes.mq_maxmsg);
  state.message_size = static_cast<std::uint64_t>(attributes.mq_msgsize);
  state.nonblocking = (attributes.mq_flags & O_NONBLOCK) != 0;
  return state;
}

}  // namespace ipcdoctor::linux
