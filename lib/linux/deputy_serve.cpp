#include <elf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "linux/bpf_iterator.h"
#include "linux/deputy_message.h"
#include "linux/fd_message.h"
#include "linux/interfaces.h"
#include "linux/one_record.h"
#include "linux/pidfd.h"
#include "linux/ptrace.h"
#include "linux/sock_diag.h"
#include "linux/sysvipc.h"
#include "linux/task_iterator.h"

namespace ipcdoctor::linux::deputy {
namespace {

constexpr std::string_view kScript = "fd/255";  // where bash keeps it
constexpr std::string_view kDebugFiles = "/usr/lib/debug/";
constexpr std::size_t kRecord = 4096;  // what the kernel gives by one read(2) at most

/// Of /proc itself, besides the directories of processes.
constexpr std::array<std::string_view, 7> kOfSystem = {
    "self", "thread-self", "locks", "timer_list", "sysvipc", "sys", "."};

bool climbs(std::string_view path) {
  return path == ".." || path.starts_with("../") || path.ends_with("/..") ||
         path.find("/../") != path.npos;
}

/// The link leads out of /proc, to something that must not be opened, but may be looked at.
bool leads_out(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  const std::string_view last = name.substr(slash == name.npos ? 0 : slash + 1);
  const std::string_view folder = slash == name.npos ? "" : name.substr(0, slash);
  const auto is = [](std::string_view path, std::string_view what) {
    return path == what || (path.ends_with(what) && path[path.size() - what.size() - 1] == '/');
  };
  return last == "exe" || last == "cwd" || last == "root" || is(folder, "fd") ||
         is(folder, "map_files");
}

/// Nothing but reading, below /proc or of debug information.
bool may_open(int dir, std::string_view name, std::int64_t flags) {
  constexpr std::int64_t kFlags =
      O_PATH | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
  if ((flags & ~kFlags) != 0 || name.empty() || climbs(name)) return false;
  if (dir < 0 && name.starts_with(kDebugFiles)) return true;
  const bool looks = (flags & O_PATH) != 0;
  struct statfs of {};
  struct stat itself {};
  if (dir < 0) {
    if (name == "/proc") return true;
    if (!name.starts_with("/proc/")) return false;
    name.remove_prefix(std::strlen("/proc/"));
  } else if (::fstatfs(dir, &of) != 0 || of.f_type != PROC_SUPER_MAGIC ||
             ::fstat(dir, &itself) != 0) {
    return false;
  }
  constexpr ino_t kRootOfProc = 1;  // PROC_ROOT_INO of include/linux/proc_fs.h, Linux 6.1
  if (dir < 0 || itself.st_ino == kRootOfProc) {
    const std::string_view first = name.substr(0, name.find('/'));
    const bool number = !first.empty() && first.find_first_not_of("0123456789") == first.npos;
    if (!number && std::ranges::find(kOfSystem, first) == kOfSystem.end()) return false;
  }
  return looks || !leads_out(name);
}

/// One question after the other.
class Server {
 public:
  Server(int socket, std::byte* window, std::byte* slab)
      : socket_(socket), window_(window), slab_(slab) {}

  bool answer_one() {
    struct {
      Question question;
      char text[PATH_MAX + 1];
    } message{};
    const auto size = receive_message(socket_, &message, sizeof message - 1, dirs_);
    of_ = dirs_.empty() ? UniqueFd() : std::move(dirs_.front());
    if (!size || *size < sizeof message.question) return false;
    message.text[*size - sizeof message.question] = '\0';
    reply_ = Reply{};
    UniqueFd file;
    errno = 0;
    reply_.result = answer(message.question, message.text, *size - sizeof message.question, file);
    if (reply_.result < 0 && reply_.error == 0) reply_.error = errno;
    if (std::exchange(refused_, false)) file.reset();
    return send_message(socket_, bytes_of(reply_), {}, file.get());
  }

