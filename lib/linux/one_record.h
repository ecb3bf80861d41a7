#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace ipcdoctor::linux {

/// Whether nothing can be missing of what the kernel writes as one line, such as /proc/PID/stat.
/// Of many lines, such as those of /proc/PID/status, each has a colon.
inline bool is_whole_line(std::string_view text) {
  return text.find('\n') == text.size() - 1 && text.find(':') == text.npos;
}

enum class From { Here, Start };

/// Reads what the kernel writes as one record: a line by one call.
/// @param from  Start: of a file that stays open, from which each call takes a new record
/// @return its size, `room` if there may be more, or -1 and errno
inline ssize_t read_one_record(int fd, char* into, std::size_t room, From from = From::Here) {
  std::size_t size = 0;
  while (size < room && (size == 0 || !is_whole_line({into, size}))) {
    char* const to = into + size;
    const ssize_t n = from == From::Here ? ::read(fd, to, room - size)
                                         : ::pread(fd, to, room - size, static_cast<off_t>(size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(size);
}

}  // namespace ipcdoctor::linux
