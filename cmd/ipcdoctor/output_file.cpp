#include "output_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "linux/unique_fd.h"

namespace ipcdoctor::cmd {
namespace {

Error failure(int number, const std::string& path) {
  return Error{cause_of(number), number, "write " + path};
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// What must not be replaced by a plain file: /dev/stdout, /dev/fd/63, /dev/null, a FIFO.
bool written_in_place(const std::string& path) {
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return true;
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return false;
  return !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode);
}

Status write_in_place(const std::string& path, std::string_view text) {
  // O_NONBLOCK: a FIFO that nobody reads is an error now and not a hang.
  linux::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (fd.get() < 0) return failure(errno, path);
  if (Status status = write_descriptor(fd.get(), text); !status)
    return Error{status.error().cause, status.error().number, "write " + path};
  return Done{};
}

}  // namespace

Status check_writable(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return failure(EISDIR, path);
  const std::string what = written_in_place(path) ? path : folder_of(path);
  if (::faccessat(AT_FDCWD, what.c_str(), W_OK, AT_EACCESS) != 0) return failure(errno, path);
  return Done{};
}

Status write_descriptor(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      if (::poll(&room, 1, 10000) == 0) return Error{Cause::TimedOut, EAGAIN, "write the report"};
    } else if (errno != EINTR) {
      return Error{cause_of(errno), errno, "write the report"};
    }
  }
  return Done{};
}

Status write_whole(const std::string& path, std::string_view text) {
  if (written_in_place(path)) return write_in_place(path, text);
  std::string temporary;
  linux::UniqueFd fd;
  for (int attempt = 0; attempt < 100 && fd.get() < 0; ++attempt) {
    temporary = path + "." + std::to_string(::getpid()) + "." + std::to_string(attempt) + ".tmp";
    fd = linux::UniqueFd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd.get() < 0 && errno != EEXIST) return failure(errno, path);
  }
  if (fd.get() < 0) return failure(EEXIST, path);
  Status status = write_descriptor(fd.get(), text);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) status = failure(errno, path);
  if (!status) (void)::unlink(temporary.c_str());  // the first error is the one to report
  if (!status) return Error{status.error().cause, status.error().number, "write " + path};
  return Done{};
}

}  // namespace ipcdoctor::cmd