 private:
  std::int64_t answer(const Question& question, const char* text, std::size_t text_size,
                      UniqueFd& file) {
    const int of = of_.get();
    const std::int64_t* numbers = question.numbers;
    const auto number = static_cast<int>(numbers[0]);
    switch (question.wish) {
      case Wish::Open:
        return open(of, text, number, file);
      case Wish::OpenInRoot:
        if ((numbers[0] & ~(O_PATH | O_DIRECTORY)) != 0 ||
            (numbers[0] & (O_PATH | O_DIRECTORY)) == 0)
          return refuse();
        file = open_in_root(of, text, number);
        return file.get();
      case Wish::Reopen:
        return reopen_regular_file(of, file);
      case Wish::Read:
      case Wish::ReadRecord:
        if (open(of, text, O_RDONLY, file_) < 0) return -1;
        record_ = question.wish == Wish::ReadRecord;
        return read(static_cast<std::size_t>(numbers[0]));
      case Wish::ReadMany:
        return read_many({text, text_size}, static_cast<Wish>(number));
      case Wish::More:
        return read(kWindow);
      case Wish::ReadLink: {
        const ssize_t n = ::readlinkat(of, text, reinterpret_cast<char*>(window_), kWindow);
        reply_.size = static_cast<std::uint64_t>(std::max<ssize_t>(n, 0));
        return n;
      }
      case Wish::Stat: {
        struct stat status {};
        return give(::fstatat(of, text, &status, number & AT_SYMLINK_NOFOLLOW), status);
      }
      case Wish::Statx: {
        struct statx status {};
        constexpr int kFlags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW;
        return give(::statx(of, text, number & kFlags, static_cast<unsigned>(numbers[1]), &status),
                    status);
      }
      case Wish::Compare: {
        alignas(8) char slot[16] = {};
        const bool has_slot = text_size == 12;  // struct kcmp_epoll_slot
        std::memcpy(slot, text, has_slot ? text_size : 0);
        return ::syscall(SYS_kcmp, numbers[0], numbers[1], numbers[2], numbers[3],
                         has_slot ? reinterpret_cast<std::int64_t>(slot) : numbers[4]);
      }
      case Wish::RobustList: {
        std::uint64_t both[2] = {};
        return give(::syscall(SYS_get_robust_list, number, &both[0], &both[1]), both);
      }
      case Wish::Fetch:
        return fetch(static_cast<std::size_t>(numbers[0]), static_cast<std::size_t>(numbers[1]));
      case Wish::Registers:
        return give(read_registers(Tid{number}));
      case Wish::PipeFill:
        return give(read_pipe_fill(of_, number));
      case Wish::SocketState:
        return give(read_socket_state(of_, number));
      case Wish::MqueueState:
        return give(read_mqueue_state(of_, number));
      case Wish::Semaphores: {
        const auto semaphores = read_semaphores(number);
        if (!semaphores) return fail(semaphores.error());
        return give_bytes(semaphores->data(), semaphores->size() * sizeof(Semaphore));
      }
      case Wish::MessageQueue:
        return give(read_message_queue(number));
      case Wish::DiagSocket:
      case Wish::Addresses:
        return of < 0 ? of_network(question.wish, file) : in_network(question.wish, of, file);
      case Wish::LoadTasks: {
        auto tasks = TaskIterator::load();
        if (!tasks) return fail(tasks.error());
        file = std::move(*tasks).take_loaded();
        return 0;
      }
      case Wish::Iterate: {
        auto iterator = bpf::start_iterator(of_);
        if (!iterator) return fail(iterator.error());
        file = std::move(*iterator);
        return 0;
      }
    }
    return refuse();
  }

  std::int64_t refuse() {
    reply_.error = EPERM;
    reply_.cause = Cause::Denied;
    refused_ = true;
    return -1;
  }

  std::int64_t fail(const Error& error) {
    reply_.cause = error.cause;
    reply_.error = error.number;
    (void)give_bytes(error.what.data(), error.what.size());
    return -1;
  }

