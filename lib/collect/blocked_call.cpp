#include "collect/blocked_call.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/text.h"
#include "collect/syscall_names.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Awaited;
using snapshot::ObjectId;
using snapshot::ObjectKind;
using snapshot::Wait;
using snapshot::WaitKind;

constexpr std::uint64_t kMaxPollFds = 1 << 20;
constexpr std::uint64_t kMaxSemOps = 500;  // SEMOPM
constexpr long kFutexWaitv = 449;
constexpr long kEpollPwait2 = 441;
constexpr long kClone3 = 435;
constexpr long kOpenat2 = 437;
constexpr int kOfdSetLockWait = 38;        // F_OFD_SETLKW of <fcntl.h> with _GNU_SOURCE
constexpr std::uint64_t kUringExtArg = 8;  // IORING_ENTER_EXT_ARG

template <class T>
Result<std::vector<T>> read_array(Surroundings& from, std::uint64_t address, std::uint64_t count) {
  std::vector<T> items(count);
  if (items.empty()) return items;
  const Status status = from.read(RemoteAddr{address}, std::as_writable_bytes(std::span(items)));
  if (!status) return status.error();
  return items;
}

template <class T>
Result<T> read_one(Surroundings& from, std::uint64_t address) {
  T item{};
  const Status status = from.read(RemoteAddr{address}, std::as_writable_bytes(std::span(&item, 1)));
  if (!status) return status.error();
  return item;
}

std::string read_path(Surroundings& from, std::uint64_t address) {
  std::string path;
  std::array<char, 64> piece{};
  while (path.size() < 4096) {
    // a path may end just before an unmapped page: never read past the end of a page at once
    const std::uint64_t at = address + path.size();
    const std::size_t room = std::min<std::size_t>(piece.size(), 4096 - at % 4096);
    if (!from.read(RemoteAddr{at}, std::as_writable_bytes(std::span(piece)).first(room))) return "";
    const std::size_t length = ::strnlen(piece.data(), room);
    path.append(piece.data(), length);
    if (length < room) return path;
  }
  return "";
}

/// Decodes one call; a fresh object for each.
class Decoder {
 public:
  Decoder(const BlockedCall& blocked, Surroundings& surroundings)
      : from_(surroundings), nr_(blocked.call.nr), args_(blocked.call.args), pc_(blocked.call.pc) {}

  Wait decode() {
    if (nr_ == SYS_restart_syscall) nr_ = interrupted_call();
    wait_.call = syscall_name(nr_);
    if (!decode_io() && !decode_multiplexed() && !decode_sync() && !decode_processes())
      wait_.kind = WaitKind::Unknown;
    return std::move(wait_);
  }

 private:
  int fd(std::size_t index) const { return static_cast<int>(args_[index]); }
  bool is_null(std::size_t index) const { return args_[index] == 0; }

  Awaited awaited(int number, bool in, bool out) {
    return Awaited{number, from_.object_of(number), in, out};
  }

  void unknown(std::string detail) {
    wait_.kind = WaitKind::Unknown;
    wait_.untimed = false;
    wait_.detail = std::move(detail);
  }

  /// A stub of libc is "mov $nr,%eax; syscall": PC stands behind it.
  long interrupted_call() {
    std::array<char, 7> stub{};
    if (!from_.read(RemoteAddr{pc_.value - stub.size()}, std::as_writable_bytes(std::span(stub))))
      return nr_;
    const long nr = linux::parse_call_stub(std::string_view(stub.data(), stub.size()));
    return nr >= 0 ? nr : nr_;
  }

  bool is_socket(const ObjectId& object) const {
    return object.kind == ObjectKind::UnixSocket || object.kind == ObjectKind::InetSocket ||
           object.kind == ObjectKind::OtherSocket;
  }

  /// A read, write, accept or connect on one descriptor.
  bool transfer(WaitKind kind, Direction direction, std::uint64_t size, std::size_t index = 0) {
    const bool in = direction == Direction::Receive;
    wait_.kind = kind;
    wait_.objects = {awaited(fd(index), in, !in)};
    wait_.size = size;
    wait_.detail = "fd " + std::to_string(fd(index));
    wait_.untimed = true;
    const ObjectId& object = wait_.objects[0].object;
    if (is_socket(object)) {
      const auto timeout = from_.has_socket_timeout(fd(index), direction);
      wait_.untimed = timeout && !*timeout;
    }
    if (object.kind == ObjectKind::Terminal && kind == WaitKind::Write)
      wait_.kind = WaitKind::Terminal;
    return true;
  }

