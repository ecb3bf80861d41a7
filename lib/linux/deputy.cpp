#include "linux/deputy.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "linux/deputy_message.h"
#include "linux/fd_message.h"
#include "linux/no_rights.h"

namespace ipcdoctor::linux::deputy {
namespace {

int socket_of_deputy = -1, pid_of_deputy = 0;
std::byte *window = nullptr, *slab = nullptr;
bool asked = false;
std::map<std::pair<int, std::string>, std::pair<int, std::string>> ahead;  // errno and bytes

/// Of us and of who is forked from now on.
std::byte* shared_memory(std::size_t size) {
  void* const shared =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return shared == MAP_FAILED ? nullptr : static_cast<std::byte*>(shared);
}

/// A deputy that does not answer has gone: nothing can be read any more, so we go too, and whoever
/// watches us tells.
Reply call(const Question& question, std::string_view text, std::span<const int> fds,
           UniqueFd* file = nullptr) {
  Reply reply;
  UniqueFd came;
  if (!send_message(socket_of_deputy, bytes_of(question), text, fds) ||
      receive_message(socket_of_deputy, &reply, sizeof reply, came) != sizeof reply)
    ::_exit(1);
  reply.size = std::min<std::uint64_t>(reply.size, kWindow);
  if (file != nullptr) *file = std::move(came);
  errno = reply.error;
  return reply;
}

/// @param fd  -1: none
Reply call(const Question& question, std::string_view text, int fd, UniqueFd* file = nullptr) {
  return call(question, text, std::span<const int>(&fd, fd < 0 ? 0 : 1), file);
}

std::string bytes(const Reply& reply) {
  return {reinterpret_cast<const char*>(window), reply.size};
}

/// @return what the system call did
template <class T>
std::int64_t call_for(const Question& question, std::string_view text, int fd, T* into,
                      std::size_t size) {
  const Reply reply = call(question, text, fd);
  if (reply.result >= 0) std::memcpy(into, window, std::min<std::size_t>(size, reply.size));
  return reply.result;
}

bool read_by(Wish wish, int dir, const char* name, std::size_t limit, std::string& text) {
  if (auto known = ahead.extract({dir, name}); !known.empty()) {
    text = std::move(known.mapped().second);
    errno = text.size() > limit ? EFBIG : known.mapped().first;
    return errno == 0;
  }
  text.clear();
  Reply reply = call({wish, {static_cast<std::int64_t>(limit)}}, name, dir);
  for (;;) {
    if (reply.result < 0) return false;
    text += bytes(reply);
    if (reply.result == 0) return true;  // that was all
    if (text.size() > limit) {
      errno = EFBIG;
      return false;
    }
    reply = call({Wish::More, {}}, {}, -1);
  }
}

}  // namespace

Status start(int not_for_it) {
  const auto failed = [] { return Error{Cause::Other, errno, "start a deputy"}; };
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failed();
  UniqueFd ours(ends[0]), its(ends[1]);
  std::byte* const shared = shared_memory(kWindow + kSlab);
  if (shared == nullptr) return failed();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);  // it died before the line above
    ours.reset();
    (void)::close(not_for_it);
    serve(its.get(), shared, shared + kWindow);
  }
  if (pid < 0) {
    const Error error = failed();
    (void)::munmap(shared, kWindow + kSlab);
    return error;
  }
  // processes that only parse, which are forked from here, shall not see what it reads
  (void)::madvise(shared, kWindow + kSlab, MADV_DONTFORK);
  socket_of_deputy = ours.release();
  pid_of_deputy = pid;
  window = shared;
  slab = shared + kWindow;
  return Done{};
}

void take_over() {
  constexpr std::uint64_t kMemory = std::uint64_t{8} << 30;  // files are mapped
  constexpr std::chrono::seconds kProcessor{600};
  if (socket_of_deputy < 0 || asked) return;
  // without filters of system calls it has at least no capabilities: better than not to look
  asked = give_up_rights(Calls::ParseAndAsk, {address_space() + kMemory, kProcessor}) !=
          GivenUp::Nothing;
}

bool is_asked() {
  return asked;
}

int pid() {
  return pid_of_deputy;
}

UniqueFd open_at(int dir, const char* name, int flags) {
  if (!asked) return UniqueFd(::openat(dir, name, flags | O_CLOEXEC));
  UniqueFd file;
  (void)call({Wish::Open, {flags}}, name, dir, &file);
  return file;
}

UniqueFd open_in_root(int root, const char* path, int flags) {
  UniqueFd file;
  if (asked) {
    (void)call({Wish::OpenInRoot, {flags}}, path, root, &file);
    return file;
  }
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how)));
}

