#include "linux/fdinfo.h"

#include <sys/sysmacros.h>

#include <limits>

#include "linux/text_scan.h"

namespace ipcdoctor::linux {
namespace {

/// The kernel's own dev_t, which some lines print raw: 12 bits of major, 20 of minor
/// (include/linux/kdev_t.h).
std::uint64_t device_of_kernel(std::uint64_t dev) {
  return makedev(static_cast<unsigned>(dev >> 20), static_cast<unsigned>(dev & 0xfffff));
}

/// "        5 events:       19 data:                5  pos:0 ino:12 sdev:10"; fs/eventpoll.c. Up to
/// data before Linux 5.3.
bool parse_epoll_target(std::string_view rest, EpollTarget& target) {
  if (!take_number(rest, target.fd)) return false;
  skip_blanks(rest);
  if (!take_prefix(rest, "events:") || !take_number(rest, target.events, 16)) return false;
  skip_blanks(rest);
  if (!take_prefix(rest, "data:") || !take_number(rest, target.data, 16)) return false;
  if (is_blank(rest)) return true;
  std::int64_t pos = 0;
  std::uint64_t dev = 0;
  skip_blanks(rest);
  if (!take_prefix(rest, "pos:") || !take_number(rest, pos)) return false;
  skip_blanks(rest);
  if (!take_prefix(rest, "ino:") || !take_number(rest, target.ino, 16)) return false;
  skip_blanks(rest);
  if (!take_prefix(rest, "sdev:") || !take_number(rest, dev, 16)) return false;
  target.dev = device_of_kernel(dev);
  return true;
}

/// "(4, 999974940)": seconds and nanoseconds. Times past the end of 64 bits of nanoseconds are cut
/// to it.
bool parse_time(std::string_view rest, std::uint64_t& nanoseconds) {
  std::uint64_t seconds = 0, fraction = 0;
  skip_blanks(rest);
  if (!take_prefix(rest, "(") || !take_number(rest, seconds) || !take_prefix(rest, ",") ||
      !take_number(rest, fraction) || !take_prefix(rest, ")") || fraction >= 1'000'000'000) {
    return false;
  }
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  nanoseconds = seconds >= kMax / 1'000'000'000 ? kMax : seconds * 1'000'000'000 + fraction;
  return true;
}

bool parse_pids(std::string_view rest, std::vector<int>& pids) {
  while (!is_blank(rest)) {
    int pid = 0;
    if (!take_number(rest, pid)) return false;
    pids.push_back(pid);
  }
  return true;
}

enum class Section { None, UserFiles, PollList, Overflow, Other };

/// Parses one file; the members keep what the lines before it mean for a line.
class FdInfoParser {
 public:
  Result<FdInfo> run(std::string_view text) {
    info_.truncated = !text.empty() && !text.ends_with('\n');
    std::string_view line;
    while (take_line(text, line)) {
      if (info_.truncated && text.empty()) break;  // the cut line may have lost digits
      if (!parse_line(line)) return malformed();
    }
    if (!flags_seen_ || !pos_seen_) return malformed();
    const UringInfo& ring = info_.uring;
    info_.uring.complete = user_files_seen_ && !info_.truncated &&
                           (ring.user_file_slots == 0 || !ring.user_files.empty());
    return std::move(info_);
  }

 private:
  static Error malformed() { return Error{Cause::Malformed, 0, "parse fdinfo"}; }

  bool parse_line(std::string_view line) {
    if (info_.has_uring && line.starts_with(' ')) return parse_ring_entry(line);
    if (take_prefix(line, "inotify ")) return ++info_.inotify_watches, true;
    if (take_prefix(line, "fanotify ")) return info_.has_fanotify = true;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    const std::string_view key = line.substr(0, colon);
    const std::string_view rest = line.substr(colon + 1);
    if (key == "tfd") {
      EpollTarget target;
      if (!parse_epoll_target(rest, target)) return false;
      info_.epoll.push_back(target);
      return true;
    }
    if (key == "lock") {
      auto lock = parse_lock_line(rest);
      if (lock) info_.locks.push_back(*lock);
      return lock.has_value();
    }
    return parse_common(key, rest) && parse_special(key, rest) && parse_ring(key, rest);
  }

  bool parse_common(std::string_view key, std::string_view rest) {
    if (key == "flags" && !flags_seen_)
      return (flags_seen_ = true), take_number(rest, info_.flags, 8);
    if (key == "pos" && !pos_seen_) return (pos_seen_ = true), take_number(rest, info_.pos);
    if (key == "ino" && info_.ino == 0) return take_number(rest, info_.ino);
    if (key == "mnt_id" && info_.mount_id == -1) return take_number(rest, info_.mount_id);
    return true;
  }