  std::int64_t give_bytes(const void* bytes, std::size_t size) {
    reply_.size = std::min(size, kWindow);
    std::memcpy(window_, bytes, reply_.size);
    return 0;
  }

  template <class T>
  std::int64_t give(std::int64_t result, const T& object) {
    if (result >= 0) (void)give_bytes(&object, sizeof object);
    return result;
  }

  template <class T>
  std::int64_t give(const Result<T>& result) {
    return result ? give(0, *result) : fail(result.error());
  }

  std::int64_t open(int dir, const char* name, int flags, UniqueFd& file) {
    if (!may_open(dir, name, flags)) return refuse();
    file = UniqueFd(::openat(dir < 0 ? AT_FDCWD : dir, name, flags | O_CLOEXEC));
    if (!file.is_open()) return -1;
    if (std::string_view(name) == kScript && ::fstat(file.get(), &script_) != 0) return -1;
    return 0;
  }

  std::int64_t reopen_regular_file(int handle, UniqueFd& file) {
    struct stat status {};
    if (::fstat(handle, &status) != 0) return -1;
    if (!S_ISREG(status.st_mode)) return refuse();
    file = reopen(handle);
    if (!file.is_open()) return -1;
    const bool is_script = status.st_ino == script_.st_ino && status.st_dev == script_.st_dev;
    char magic[SELFMAG] = {};
    const bool is_image = ::pread(file.get(), magic, sizeof magic, 0) == sizeof magic &&
                          std::memcmp(magic, ELFMAG, sizeof magic) == 0;
    return is_image || is_script ? 0 : refuse();
  }

