#include "linux/fd_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <map>

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

constexpr unsigned long kMqueueMagic = 0x19800202;  // include/uapi/linux/magic.h
constexpr std::uint64_t kMqueueFileSize = 80;       // FILENT_SIZE of ipc/mqueue.c

/// The layout that getdents64(2) fills in; the name follows at kNameOffset.
struct DirectoryEntry {
  std::uint64_t ino;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
};
constexpr long kNameOffset = offsetof(DirectoryEntry, type) + 1;

/// "[123]" -> 123.
bool parse_bracketed(std::string_view text, std::uint64_t& number) {
  return take_prefix(text, "[") && take_number(text, number) && text == "]";
}

bool is_namespace_kind(std::string_view word) {
  for (const std::string_view kind : {"net", "mnt", "pid", "ipc", "uts", "user", "cgroup", "time",
                                      "time_for_children", "pid_for_children"}) {
    if (word == kind) return true;
  }
  return false;
}

/// Their file system has no directories: "/name" of the kernel's own mount, or "/dev/mqueue/name".
bool may_be_mqueue(std::string_view path) {
  const std::size_t last = path.rfind('/');
  return last == 0 || path.substr(0, last).ends_with("mqueue");
}

/// Tells POSIX message queues from other small files, without asking any file system that could
/// block.
class MqueueDevices {
 public:
  explicit MqueueDevices(const ProcDir& task) : task_(task) {}

  Result<bool> is_mqueue(int fds, const char* name, std::uint64_t dev) {
    const auto known = by_device_.find(dev);
    if (known != by_device_.end()) return known->second;
    if (by_device_.empty()) read_mounts();
    const auto mounted = by_device_.find(dev);
    if (mounted != by_device_.end()) return mounted->second;
    // mq_open(3) goes through a mount of the kernel's own, which no mountinfo shows.
    struct statfs fs {};
    const std::string path = "/proc/self/fd/" + std::to_string(fds) + "/" + name;
    if (::statfs(path.c_str(), &fs) != 0)
      return Error{cause_of(errno), errno, "statfs " + task_.path() + "/fd/" + name};
    return by_device_[dev] = static_cast<unsigned long>(fs.f_type) == kMqueueMagic;
  }

 private:
  /// "36 35 98:0 /root /mount options - type source options"; see proc(5).
  void read_mounts() {
    const auto text = task_.read("mountinfo", 16 << 20);
    if (!text) return;
    std::string_view rest = *text, line;
    while (take_line(rest, line)) {
      unsigned id = 0, parent = 0, major_nr = 0, minor_nr = 0;
      const std::size_t dash = line.find(" - ");
      if (dash == std::string_view::npos) continue;
      std::string_view type = line.substr(dash + 3);
      if (!take_number(line, id) || !take_number(line, parent) || !take_number(line, major_nr) ||
          !take_prefix(line, ":") || !take_number(line, minor_nr)) {
        continue;
      }
      by_device_[makedev(major_nr, minor_nr)] = take_word(type) == "mqueue";
    }
  }

  const ProcDir& task_;
  std::map<std::uint64_t, bool> by_device_;
};

/// One walk over a table.
class FdWalk {
 public:
  FdWalk(const ProcDir& task, UniqueFd fds, const FdTableOptions& options)
      : fds_(std::move(fds)),
        options_(options),
        mqueues_(task),
        what_("list " + task.path() + "/fd") {}

  Result<std::size_t> run(const std::function<bool(FdEntry&&)>& each) {
    alignas(DirectoryEntry) char buffer[32768];
    for (;;) {
      const long n = ::syscall(SYS_getdents64, fds_.get(), buffer, sizeof buffer);
      if (n < 0) return Error{cause_of(errno), errno, what_};
      if (n == 0) return seen_;
      for (long at = 0; at < n;) {
        const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
        const char* const raw_name = buffer + at + kNameOffset;
        at += entry->length;
        std::string_view name(raw_name);
        int fd = -1;
        if (!take_number(name, fd) || !name.empty()) continue;  // "." and ".."
        if (seen_ >= options_.limit) return Error{Cause::Limit, 0, what_};
        const auto found = look_at(fd, raw_name);
        if (!found) {
          if (found.error().cause == Cause::Gone) continue;
          return found.error();
        }
        ++seen_;
        if (!each(std::move(entry_))) return seen_;
      }
    }
  }