  /// splice and its kin wait for data of one side or for room in the other; unless one is a file,
  /// nothing says for which.
  bool copy(std::size_t source, std::size_t sink, std::uint64_t size) {
    const Awaited from = awaited(fd(source), true, false);
    const Awaited to = awaited(fd(sink), false, true);
    if (from.object.kind == ObjectKind::File)
      return transfer(WaitKind::Write, Direction::Send, size, sink);
    if (to.object.kind == ObjectKind::File)
      return transfer(WaitKind::Read, Direction::Receive, size, source);
    wait_.kind = WaitKind::Poll;
    wait_.objects = {from, to};
    wait_.untimed = !may_time_out(from, Direction::Receive) && !may_time_out(to, Direction::Send);
    return true;
  }

  bool may_time_out(const Awaited& awaited, Direction direction) {
    if (!is_socket(awaited.object)) return false;
    const auto timeout = from_.has_socket_timeout(awaited.fd, direction);
    return !timeout || *timeout;
  }

  bool open_path(int dir_fd, std::uint64_t path_address, std::uint64_t flags) {
    const std::string path = read_path(from_, path_address);
    if (path.empty()) {
      unknown("path unreadable");
      return true;
    }
    wait_.detail = "path " + escape_untrusted(path);
    const auto file = from_.find_path(dir_fd, path);
    if (!file || file->object.kind != ObjectKind::Fifo)
      return true;  // Unknown: a file system or a device takes its time
    wait_.kind = WaitKind::OpenFifo;
    wait_.untimed = true;
    const bool reads = (flags & O_ACCMODE) == O_RDONLY;
    wait_.fifo_was_used = file->was_written;
    wait_.objects = {Awaited{-1, file->object, reads, !reads}};
    return true;
  }

  bool decode_io() {
    switch (nr_) {
      case SYS_read:
      case SYS_pread64:
        return transfer(WaitKind::Read, Direction::Receive, args_[2]);
      case SYS_readv:
      case SYS_preadv:
      case SYS_preadv2:
      case SYS_recvmsg:
        return transfer(WaitKind::Read, Direction::Receive, 0);
      case SYS_recvfrom:
        return transfer(WaitKind::Read, Direction::Receive, args_[2]);
      case SYS_recvmmsg:
        transfer(WaitKind::Read, Direction::Receive, 0);
        wait_.untimed = wait_.untimed && is_null(4);
        return true;
      case SYS_write:
      case SYS_pwrite64:
      case SYS_sendto:
        return transfer(WaitKind::Write, Direction::Send, args_[2]);
      case SYS_writev:
      case SYS_pwritev:
      case SYS_pwritev2:
      case SYS_sendmsg:
      case SYS_sendmmsg:
      case SYS_vmsplice:
        return transfer(WaitKind::Write, Direction::Send, 0);
      case SYS_accept:
      case SYS_accept4:
        return transfer(WaitKind::Accept, Direction::Receive, 0);
      case SYS_connect:
        return transfer(WaitKind::Connect, Direction::Send, 0);
      case SYS_splice:
        return copy(0, 2, args_[4]);
      case SYS_tee:
        return copy(0, 1, args_[2]);
      case SYS_sendfile:
        return copy(1, 0, args_[3]);
      case SYS_open:
        return open_path(AT_FDCWD, args_[0], args_[1]);
      case SYS_creat:
        return open_path(AT_FDCWD, args_[0], O_WRONLY);
      case SYS_openat:
        return open_path(fd(0), args_[1], args_[2]);
      case kOpenat2: {
        const auto how = read_one<std::uint64_t>(from_, args_[2]);
        if (how) return open_path(fd(0), args_[1], *how);
        unknown("arguments unreadable");
        return true;
      }
      case SYS_ioctl: {
        const ObjectId object = from_.object_of(fd(0));
        if (object.kind == ObjectKind::SeccompNotify)
          return transfer(WaitKind::Read, Direction::Receive, 0);
        if (object.kind != ObjectKind::Terminal) return false;
        transfer(WaitKind::Terminal, Direction::Send,
                 0);  // tcdrain(3), tcsetattr(3): output must drain first
        return true;
      }
      case SYS_close:
        // the descriptor is gone already; SO_LINGER bounds the wait in seconds
        wait_.kind = WaitKind::Close;
        wait_.detail = "fd " + std::to_string(fd(0));
        return true;
      case SYS_mq_timedsend:
      case SYS_mq_timedreceive: {
        const bool sends = nr_ == SYS_mq_timedsend;
        transfer(sends ? WaitKind::MqSend : WaitKind::MqReceive,
                 sends ? Direction::Send : Direction::Receive, args_[2]);
        wait_.untimed = is_null(4);
        return true;
      }
      default:
        return false;
    }
  }

