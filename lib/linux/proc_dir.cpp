#include "linux/proc_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstddef>

#include "linux/broker.h"
#include "linux/deputy.h"
#include "linux/one_record.h"
#include "linux/proc_stat.h"

namespace ipcdoctor::linux {
namespace {

Error error_of(int saved, const char* verb, const std::string& dir, const std::string& name) {
  return Error{cause_of(saved), saved, std::string(verb) + " " + dir + "/" + name};
}

/// The layout that getdents64(2) fills in; the name follows at kNameOffset.
struct DirectoryEntry {
  std::uint64_t ino;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
};
constexpr long kNameOffset = offsetof(DirectoryEntry, type) + 1;

}  // namespace

Result<ProcDir> ProcDir::open(Pid pid) {
  const std::string path = "/proc/" + std::to_string(pid.value);
  UniqueFd dir = deputy::open_at(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!dir.is_open()) return error_of(errno, "open", "/proc", std::to_string(pid.value));
  return ProcDir(std::move(dir), path);
}

Result<ProcDir> ProcDir::open_system() {
  UniqueFd dir = deputy::open_at(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  if (!dir.is_open()) return error_of(errno, "open", "", "proc");
  return ProcDir(std::move(dir), "/proc");
}

void ProcDir::park(std::uint64_t start_ticks) {
  start_ticks_ = start_ticks;
  dir_ = UniqueFd();
}

Result<UniqueFd> ProcDir::open_again() const {
  UniqueFd dir = deputy::open_at(AT_FDCWD, path_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!dir.is_open()) return error_of(errno, "open", path_, ".");
  ProcDir now(std::move(dir), path_);
  const auto stat = read_stat(now);
  if (!stat) return stat.error();
  if (stat->start_ticks != start_ticks_) return error_of(ESRCH, "open", path_, ".");
  return std::move(now.dir_);
}

Result<ProcDir::Opened> ProcDir::opened() const {
  if (dir_.is_open()) return Opened{UniqueFd(), dir_.get()};
  auto again = open_again();
  if (!again) return again.error();
  const int fd = again->get();
  return Opened{std::move(*again), fd};
}

int ProcDir::fd() const {
  if (!dir_.is_open()) {
    auto again = open_again();
    if (again) dir_ = std::move(*again);
  }
  return dir_.get();
}

Result<ProcDir> ProcDir::duplicate() const {
  UniqueFd dir(dir_.is_open() ? ::fcntl(dir_.get(), F_DUPFD_CLOEXEC, 0) : -1);
  if (dir_.is_open() && !dir.is_open()) return error_of(errno, "open", path_, ".");
  ProcDir copy(std::move(dir), path_);
  copy.start_ticks_ = start_ticks_;
  return copy;
}

Result<UniqueFd> ProcDir::open_in(const std::string& name, int flags, const char* verb) const {
  const auto dir = opened();
  if (!dir) return dir.error();
  UniqueFd file = deputy::open_at(dir->fd, name.c_str(), flags);
  if (!file.is_open()) return error_of(errno, verb, path_, name);
  return file;
}

Result<ProcDir> ProcDir::open_below(const std::string& name) const {
  auto dir = open_in(name, O_RDONLY | O_DIRECTORY, "open");
  if (!dir) return dir.error();
  return ProcDir(std::move(*dir), path_ + "/" + name);
}

Result<UniqueFd> ProcDir::open_in_root(const std::string& path, int flags) const {
  const auto root = open_in("root", O_PATH | O_DIRECTORY, "open");
  if (!root) return root.error();
  UniqueFd file = deputy::open_in_root(root->get(), path.c_str(), flags);
  if (!file.is_open()) return error_of(errno, "open", path_, "root" + path);
  return file;
}

Result<std::string> ProcDir::read(const std::string& name, std::size_t limit) const {
  if (deputy::is_asked()) {
    std::string text;
    const auto dir = opened();
    if (!dir) return dir.error();
    if (deputy::read(dir->fd, name.c_str(), limit, text)) return text;
    if (errno == EFBIG) return Error{Cause::Limit, 0, "read " + path_ + "/" + name};
    return error_of(errno, "read", path_, name);
  }
  const auto file = open_in(name, O_RDONLY, "read");
  if (!file) return file.error();
  // The same room for all: a text that grows where it is leaves holes that nobody fills again.
  thread_local std::vector<char> room(std::size_t{64} << 10);
  std::size_t size = 0;
  while (size <= limit) {
    if (size == room.size()) room.resize(size * 2);
    const ssize_t n = ::read(file->get(), room.data() + size, room.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return error_of(errno, "read", path_, name);
    if (n == 0) return std::string(room.data(), size);
    size += static_cast<std::size_t>(n);
  }
  return Error{Cause::Limit, 0, "read " + path_ + "/" + name};
}

Result<std::string> ProcDir::read_record_here(const std::string& name) const {
  constexpr std::size_t kRoom = 4096;
  if (deputy::is_asked()) {
    std::string text;
    const auto dir = opened();
    if (!dir) return dir.error();
    if (!deputy::read_record(dir->fd, name.c_str(), text))
      return error_of(errno, "read", path_, name);
    return text.size() == kRoom ? read(name) : Result<std::string>(std::move(text));
  }
  const auto file = open_in(name, O_RDONLY, "read");
  if (!file) return file.error();
  char record[kRoom];
  const ssize_t n = read_one_record(file->get(), record, sizeof record);
  if (n < 0) return error_of(errno, "read", path_, name);
  if (static_cast<std::size_t>(n) == sizeof record) return read(name);  // it has no room here
  return std::string(record, static_cast<std::size_t>(n));
}

Result<std::string> ProcDir::read_record(const std::string& name) const {
  Result<std::string> record = read_record_here(name);
  if (record || record.error().cause != Cause::Denied || !name.ends_with("syscall")) return record;
  Result<std::string> asked = ask_to_read(fd(), name);
  return asked ? asked : record;
}

Result<std::string> ProcDir::read_link(const std::string& name) const {
  char text[PATH_MAX + 64];
  const auto dir = opened();
  if (!dir) return dir.error();
  const ssize_t n = deputy::read_link_at(dir->fd, name.c_str(), text, sizeof text);
  if (n < 0) return error_of(errno, "read link", path_, name);
  return std::string(text, static_cast<std::size_t>(n));
}

Result<std::vector<int>> ProcDir::list_numbers(const std::string& name, std::size_t limit) const {
  const auto dir = open_in(name, O_RDONLY | O_DIRECTORY, "list");
  if (!dir) return dir.error();
  std::vector<int> numbers;
  alignas(DirectoryEntry) char buffer[32768];
  for (;;) {
    const long n = ::syscall(SYS_getdents64, dir->get(), buffer, sizeof buffer);
    if (n < 0) return error_of(errno, "list", path_, name);
    if (n == 0) break;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      const std::string_view text(buffer + at + kNameOffset);
      at += entry->length;
      int number = 0;
      const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (failure == std::errc{} && end == text.data() + text.size()) numbers.push_back(number);
      if (numbers.size() > limit) return Error{Cause::Limit, 0, "list " + path_ + "/" + name};
    }
  }
  std::ranges::sort(numbers);
  // A directory that changes while it is listed may name an entry twice.
  const auto twice = std::ranges::unique(numbers);
  numbers.erase(twice.begin(), twice.end());
  return numbers;
}

}  // namespace ipcdoctor::linux