  Result<std::size_t> run(std::span<const int> which, const std::function<bool(FdEntry&&)>& each) {
    for (const int fd : which) {
      const auto found = look_at(fd, std::to_string(fd).c_str());
      if (!found && found.error().cause == Cause::Gone) continue;
      if (!found) return found.error();
      ++seen_;
      if (!each(std::move(entry_))) break;
    }
    return seen_;
  }

 private:
  /// Fills entry_.
  Status look_at(int fd, const char* name) {
    const ssize_t n = ::readlinkat(fds_.get(), name, link_, sizeof link_);
    if (n >= 0) {
      entry_ = parse_fd_link(fd, std::string_view(link_, static_cast<std::size_t>(n)));
    } else if (errno == ENAMETOOLONG) {
      entry_ = FdEntry{};  // deeper than PATH_MAX: the stat below still tells what it is
      entry_.fd = fd;
      entry_.link = "/";
    } else {
      return Error{cause_of(errno), errno, what_ + "/" + name};
    }
    if (options_.stat_paths && entry_.link.starts_with('/') && !is_known_device()) {
      if (const Status seen = add_stat(name); !seen) return seen;
    }
    if (entry_.kind == FileKind::Pipe || entry_.kind == FileKind::Fifo ||
        entry_.kind == FileKind::Mqueue ||
        (entry_.kind == FileKind::CharDevice && !is_memory_device(entry_.rdev))) {
      add_access(name);
    }
    return Done{};
  }

  /// A table is full of /dev/null, which has one meaning for all of a process.
  bool is_known_device() {
    if (device_.link.empty() || device_.link != entry_.link) return false;
    const int fd = entry_.fd;
    entry_ = device_;
    entry_.fd = fd;
    return true;
  }

  /// A FIFO that is not known as one is a holder that is missed.
  Status add_stat(const char* name) {
    struct statx file {};
    // The magic link leads to the open file itself, so no name is looked up; DONT_SYNC takes what
    // the kernel has cached and never asks the server of a FUSE file.
    const int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    // Where its server lets nobody else in, FUSE tells who asks for nothing the device alone, and
    // all others what they know (fuse_getattr() of fs/fuse/dir.c, vfs_getattr_nosec() of fs/stat.c,
    // Linux 6.1).
    if (::statx(fds_.get(), name, flags, STATX_BASIC_STATS, &file) != 0 &&
        ::statx(fds_.get(), name, flags, 0, &file) != 0)
      return Error{cause_of(errno), errno, what_ + "/" + name};
    if ((file.stx_mask & STATX_TYPE) == 0) return Done{};  // kind stays as the link says
    entry_.dev = makedev(file.stx_dev_major, file.stx_dev_minor);
    entry_.ino = file.stx_ino;
    entry_.nlink = file.stx_nlink;
    switch (file.stx_mode & S_IFMT) {
      case S_IFIFO:
        entry_.kind = FileKind::Fifo;
        break;
      case S_IFDIR:
        entry_.kind = FileKind::Directory;
        break;
      case S_IFCHR:
        entry_.kind = FileKind::CharDevice;
        break;
      case S_IFBLK:
        entry_.kind = FileKind::BlockDevice;
        break;
      case S_IFREG:
        // A memfd has no name at all; a file "/memfd:x" in the root directory has.
        if (entry_.kind != FileKind::Memfd || file.stx_nlink > 0) entry_.kind = FileKind::Regular;
        if (file.stx_size == kMqueueFileSize && file.stx_dev_major == 0 &&
            may_be_mqueue(entry_.link)) {
          const auto is_queue = mqueues_.is_mqueue(fds_.get(), name, entry_.dev);
          if (!is_queue) return is_queue.error();
          if (*is_queue) entry_.kind = FileKind::Mqueue;
        }
        break;
      default:
        break;
    }
    if (entry_.kind == FileKind::CharDevice || entry_.kind == FileKind::BlockDevice) {
      entry_.rdev = makedev(file.stx_rdev_major, file.stx_rdev_minor);
    }
    if (entry_.kind == FileKind::CharDevice && is_memory_device(entry_.rdev)) device_ = entry_;
    return Done{};
  }