  bool poll(bool untimed) {
    wait_.kind = WaitKind::Poll;
    wait_.untimed = untimed;
    if (args_[1] > kMaxPollFds) {
      unknown("poll of too many descriptors");
      return true;
    }
    const auto fds = read_array<struct pollfd>(from_, args_[0], args_[1]);
    if (!fds) {
      unknown("poll set unreadable");
      return true;
    }
    for (const struct pollfd& item : *fds) {
      if (item.fd < 0) continue;
      const bool in = (item.events & (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)) != 0;
      const bool out = (item.events & (POLLOUT | POLLWRNORM | POLLWRBAND)) != 0;
      // POLLHUP and POLLERR come unasked: the other side's close is always an event
      wait_.objects.push_back(awaited(item.fd, in || !out, out));
    }
    return true;
  }

  bool select() {
    wait_.kind = WaitKind::Poll;
    wait_.untimed = is_null(4);
    const int count = std::clamp(fd(0), 0, static_cast<int>(kMaxPollFds));
    const std::uint64_t words = (static_cast<std::uint64_t>(count) + 63) / 64;
    std::array<std::vector<std::uint64_t>, 3>
        sets;  // the kernel keeps them as they were until it returns
    for (std::size_t i = 0; i < sets.size(); ++i) {
      sets[i].resize(words);
      if (is_null(i + 1)) continue;
      auto set = read_array<std::uint64_t>(from_, args_[i + 1], words);
      if (!set) {
        unknown("select set unreadable");
        return true;
      }
      sets[i] = std::move(*set);
    }
    for (int number = 0; number < count; ++number) {
      const auto has = [&](std::size_t i) {
        return (sets[i][static_cast<std::size_t>(number) / 64] >> (number % 64) & 1) != 0;
      };
      if (has(0) || has(1) || has(2))
        wait_.objects.push_back(awaited(number, has(0) || has(2), has(1)));
    }
    return true;
  }

  bool epoll(bool untimed) {
    wait_.kind = WaitKind::Epoll;
    wait_.untimed = untimed;
    wait_.objects = {awaited(fd(0), true, false)};
    wait_.detail = "fd " + std::to_string(fd(0));
    return true;
  }

  bool decode_multiplexed() {
    switch (nr_) {
      case SYS_poll:
        poll(fd(2) < 0);
        if (is_mere_sleep()) wait_.sleep_ms = static_cast<std::uint64_t>(fd(2));
        return true;
      case SYS_ppoll:
        poll(is_null(2));
        if (is_mere_sleep()) sleep_for<timespec>(args_[2]);
        return true;
      case SYS_select:
        select();
        if (is_mere_sleep()) sleep_for<timeval>(args_[4]);
        return true;
      case SYS_pselect6:
        select();
        if (is_mere_sleep()) sleep_for<timespec>(args_[4]);
        return true;
      case SYS_epoll_wait:
      case SYS_epoll_pwait:
        return epoll(fd(3) < 0);
      case kEpollPwait2:
        return epoll(is_null(3));
      case SYS_io_uring_enter:
        wait_.kind = WaitKind::IoUring;
        wait_.objects = {awaited(fd(0), true, false)};
        wait_.untimed = (args_[3] & kUringExtArg) == 0 || is_null(4);
        if (!wait_.untimed) {
          // struct io_uring_getevents_arg: sigmask, sigmask_sz, min_wait_usec, ts
          const auto arg = read_array<std::uint64_t>(from_, args_[4], 3);
          wait_.untimed = arg && (*arg)[2] == 0 && ((*arg)[1] >> 32) == 0;
        }
        return true;
      default:
        return false;
    }
  }

