#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"
#include "linux/proc_locks.h"

namespace ipcdoctor::linux {

/// One "tfd:" line of an epoll set.
struct EpollTarget {
  int fd = -1;  ///< the number at EPOLL_CTL_ADD; may since be another file: compare ino and dev
  std::uint32_t events = 0;
  std::uint64_t data = 0;
  std::uint64_t ino = 0;  ///< 0 before Linux 5.3
  std::uint64_t dev = 0;  ///< makedev
};

struct TimerfdInfo {
  int clockid = 0;
  std::uint64_t ticks = 0;     ///< expirations not yet read
  std::uint64_t value_ns = 0;  ///< until the next expiration; 0 = disarmed
  std::uint64_t interval_ns = 0;
  bool armed() const { return value_ns != 0; }
};

/// One operation that a ring waits for ("op=22, task_works=0" below PollList).
struct UringPoll {
  int opcode = 0;
};

struct UringInfo {
  std::uint32_t sq_head = 0, sq_tail = 0, cq_head = 0, cq_tail = 0;
  std::uint32_t cached_sq_head = 0, cached_cq_tail = 0;
  std::vector<std::string> user_files;  ///< fixed files, as parse_fd_link() takes them; before
                                        ///< Linux 6.8 or so only names
  std::uint64_t user_file_slots = 0;
  std::vector<UringPoll> polls;
  bool overflow = false;  ///< CqOverflowList is not empty
  bool complete =
      false;  ///< all fixed files are in user_files; false also when the ring was locked
};

/// What /proc/PID/fdinfo/FD says; see proc(5). A member that the file did not have keeps its
/// default and its has_ flag is false.
struct FdInfo {
  std::uint32_t flags = 0;  ///< octal in the file: O_RDONLY.. O_ASYNC 020000 ...
  std::int64_t pos = 0;
  std::uint64_t ino = 0;  ///< since Linux 5.14; 0 before
  int mount_id = -1;

  bool has_eventfd = false;
  std::uint64_t eventfd_count = 0;
  std::int64_t eventfd_id = -1;        ///< since Linux 5.2; -1 before
  bool has_eventfd_semaphore = false;  ///< whether the kernel tells it: Linux 6.6
  bool eventfd_semaphore = false;

  bool has_timerfd = false;
  TimerfdInfo timerfd;

  bool has_signalfd = false;
  std::uint64_t signal_mask = 0;  ///< bit n-1 = signal n

  bool has_pidfd = false;
  int pidfd_pid =
      0;  ///< in the reader's namespace; -1 = that process is dead, 0 = not visible from here
  std::vector<int> pidfd_ns_pids;

  std::vector<EpollTarget> epoll;  ///< complete unless `truncated`
  std::uint32_t inotify_watches = 0;
  bool has_fanotify = false;
  bool has_scm_fds = false;
  std::uint32_t scm_fds =
      0;  ///< descriptors in flight in a unix socket's receive queue (since Linux 5.7)

  bool has_tty_index = false;
  int tty_index = -1;  ///< of a pty master: its slave is /dev/pts/N

  bool has_uring = false;
  UringInfo uring;

  std::vector<FileLockEntry>
      locks;  ///< "lock:" lines: locks that this open file (or, for POSIX, its process) holds
  bool truncated = false;  ///< the last line had no newline: the text was cut

  bool readable() const { return (flags & 3) == 0 || (flags & 3) == 2; }
  bool writable() const { return (flags & 3) == 1 || (flags & 3) == 2; }
  bool is_async() const { return (flags & 020000) != 0; }
  bool is_path_only() const { return (flags & 010000000) != 0; }  ///< O_PATH
};

/// Unknown lines are skipped. Of a line that should be there once the first counts, because behind
/// it may stand names of files that the target chose. @return Malformed when pos or flags is absent
/// or a known line does not parse.
Result<FdInfo> parse_fdinfo(std::string_view text);
/// @param task  /proc/PID or /proc/PID/task/TID. Needs PTRACE_MODE_READ. @return Gone, Denied,
/// Limit (over 64 MiB).
Result<FdInfo> read_fdinfo(const ProcDir& task, int fd);
/// The "flags:" line alone of an open file, for a cheap test of O_ASYNC or the access mode over
/// many.
Result<std::uint32_t> read_fd_flags(const ProcDir& task, int fd);

}  // namespace ipcdoctor::linux
