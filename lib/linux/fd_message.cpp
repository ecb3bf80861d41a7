#include "linux/fd_message.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ipcdoctor::linux {

bool send_message(int socket, std::string_view first, std::string_view second,
                  std::span<const int> fds) {
  iovec parts[] = {{const_cast<char*>(first.data()), first.size()},
                   {const_cast<char*>(second.data()), second.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  fds = fds.first(std::min(fds.size(), kMostDescriptors));
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t n = -1;
  do {
    n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(first.size() + second.size());
}

bool send_message(int socket, std::string_view first, std::string_view second, int fd) {
  return send_message(socket, first, second, std::span(&fd, fd < 0 ? 0 : 1));
}

std::optional<std::size_t> receive_message(int socket, void* data, std::size_t size,
                                           std::vector<UniqueFd>& fds) {
  iovec part{data, size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = -1;
  do {
    n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  fds.clear();
  if (n <= 0) return std::nullopt;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      fds.emplace_back(number);
    }
  }
  return static_cast<std::size_t>(n);
}

std::optional<std::size_t> receive_message(int socket, void* data, std::size_t size, UniqueFd& fd) {
  std::vector<UniqueFd> fds;
  const auto got = receive_message(socket, data, size, fds);
  if (!fds.empty()) fd = std::move(fds.front());
  return got;
}

}  // namespace ipcdoctor::linux