  bool futex() {
    const int command = static_cast<int>(args_[1]) & FUTEX_CMD_MASK;
    const bool waits = command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET ||
                       command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2 ||
                       command == FUTEX_WAIT_REQUEUE_PI;
    if (!waits) return false;
    return futex_at(args_[0], static_cast<std::uint32_t>(args_[2]), is_null(3));
  }

  bool futex_at(std::uint64_t address, std::uint32_t expected, bool untimed) {
    wait_.kind = WaitKind::Futex;
    wait_.untimed = untimed;
    wait_.futex.address = RemoteAddr{address};
    wait_.futex.expected = expected;
    wait_.futex.word = read_one<std::uint32_t>(from_, address);
    if (!from_.locate(wait_.futex)) unknown("futex in memory whose mapping is not known");
    return true;
  }

  /// One of several. Private ones can only be woken out of the same memory, whichever it is.
  bool futex_waitv() {
    struct Waiter {
      std::uint64_t value, address;
      std::uint32_t flags, reserved;
    };
    constexpr std::uint64_t kMaxWaiters = 128;  // FUTEX_WAITV_MAX
    bool all_private = args_[1] <= kMaxWaiters;
    for (std::uint64_t i = 0; i < args_[1] && all_private; ++i) {
      const auto waiter = read_one<Waiter>(from_, args_[0] + i * sizeof(Waiter));
      if (waiter && args_[1] == 1)
        return futex_at(waiter->address, static_cast<std::uint32_t>(waiter->value), is_null(3));
      all_private = waiter && (waiter->flags & FUTEX_PRIVATE_FLAG) != 0;
    }
    if (!all_private) {
      unknown("one of " + std::to_string(args_[1]) + " futexes");
      return true;
    }
    wait_.kind = WaitKind::Futex;
    wait_.untimed = is_null(3);
    wait_.detail = "one of " + std::to_string(args_[1]) + " futexes";
    return true;
  }

  bool posix_lock(const char* type) {
    const auto lock = read_one<struct flock>(from_, args_[2]);
    if (!lock) {
      unknown("arguments unreadable");
      return true;
    }
    wait_.kind = WaitKind::FileLock;
    const ObjectId file = from_.object_of(fd(0));
    wait_.file_lock = {fd(0), file, type, lock->l_type == F_WRLCK};
    wait_.detail = "fd " + std::to_string(fd(0));
    // until /proc/locks tells the range (read_file_locks), it counts as able to go on
    wait_.file_lock.relative = lock->l_whence != SEEK_SET;
    wait_.untimed = !wait_.file_lock.relative && lock->l_start >= 0;
    if (!wait_.untimed) return true;
    const auto start = static_cast<std::uint64_t>(lock->l_start);
    if (lock->l_len < 0) {
      const auto length = static_cast<std::uint64_t>(-lock->l_len);
      wait_.untimed = length <= start;
      wait_.file_lock.start = start - length;
      wait_.file_lock.end = start - 1;
    } else {
      wait_.file_lock.start = start;
      if (lock->l_len > 0)
        wait_.file_lock.end = start + static_cast<std::uint64_t>(lock->l_len) - 1;
    }
    return true;
  }

  bool semaphore_ops(bool untimed) {
    struct Op {
      std::uint16_t number;
      std::int16_t op, flags;
    };
    wait_.kind = WaitKind::SysvSem;
    wait_.untimed = untimed;
    wait_.sysv.id = fd(0);
    if (args_[2] > kMaxSemOps) return true;
    const auto ops = read_array<Op>(from_, args_[1], args_[2]);
    if (!ops) return true;
    for (const Op& op : *ops) wait_.sysv.ops.emplace_back(op.number, op.op);
    return true;
  }