  /// @return 1 if there is more to come
  std::int64_t read(std::size_t limit) {
    if (record_) {
      const ssize_t n = read_one_record(file_.get(), reinterpret_cast<char*>(window_), kRecord);
      reply_.size = static_cast<std::uint64_t>(std::max<ssize_t>(n, 0));
      return n < 0 ? -1 : 0;
    }
    while (reply_.size < kWindow && reply_.size <= limit) {
      const ssize_t n = ::read(file_.get(), window_ + reply_.size, kWindow - reply_.size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return -1;
      if (n == 0) return 0;
      reply_.size += static_cast<std::uint64_t>(n);
    }
    return 1;
  }

  /// Each name has the place of its directory before it, and a NUL behind it. Files are left out
  /// from the first on for which there is no room.
  std::int64_t read_many(std::string_view names, Wish wish) {
    const bool records = wish == Wish::ReadRecord, links = wish == Wish::ReadLink;
    std::size_t at = 0;
    while (names.size() > 1) {
      const auto place = static_cast<std::size_t>(names.front());
      const std::string name(names.substr(1, names.find('\0', 1) - 1));
      names.remove_prefix(std::min(names.size(), name.size() + 2));
      const int dir = place == 0 ? of_.get() : place < dirs_.size() ? dirs_[place].get() : -1;
      Piece piece;
      UniqueFd file;
      if (kWindow - at < sizeof piece + kRecord) break;
      if (!links && (dir < 0 || open(dir, name.c_str(), O_RDONLY, file) < 0))
        piece.error = dir < 0 || refused_ ? EPERM : errno;
      refused_ = false;
      std::byte* const bytes = window_ + at + sizeof piece;
      const std::size_t room = kWindow - at - sizeof piece;
      if (links) {
        const ssize_t n = ::readlinkat(dir, name.c_str(), reinterpret_cast<char*>(bytes), room);
        piece.error = n < 0 ? errno : 0;
        piece.size = static_cast<std::uint32_t>(std::max<ssize_t>(n, 0));
      }
      while (!links && piece.error == 0 && piece.size < room) {
        const ssize_t n = records
                              ? read_one_record(file.get(), reinterpret_cast<char*>(bytes), kRecord)
                              : ::read(file.get(), bytes + piece.size, room - piece.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) piece.error = errno;
        if (n > 0) piece.size += static_cast<std::uint32_t>(n);
        if (n <= 0 || records) break;
      }
      if (piece.error == 0 && !records && piece.size == room) break;
      if (piece.error != 0) piece.size = 0;
      std::memcpy(window_ + at, &piece, sizeof piece);
      at += sizeof piece + piece.size;
    }
    reply_.error = 0;
    reply_.size = at;
    return 0;
  }

  std::int64_t fetch(std::size_t processes, std::size_t count) {
    if (processes == 0 || count == 0 || processes > kMostPages || count > kMostPages / processes)
      return refuse();
    std::array<int, kMostPages> pids{};  // first: what came lies there afterwards
    std::array<std::uint64_t, kMostPages> pages{};
    std::memcpy(pids.data(), window_, processes * sizeof(int));
    std::memcpy(pages.data(), window_ + processes * sizeof(int), count * sizeof pages[0]);
    // memory that we share is dearer to touch than to have made beforehand
    if (const std::size_t size = processes * count * kPage; size > ready_) {
      (void)::madvise(slab_ + ready_, size - ready_, MADV_POPULATE_WRITE);
      ready_ = size;
    }
    reply_.size = processes * count;
    std::memset(window_, 0, reply_.size);
    fetch_into(slab_, std::span(pids).first(processes), std::span(pages).first(count),
               reinterpret_cast<std::uint8_t*>(window_));
    return 0;
  }

  std::int64_t of_network(Wish wish, UniqueFd& file) {
    if (wish == Wish::DiagSocket) {
      file = open_diag_socket();
      return file.is_open() ? 0 : fail({cause_of(errno), errno, "open sock_diag"});
    }
    const auto addresses = read_interface_addresses();
    if (!addresses) return fail(addresses.error());
    std::string lines;
    for (const std::string& address : *addresses) lines += address + "\n";
    return give_bytes(lines.data(), lines.size());
  }

  std::int64_t in_network(Wish wish, int network, UniqueFd& file) {
    std::int64_t result = -1;
    const Status entered = within_network(network, [&]() -> Status {
      result = of_network(wish, file);
      return Done{};
    });
    return entered ? result : fail(entered.error());
  }

  int socket_;
  std::byte *window_, *slab_;
  std::size_t ready_ = 0;  ///< bytes of the slab that have memory
  Reply reply_;
  struct stat script_ {};  ///< that bash runs, if it was looked for
  std::vector<UniqueFd> dirs_;
  UniqueFd of_;    ///< what came with the question
  UniqueFd file_;  ///< that is being read
  bool record_ = false, refused_ = false;
};

}  // namespace

void fetch_into(std::byte* slab, std::span<const int> pids, std::span<const std::uint64_t> pages,
                std::uint8_t* came) {
  for (const int pid : pids) {
    for (std::size_t at = 0; at < pages.size();) {
      std::vector<iovec> runs;  // of pages that follow each other
      for (const std::uint64_t page : pages.subspan(at)) {
        const bool follows =
            !runs.empty() &&
            reinterpret_cast<std::uint64_t>(runs.back().iov_base) + runs.back().iov_len == page;
        if (follows)
          runs.back().iov_len += kPage;
        else
          runs.push_back({reinterpret_cast<void*>(page), kPage});
      }
      const iovec local{slab + at * kPage, (pages.size() - at) * kPage};
      const ssize_t n = ::process_vm_readv(pid, &local, 1, runs.data(), runs.size(), 0);
      if (n < 0 && errno != EFAULT) break;
      const std::size_t whole = n > 0 ? static_cast<std::size_t>(n) / kPage : 0;
      std::fill_n(came + at, whole, std::uint8_t{1});
      at += whole + 1;  // the transfer ends before the first page that is not there
    }
    slab += pages.size() * kPage;
    came += pages.size();
  }
}

void serve(int socket, std::byte* window, std::byte* slab) {
  Server server(socket, window, slab);
  while (server.answer_one()) {
  }
  ::_exit(0);
}

}  // namespace ipcdoctor::linux::deputy
