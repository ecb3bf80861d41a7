#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// What a descriptor's magic link leads to.
enum class FileKind {
  Unknown,  ///< a link text that nobody here knows, or its stat failed
  Pipe,
  Socket,
  AnonInode,
  Fifo,
  Regular,
  Directory,
  CharDevice,
  BlockDevice,
  Mqueue,
  Namespace,  ///< net:[N], mnt:[N] ...
  Memfd,      ///< /memfd:name (deleted): dev and ino say which
};

/// One entry of /proc/PID/fd.
struct FdEntry {
  int fd = -1;
  FileKind kind = FileKind::Unknown;
  bool readable = false;  ///< the link's own permission bits: r = FMODE_READ (proc(5))
  bool writable = false;
  bool access_known = false;  ///< only looked up for Pipe, Fifo, Mqueue and CharDevice, but not
                              ///< of /dev/null and its like
  std::uint64_t dev = 0;      ///< st_dev (makedev); 0 for Pipe, Socket, AnonInode
  std::uint64_t ino = 0;      ///< pipe:[N], socket:[N], or st_ino
  std::uint64_t rdev = 0;     ///< CharDevice, BlockDevice
  std::uint32_t nlink =
      0;             ///< 0 = the name is gone (or never was); only for kinds that were stat'ed
  std::string link;  ///< raw bytes: a path, or "eventpoll" of anon_inode:[eventpoll]; empty for
                     ///< Pipe and Socket
};

/// Parses a link text as far as it goes without a stat: kind, ino, link. A path always starts with
/// '/', so a file that is named "pipe:[1]" is not one. Paths give FileKind::Unknown (Memfd for
/// "/memfd:").
FdEntry parse_fd_link(int fd, std::string_view link);

struct FdTableOptions {
  std::size_t limit = 2'000'000;  ///< descriptors; beyond: Limit
  bool stat_paths =
      true;  ///< false: paths stay Unknown, for a quick look for pipes and sockets only
};

/// Calls `each` for every descriptor of the table, in the kernel's order (ascending), holding none
/// of them in memory. Never opens the file and never asks a FUSE server (AT_STATX_DONT_SYNC). A
/// descriptor that was closed in the meantime is left out. Returns the number seen. `each` returns
/// false to end early.
/// @param task  /proc/PID or /proc/PID/task/TID. Needs PTRACE_MODE_READ. @return Denied, Gone,
/// Limit.
Result<std::size_t> read_fds(const ProcDir& task, const FdTableOptions& options,
                             const std::function<bool(FdEntry&&)>& each);
/// How many there are, without looking at them: st_size of the directory since Linux 6.2
/// (proc_fd_getattr() of fs/proc/fd.c), before that 0.
std::size_t count_fds(const ProcDir& task);
/// The same as a vector.
Result<std::vector<FdEntry>> read_fds(const ProcDir& task, const FdTableOptions& options = {});

/// The same for some of them, by their numbers.
Result<std::size_t> read_some_fds(const ProcDir& task, std::span<const int> which,
                                  const std::function<bool(FdEntry&&)>& each);

/// /dev/null, /dev/zero, /dev/urandom ...: nobody waits for them (Documentation/admin-guide/
/// devices.txt, Linux 6.1).
bool is_memory_device(std::uint64_t rdev);
/// A terminal by its device number: /dev/pts/N (136..143), consoles, serial lines; 5:0 is /dev/tty,
/// the caller's own.
bool is_terminal(std::uint64_t rdev);
bool is_ptmx(std::uint64_t rdev);         ///< 5:2; FdInfo::tty_index says which slave it has
bool is_fuse_device(std::uint64_t rdev);  ///< 10:229
bool is_kvm_device(std::uint64_t rdev);   ///< 10:232; vhost devices: 10:238 and 10:241

}  // namespace ipcdoctor::linux