  bool decode_sync() {
    switch (nr_) {
      case SYS_futex:
        return futex();
      case kFutexWaitv:
        return futex_waitv();
      case SYS_flock:
        wait_.kind = WaitKind::FileLock;
        wait_.untimed = true;
        wait_.file_lock = {fd(0), from_.object_of(fd(0)), "flock", (args_[1] & 2) != 0};  // LOCK_EX
        wait_.detail = "fd " + std::to_string(fd(0));
        return true;
      case SYS_fcntl:
        if (fd(1) == F_SETLKW) return posix_lock("posix");
        if (fd(1) == kOfdSetLockWait) return posix_lock("ofd");
        return false;
      case SYS_semop:
        return semaphore_ops(true);
      case SYS_semtimedop:
        return semaphore_ops(is_null(3));
      case SYS_msgsnd:
      case SYS_msgrcv:
        wait_.kind = nr_ == SYS_msgsnd ? WaitKind::SysvSend : WaitKind::SysvReceive;
        wait_.untimed = true;
        wait_.sysv.id = fd(0);
        wait_.size = args_[2];
        return true;
      default:
        return false;
    }
  }

  bool child(const ChildFilter& filter) {
    wait_.kind = WaitKind::Child;
    wait_.untimed = true;
    wait_.children = from_.children(filter);
    wait_.any_child = filter.by != ChildFilter::By::Pid && filter.by != ChildFilter::By::PidFd;
    return true;
  }

  bool decode_wait4() {
    ChildFilter filter;
    filter.own_children_only = (args_[2] & __WNOTHREAD) != 0;
    const int pid = fd(0);
    if (pid > 0) filter.by = ChildFilter::By::Pid;
    if (pid == 0) filter.by = ChildFilter::By::OwnGroup;
    if (pid < -1) filter.by = ChildFilter::By::Group;
    filter.id = pid < 0 ? -pid : pid;
    wait_.detail = pid > 0 ? "pid " + std::to_string(pid) : "";
    return child(filter);
  }

  bool decode_waitid() {
    ChildFilter filter;
    filter.own_children_only = (args_[3] & __WNOTHREAD) != 0;
    filter.id = fd(1);
    if (args_[0] == P_PID) filter.by = ChildFilter::By::Pid;
    if (args_[0] == P_PGID)
      filter.by = filter.id == 0 ? ChildFilter::By::OwnGroup : ChildFilter::By::Group;
    if (args_[0] == P_PIDFD) filter.by = ChildFilter::By::PidFd;
    return child(filter);
  }

  bool decode_vfork() {
    wait_.kind = WaitKind::Vfork;
    wait_.untimed = true;
    wait_.children = from_.vfork_children();
    return true;
  }

  static double ms_of(const timespec& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  }
  static double ms_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  }

  /// Time is a timespec or a timeval, at that address.
  template <class Time>
  void sleep_for(std::uint64_t address, double begun_ms = 0) {
    const auto time = read_one<Time>(from_, address);
    if (time)
      wait_.sleep_ms = static_cast<std::uint64_t>(std::clamp(ms_of(*time) - begun_ms, 0.0, 1e15));
    else
      wait_.sleep_ms = time.error();
  }

  /// select(2) and poll(2) of nothing, to sleep.
  bool is_mere_sleep() const {
    return wait_.kind == WaitKind::Poll && !wait_.untimed && wait_.objects.empty();
  }

  bool sleep() {
    const bool has_clock = nr_ == SYS_clock_nanosleep;
    wait_.kind = WaitKind::Sleep;
    wait_.sleep_from_now = has_clock && (args_[1] & TIMER_ABSTIME) != 0;
    timespec now{};
    if (wait_.sleep_from_now && ::clock_gettime(static_cast<clockid_t>(args_[0]), &now) != 0)
      return true;
    sleep_for<timespec>(args_[has_clock ? 2 : 0], ms_of(now));
    return true;
  }

  bool decode_sigwait() {
    const auto set = read_one<std::uint64_t>(from_, args_[0]);
    if (!set) return false;
    wait_.kind = WaitKind::Signal;
    wait_.untimed = is_null(2);
    wait_.signals = *set;
    return true;
  }

  bool decode_processes() {
    switch (nr_) {
      case SYS_wait4:
        return decode_wait4();
      case SYS_waitid:
        return decode_waitid();
      case SYS_vfork:
        return decode_vfork();
      case SYS_clone:
        return (args_[0] & CLONE_VFORK) != 0 && decode_vfork();
      case kClone3: {
        const auto flags = read_one<std::uint64_t>(from_, args_[0]);
        return flags && (*flags & CLONE_VFORK) != 0 && decode_vfork();
      }
      case SYS_nanosleep:
      case SYS_clock_nanosleep:
        return sleep();
      case SYS_rt_sigsuspend:
        if (from_.awaits_children_by_signal()) return child({});
        [[fallthrough]];
      case SYS_pause:
        wait_.kind = WaitKind::Signal;
        wait_.untimed = true;
        return true;
      case SYS_rt_sigtimedwait:
        return decode_sigwait();
      default:
        return false;
    }
  }

  Surroundings& from_;
  long nr_;
  std::array<std::uint64_t, 6> args_;
  RemoteAddr pc_;
  Wait wait_;
};

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// The kernel itself waits for a server in user space, whatever the call is; ObjectKind::Unknown:
/// it does not.
ObjectKind kernel_service(std::string_view wchan) {
  if (begins_with(wchan, "handle_userfault")) return ObjectKind::UserFault;
  // not every fuse_ function: the server itself sleeps in fuse_dev_do_read
  if (begins_with(wchan, "request_wait_answer") || begins_with(wchan, "fuse_get_req"))
    return ObjectKind::Fuse;
  if (begins_with(wchan, "fanotify_handle_event") || begins_with(wchan, "fanotify_get_response")) {
    return ObjectKind::Fanotify;
  }
  if (begins_with(wchan, "seccomp_do_user_notification")) return ObjectKind::SeccompNotify;
  return ObjectKind::Unknown;
}

