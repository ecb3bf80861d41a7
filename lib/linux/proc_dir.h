#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// One open directory under /proc. All reads are relative to it, so that a pid that was reused
/// in the meantime gives Gone instead of another process's facts (proc(5)).
class ProcDir {
 public:
  static Result<ProcDir> open(Pid pid);                       ///< /proc/PID
  static Result<ProcDir> open_system();                       ///< /proc
  Result<ProcDir> open_below(const std::string& name) const;  ///< "task/43", "fd"

  /// Another one of the same process, parked or not.
  Result<ProcDir> duplicate() const;

  /// openat(2) of something in it that cannot wait. @param verb  for the Error: "list"
  Result<UniqueFd> open_in(const std::string& name, int flags, const char* verb) const;

  const std::string& path() const { return path_; }
  /// A descriptor of the directory, for what no function here does; -1 if it cannot be opened again
  /// after park().
  int fd() const;

  /// Closes the descriptor, where there are too few for all: from now on each read of this
  /// /proc/PID opens it for itself, and asks first whether it is still of the process that began at
  /// `start_ticks` (proc_pid_stat(5)); Gone if not.
  void park(std::uint64_t start_ticks);

  /// A path of the process, looked up in its own root and never out of it (openat2(2)). `flags` as
  /// of open(2): O_PATH, or O_DIRECTORY; never what could wait. @return Gone, Denied.
  Result<UniqueFd> open_in_root(const std::string& path, int flags) const;

  /// A whole small file, at most `limit` bytes (Limit beyond). @return Gone, Denied.
  Result<std::string> read(const std::string& name, std::size_t limit = 1 << 20) const;
  /// The same for a file of one record, which the kernel gives by a single read(2) that has room
  /// for it: stat, status, syscall, wchan, schedstat of a task (fs/proc/base.c, ONE(); Linux 6.1).
  Result<std::string> read_record(const std::string& name) const;
  /// The text of a symbolic link, raw bytes.
  Result<std::string> read_link(const std::string& name) const;
  /// The numeric entries of a directory, ascending: pids of /proc, tids of task, fds of fd. At most
  /// `limit`.
  Result<std::vector<int>> list_numbers(const std::string& name, std::size_t limit = 4 << 20) const;

 private:
  Result<std::string> read_record_here(const std::string& name) const;
  ProcDir(UniqueFd dir, std::string path) : dir_(std::move(dir)), path_(std::move(path)) {}
  Result<UniqueFd> open_again() const;
  /// The directory for one use.
  struct Opened {
    UniqueFd again;  ///< where it is parked
    int fd = -1;
  };
  Result<Opened> opened() const;
  mutable UniqueFd dir_;
  std::string path_;
  std::uint64_t start_ticks_ = 0;  ///< parked: of whom it is; else 0
};

}  // namespace ipcdoctor::linux
