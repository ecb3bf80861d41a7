#include "output_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>

#include "linux/unique_fd.h"

namespace ipcdoctor::cmd {
namespace {

Error failure(int number, const std::string& path) {
  return Error{cause_of(number), number, "write " + path};
}

Error refusal(const std::string& path, const std::string& why) {
  return Error{Cause::Denied, 0, "will not write " + path + ": " + why};
}

struct Path {
  std::string folder;
  std::string name;
};

Path split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

/// The open descriptor that a path means.
std::optional<int> descriptor_of(std::string_view path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    const std::string_view digits = path.substr(folder.size());
    int fd = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
    if (error == std::errc{} && end == digits.data() + digits.size() && fd >= 0) return fd;
  }
  return std::nullopt;
}

/// Why what is there already may not be replaced; "" if it may.
std::string objection(const struct stat& st) {
  if (S_ISLNK(st.st_mode)) return "it is a symbolic link";
  if (S_ISDIR(st.st_mode)) return "it is a directory";
  if (!S_ISREG(st.st_mode)) return "it is no regular file";
  if (st.st_uid != ::geteuid())
    return "it belongs to another user (uid " + std::to_string(st.st_uid) + ")";
  return "";
}

/// A file in a folder that nobody finds before it is whole. It goes with this object.
class Temporary {
 public:
  explicit Temporary(int dir) : dir_(dir) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!name_.empty()) (void)::unlinkat(dir_, name_.c_str(), 0);  // an earlier error is reported
  }
  int fd() const { return fd_.get(); }

  /// Nothing is left of it even if we are killed. @return false where the file system has none
  bool open_nameless() {
    fd_ = linux::UniqueFd(::openat(dir_, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
    return fd_.is_open() && ::access(path_of_fd().c_str(), F_OK) == 0;
  }
  bool open_named() {
    return give_name([this](const char* name) {
      fd_ = linux::UniqueFd(::openat(dir_, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      return fd_.is_open();
    });
  }
  /// errno says why not.
  bool rename(const std::string& name) {
    const bool named = !name_.empty() || give_name([this](const char* temporary) {
      return ::linkat(AT_FDCWD, path_of_fd().c_str(), dir_, temporary, AT_SYMLINK_FOLLOW) == 0;
    });
    if (!named || ::renameat(dir_, name_.c_str(), dir_, name.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  std::string path_of_fd() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

  template <class Make>
  bool give_name(const Make& make) {
    constexpr int kAttempts = 100;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      name_ = ".ipcdoctor." + std::to_string(::getpid()) + "." + std::to_string(attempt) + ".tmp";
      if (make(name_.c_str())) return true;
      if (errno != EEXIST) break;
    }
    name_.clear();
    return false;
  }

  int dir_;
  linux::UniqueFd fd_;
  std::string name_;
};

}  // namespace

Status check_writable(const std::string& path) {
  if (const auto fd = descriptor_of(path)) {
    const int flags = ::fcntl(*fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return failure(EBADF, path);
    return Done{};
  }
  if (path == "/dev/null") return Done{};
  const auto [folder, name] = split(path);
  if (name.empty() || name == "." || name == "..") return refusal(path, "it is a directory");
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) {
    if (const std::string why = objection(st); !why.empty()) return refusal(path, why);
  } else if (errno != ENOENT) {
    return failure(errno, path);
  }
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return failure(errno, path);
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
  if (const auto fd = descriptor_of(path)) {
    const Status status = write_descriptor(*fd, text);
    return status ? status : Status(failure(status.error().number, path));
  }
  if (path == "/dev/null") return Done{};
  // once more: the look before the work may be an hour old
  if (Status status = check_writable(path); !status) return status;
  const auto [folder, name] = split(path);
  const linux::UniqueFd dir(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!dir.is_open()) return failure(errno, path);
  Temporary file(dir.get());
  int number = file.open_nameless() || file.open_named() ? 0 : errno;
  if (number != 0) return failure(number, path);
  if (const Status status = write_descriptor(file.fd(), text); !status)
    number = status.error().number;
  if (number == 0 && !file.rename(name)) number = errno;
  return number == 0 ? Status(Done{}) : failure(number, path);
}

Status append_to(const std::string& path, std::string_view text) {
  const std::string folder = split(path).folder;
  const linux::UniqueFd fd(
      ::open(path.c_str(),
             O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600));
  if (!fd.is_open())
    return errno == ELOOP ? refusal(path, "it is a symbolic link") : Status(failure(errno, path));
  struct stat file {};
  struct stat in {};
  if (::fstat(fd.get(), &file) != 0 || ::stat(folder.c_str(), &in) != 0)
    return failure(errno, path);
  if (!S_ISREG(file.st_mode)) return refusal(path, "it is no regular file");
  if (file.st_nlink > 1) return refusal(path, "it has other names too");
  if (file.st_uid != ::geteuid() && file.st_uid != in.st_uid) return refusal(path, objection(file));
  const Status status = write_descriptor(fd.get(), text);
  return status ? status : Status(failure(status.error().number, path));
}

}  // namespace ipcdoctor::cmd