UniqueFd reopen(int handle) {
  UniqueFd file;
  if (asked) {
    (void)call({Wish::Reopen, {}}, {}, handle, &file);
    return file;
  }
  const std::string self = "/proc/self/fd/" + std::to_string(handle);
  return UniqueFd(::open(self.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

ssize_t read_link_at(int dir, const char* name, char* into, std::size_t size) {
  if (!asked) return ::readlinkat(dir, name, into, size);
  if (const auto known = ahead.find({dir, name}); known != ahead.end()) {
    const auto& [error, text] = known->second;
    errno = error;
    return error != 0 ? -1 : static_cast<ssize_t>(text.copy(into, size));
  }
  return call_for({Wish::ReadLink, {}}, name, dir, into, size);
}

int stat_at(int dir, const char* name, struct stat* into, int flags) {
  if (!asked) return ::fstatat(dir, name, into, flags);
  return static_cast<int>(call_for({Wish::Stat, {flags}}, name, dir, into, sizeof *into));
}

int statx_at(int dir, const char* name, int flags, unsigned mask, struct statx* into) {
  if (!asked) return ::statx(dir, name, flags, mask, into);
  return static_cast<int>(call_for({Wish::Statx, {flags, mask}}, name, dir, into, sizeof *into));
}

long compare(long a, long b, long type, unsigned long index_a, unsigned long index_b,
             const void* slot, std::size_t size) {
  if (!asked)
    return ::syscall(SYS_kcmp, a, b, type, index_a,
                     slot != nullptr ? reinterpret_cast<unsigned long>(slot) : index_b);
  const std::string_view text(static_cast<const char*>(slot), size);
  return call(
             {Wish::Compare,
              {a, b, type, static_cast<std::int64_t>(index_a), static_cast<std::int64_t>(index_b)}},
             text, -1)
      .result;
}

long robust_list(int tid, std::uint64_t& head, std::size_t& size) {
  if (!asked) return ::syscall(SYS_get_robust_list, tid, &head, &size);
  std::uint64_t both[2] = {};
  const auto result = call_for({Wish::RobustList, {tid}}, {}, -1, both, sizeof both);
  head = both[0], size = both[1];
  return result;
}

std::vector<FetchedPages> fetch_pages(std::span<const int> pids,
                                      std::span<const std::uint64_t> pages) {
  const std::size_t all = pids.size() * pages.size();
  if (pids.size() > kMostPages || pages.size() > kMostPages || all > kMostPages || all == 0)
    return {};
  if (slab == nullptr) slab = shared_memory(kSlab);
  if (slab == nullptr) return {};
  std::array<std::uint8_t, kMostPages> came{};
  if (asked) {
    std::memcpy(window, pids.data(), pids.size_bytes());
    std::memcpy(window + pids.size_bytes(), pages.data(), pages.size_bytes());
    const auto numbers = {pids.size(), pages.size()};
    Question question{Wish::Fetch, {}};
    std::ranges::copy(numbers, question.numbers);
    (void)call_for(question, {}, -1, came.data(), all);
  } else {
    fetch_into(slab, pids, pages, came.data());
  }
  std::vector<FetchedPages> fetched(pids.size());
  for (std::size_t i = 0; i < all; ++i)
    fetched[i / pages.size()].emplace_back(pages[i % pages.size()],
                                           came[i] != 0 ? slab + i * kPage : nullptr);
  return fetched;
}

namespace {

/// As many of them as one question can hold. @return how many
std::size_t read_some_ahead(Wish wish, std::span<const File> files) {
  std::vector<int> dirs;
  std::string text;
  std::size_t count = 0;
  for (const File& file : files) {
    if (file.dir < 0) break;
    auto dir = std::ranges::find(dirs, file.dir);
    const bool is_new = dir == dirs.end();
    if (text.size() + file.name.size() + 2 > PATH_MAX ||
        (is_new && dirs.size() == kMostDescriptors))
      break;
    if (is_new) dir = dirs.insert(dirs.end(), file.dir);
    text += static_cast<char>(dir - dirs.begin());
    text += file.name + '\0';
    ++count;
  }
  if (count == 0) return 0;
  // what did not fit is asked for by itself later
  const std::size_t size =
      call({Wish::ReadMany, {static_cast<std::int64_t>(wish)}}, text, dirs).size;
  std::size_t at = 0;
  for (const File& file : files.first(count)) {
    Piece piece;
    if (size - at < sizeof piece) break;
    std::memcpy(&piece, window + at, sizeof piece);
    at += sizeof piece;
    if (piece.size > size - at) break;
    ahead[{file.dir, file.name}] = {
        piece.error, std::string(reinterpret_cast<const char*>(window + at), piece.size)};
    at += piece.size;
  }
  return count;
}

}  // namespace

ReadAhead::ReadAhead(Wish wish, const std::vector<File>& files) {
  if (!asked) return;
  std::span<const File> left(files);
  while (!left.empty()) {
    const std::size_t count = read_some_ahead(wish, left);
    if (count == 0) break;
    left = left.subspan(count);
  }
}

ReadAhead::~ReadAhead() {
  ahead.clear();
}

bool read(int dir, const char* name, std::size_t limit, std::string& text) {
  return read_by(Wish::Read, dir, name, limit, text);
}

bool read_record(int dir, const char* name, std::string& text) {
  return read_by(Wish::ReadRecord, dir, name, kWindow, text);
}

Result<std::string> ask_bytes(Wish wish, std::int64_t number, int fd) {
  const Reply reply = call({wish, {number}}, {}, fd);
  if (reply.result < 0) return Error{reply.cause, reply.error, bytes(reply)};
  return bytes(reply);
}

Result<UniqueFd> ask_descriptor(Wish wish, std::int64_t number, int fd) {
  UniqueFd file;
  const Reply reply = call({wish, {number}}, {}, fd, &file);
  if (reply.result < 0) return Error{reply.cause, reply.error, bytes(reply)};
  return file;
}

}  // namespace ipcdoctor::linux::deputy