  bool parse_special(std::string_view key, std::string_view rest) {
    if (info_.has_uring)
      return true;  // names of files may follow: none of them is an eventfd or a pidfd
    if (key == "eventfd-count")
      return (info_.has_eventfd = true), take_number(rest, info_.eventfd_count, 16);
    if (key == "eventfd-id") return take_number(rest, info_.eventfd_id);
    if (key == "eventfd-semaphore")
      return (info_.has_eventfd_semaphore = true), parse_flag(rest, info_.eventfd_semaphore);
    if (key == "clockid")
      return (info_.has_timerfd = true), take_number(rest, info_.timerfd.clockid);
    if (key == "ticks") return take_number(rest, info_.timerfd.ticks);
    if (key == "it_value") return parse_time(rest, info_.timerfd.value_ns);
    if (key == "it_interval") return parse_time(rest, info_.timerfd.interval_ns);
    if (key == "sigmask")
      return (info_.has_signalfd = true), take_number(rest, info_.signal_mask, 16);
    if (key == "Pid") return (info_.has_pidfd = true), take_number(rest, info_.pidfd_pid);
    if (key == "NSpid") return parse_pids(rest, info_.pidfd_ns_pids);
    if (key == "scm_fds") return (info_.has_scm_fds = true), take_number(rest, info_.scm_fds);
    if (key == "tty-index") return (info_.has_tty_index = true), take_number(rest, info_.tty_index);
    return true;
  }

  static bool parse_flag(std::string_view rest, bool& flag) {
    int value = 0;
    if (!take_number(rest, value)) return false;
    flag = value != 0;
    return true;
  }

  bool parse_ring(std::string_view key, std::string_view rest) {
    UringInfo& ring = info_.uring;
    if (key == "SqHead") {
      if (info_.has_uring) return true;
      info_.has_uring = true;
      return take_number(rest, ring.sq_head);
    }
    if (!info_.has_uring) return true;
    section_ = Section::Other;
    if (user_files_seen_) {  // counters come before the names
      if (key == "PollList") section_ = Section::PollList;
      if (key == "CqOverflowList") section_ = Section::Overflow;
      return true;
    }
    if (key == "SqTail") return take_number(rest, ring.sq_tail);
    if (key == "CachedSqHead") return take_number(rest, ring.cached_sq_head);
    if (key == "CqHead") return take_number(rest, ring.cq_head);
    if (key == "CqTail") return take_number(rest, ring.cq_tail);
    if (key == "CachedCqTail") return take_number(rest, ring.cached_cq_tail);
    if (key == "UserFiles") {
      user_files_seen_ = true;
      section_ = Section::UserFiles;
      return take_number(rest, ring.user_file_slots);
    }
    return true;
  }

  /// "    0: pipe:[102596]", "  op=22, task_works=0", "  user_data=5, res=1, flags=0".
  bool parse_ring_entry(std::string_view line) {
    UringInfo& ring = info_.uring;
    skip_blanks(line);
    if (section_ == Section::UserFiles) {
      std::uint64_t slot = 0;
      if (!take_number(line, slot) || !take_prefix(line, ": ")) return true;
      if (line != "<none>" && !line.empty()) ring.user_files.emplace_back(line);
    } else if (section_ == Section::PollList) {
      UringPoll poll;
      if (!take_prefix(line, "op=") || !take_number(line, poll.opcode)) return true;
      ring.polls.push_back(poll);
    } else if (section_ == Section::Overflow) {
      ring.overflow = true;
    }
    return true;
  }

  FdInfo info_;
  bool flags_seen_ = false, pos_seen_ = false, user_files_seen_ = false;
  Section section_ = Section::None;
};

std::string file_name(int fd) {
  return "fdinfo/" + std::to_string(fd);
}

}  // namespace

Result<FdInfo> parse_fdinfo(std::string_view text) {
  return FdInfoParser().run(text);
}

Result<FdInfo> read_fdinfo(const ProcDir& task, int fd) {
  const auto text = task.read(file_name(fd), 64 << 20);
  if (!text) return text.error();
  return parse_fdinfo(*text);
}

Result<std::uint32_t> read_fd_flags(const ProcDir& task, int fd) {
  const auto info = read_fdinfo(task, fd);
  if (!info) return info.error();
  return info->flags;
}

}  // namespace ipcdoctor::linux
