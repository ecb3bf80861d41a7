#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// With one message.
constexpr std::size_t kMostDescriptors = 128;

/// One message through a SOCK_SEQPACKET socket: `first`, and `second` behind it.
/// @param fds  copies of them go with the message. errno says why not.
bool send_message(int socket, std::string_view first, std::string_view second,
                  std::span<const int> fds);
/// @param fd  -1: none
bool send_message(int socket, std::string_view first, std::string_view second, int fd);

/// @param fds  what came with it, close-on-exec
/// @return its size, cut at `size`; nullopt at the end or after an error
std::optional<std::size_t> receive_message(int socket, void* data, std::size_t size,
                                           std::vector<UniqueFd>& fds);
/// The first of what came.
std::optional<std::size_t> receive_message(int socket, void* data, std::size_t size, UniqueFd& fd);

/// The bytes of a struct.
template <class T>
std::string_view bytes_of(const T& object) {
  return {reinterpret_cast<const char*>(&object), sizeof object};
}

}  // namespace ipcdoctor::linux