Wait of_kind(WaitKind kind, std::string call) {
  Wait wait;
  wait.kind = kind;
  wait.call = std::move(call);
  return wait;
}

/// Waits that the scheduler's state or the kernel's function tells apart from the call that they
/// happen in.
bool decode_state(const BlockedCall& blocked, Surroundings& from, Wait& wait) {
  using Kind = linux::SyscallState::Kind;
  const std::string call = blocked.call.kind == Kind::InCall ? syscall_name(blocked.call.nr) : "";
  // do_freezer_trap() is a part of get_signal() where the compiler takes it in; stops by signals,
  // its other sleeps, have states of their own
  if (blocked.state == 'T' || begins_with(blocked.wchan, "do_freezer_trap") ||
      begins_with(blocked.wchan, "__refrigerator") ||
      (blocked.state == 'S' && begins_with(blocked.wchan, "get_signal"))) {
    wait = of_kind(WaitKind::Stopped, call);
    wait.frozen = blocked.state != 'T';
    return true;
  }
  if (blocked.state == 't') {
    wait = of_kind(WaitKind::Traced, call);
    return true;
  }
  if (begins_with(blocked.wchan, "zap_pid_ns_processes")) {
    wait = of_kind(WaitKind::Exiting, "exit");
    wait.untimed = true;
    wait.children = from.namespace_members();
    return true;
  }
  if (blocked.call.kind == Kind::Running) {
    wait = of_kind(WaitKind::Running, "");
    return true;
  }
  const ObjectKind service = kernel_service(blocked.wchan);
  if (service != ObjectKind::Unknown) {
    wait = of_kind(WaitKind::KernelService, call.empty() ? "page fault" : call);
    wait.untimed = true;
    for (const ObjectId& object : from.all_of(service))
      wait.objects.push_back(Awaited{-1, object, true, false});
    return true;
  }
  if (blocked.call.kind == Kind::NotInCall) {
    wait = of_kind(blocked.state == 'R' ? WaitKind::Running : WaitKind::Unknown, "page fault");
    return true;
  }
  return false;
}

}  // namespace

snapshot::Wait decode_call(const BlockedCall& blocked, Surroundings& surroundings) {
  Wait wait;
  if (!decode_state(blocked, surroundings, wait)) {
    if (blocked.is_32bit) {
      wait = of_kind(WaitKind::Unknown, "i386 call " + std::to_string(blocked.call.nr));
      wait.detail = "a 32-bit program: its calls are not decoded";
    } else {
      wait = Decoder(blocked, surroundings).decode();
    }
  }
  wait.wchan = escape_untrusted(blocked.wchan);
  return wait;
}

}  // namespace ipcdoctor::collect
