#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

enum class FileLockType { Flock, Posix, Ofd, Lease, Delegation, Other };

/// One line of /proc/locks, or a "lock:" line of fdinfo; see proc(5).
struct FileLockEntry {
  std::uint64_t id = 0;  ///< the number at the front: waiters carry that of the lock they wait for
  bool waiting = false;  ///< a "->" line
  FileLockType type = FileLockType::Other;
  bool exclusive = false;  ///< WRITE
  int pid =
      0;  ///< who took it, in the reader's namespace; may be dead; -1 for OFD; 0 = not visible
  std::uint64_t dev = 0;  ///< makedev
  std::uint64_t ino = 0;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};  ///< inclusive; all bits set = EOF

  bool same_file(const FileLockEntry& other) const { return dev == other.dev && ino == other.ino; }
  bool overlaps(const FileLockEntry& other) const {
    return start <= other.end && other.start <= end;
  }
};

/// One line without its newline. @return Malformed.
Result<FileLockEntry> parse_lock_line(std::string_view line);
/// Lines of a type that is not known have FileLockType::Other. Holders stand before their waiters.
Result<std::vector<FileLockEntry>> parse_locks(std::string_view text);
/// Costs the system 6-16 ms if nobody read it lately: only where a task waits for a file lock.
/// Locks of processes outside our PID namespace are left out by the kernel.
Result<std::vector<FileLockEntry>> read_locks(const ProcDir& system);

}  // namespace ipcdoctor::linux