  void add_access(const char* name) {
    struct stat link {};
    if (::fstatat(fds_.get(), name, &link, AT_SYMLINK_NOFOLLOW) != 0) return;
    entry_.readable = (link.st_mode & S_IRUSR) != 0;
    entry_.writable = (link.st_mode & S_IWUSR) != 0;
    entry_.access_known = true;
  }

  UniqueFd fds_;
  FdTableOptions options_;
  MqueueDevices mqueues_;
  std::string what_;
  FdEntry entry_;
  FdEntry device_;  ///< the memory device that was seen last
  std::size_t seen_ = 0;
  char link_[PATH_MAX + 64];
};

}  // namespace

FdEntry parse_fd_link(int fd, std::string_view link) {
  FdEntry entry;
  entry.fd = fd;
  if (take_prefix(link, "pipe:")) {
    if (parse_bracketed(link, entry.ino)) entry.kind = FileKind::Pipe;
  } else if (take_prefix(link, "socket:")) {
    if (parse_bracketed(link, entry.ino)) entry.kind = FileKind::Socket;
  } else if (take_prefix(link, "anon_inode:")) {
    entry.kind = FileKind::AnonInode;
    const bool bracketed = link.size() >= 2 && link.front() == '[' && link.back() == ']';
    entry.link = bracketed ? link.substr(1, link.size() - 2) : link;
  } else if (link.starts_with("pidfd:[")) {  // Linux 6.9 only
    entry.kind = FileKind::AnonInode;
    entry.link = "pidfd";
  } else if (link.starts_with("/memfd:")) {
    entry.kind = FileKind::Memfd;  // a stat tells it from a file of that name in the root
    entry.link = link;
  } else {
    entry.link = link;
    const std::size_t colon = link.find(':');
    const bool is_namespace =
        colon != std::string_view::npos && is_namespace_kind(link.substr(0, colon));
    if (is_namespace && parse_bracketed(link.substr(colon + 1), entry.ino))
      entry.kind = FileKind::Namespace;
  }
  return entry;
}

Result<std::size_t> read_fds(const ProcDir& task, const FdTableOptions& options,
                             const std::function<bool(FdEntry&&)>& each) {
  auto fds = task.open_in("fd", O_RDONLY | O_DIRECTORY, "list");
  if (!fds) return fds.error();
  return FdWalk(task, std::move(*fds), options).run(each);
}

Result<std::size_t> read_some_fds(const ProcDir& task, std::span<const int> which,
                                  const std::function<bool(FdEntry&&)>& each) {
  auto fds = task.open_in("fd", O_RDONLY | O_DIRECTORY, "list");
  if (!fds) return fds.error();
  return FdWalk(task, std::move(*fds), {}).run(which, each);
}

std::size_t count_fds(const ProcDir& task) {
  struct stat status {};
  return ::fstatat(task.fd(), "fd", &status, 0) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

Result<std::vector<FdEntry>> read_fds(const ProcDir& task, const FdTableOptions& options) {
  std::vector<FdEntry> entries;
  const auto seen = read_fds(task, options, [&](FdEntry&& entry) {
    entries.push_back(std::move(entry));
    return true;
  });
  if (!seen) return seen.error();
  return entries;
}

bool is_terminal(std::uint64_t rdev) {
  const unsigned number = major(rdev);
  const bool console = number == 5 && minor(rdev) <= 1;  // /dev/tty, /dev/console
  const bool serial =
      number == 166 || number == 188 || number == 204 || number == 229;  // ACM, USB, AMA, hvc
  return number == 4 || (number >= 136 && number <= 143) || console || serial;
}

bool is_memory_device(std::uint64_t rdev) {
  return major(rdev) == 1;
}
bool is_ptmx(std::uint64_t rdev) {
  return rdev == makedev(5, 2);
}
bool is_fuse_device(std::uint64_t rdev) {
  return rdev == makedev(10, 229);
}
bool is_kvm_device(std::uint64_t rdev) {
  return rdev == makedev(10, 232) || rdev == makedev(10, 238) || rdev == makedev(10, 241);
}

}  // namespace ipcdoctor::linux
