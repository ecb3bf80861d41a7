#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/unique_fd.h"

/// Who parses what others wrote, files and memory, has no rights meanwhile. A process that keeps
/// them, its deputy, makes the system calls for it that need them, of which all only read: it gives
/// bytes and open descriptors and looks at neither.
namespace ipcdoctor::linux::deputy {

/// Starts one for the calling process, as its child that ends with it.
/// @param not_for_it  a descriptor that it closes
/// @return Other: no process or memory for it. Then everything goes on with the rights that are
/// there.
Status start(int not_for_it);
/// The calling process gives up its rights for good, if it has a deputy: see give_up_rights(). From
/// now on the functions below ask the deputy; before, and without one, they are the system calls.
void take_over();
/// Whether the functions below ask.
bool is_asked();
/// 0: none
int pid();

/// What the two agree on.
enum class Wish : std::uint32_t {
  Open,
  OpenInRoot,
  Reopen,
  Read,
  ReadMany,
  ReadRecord,
  More,
  ReadLink,
  Stat,
  Statx,
  Compare,
  RobustList,
  Fetch,
  Registers,
  PipeFill,
  SocketState,
  MqueueState,
  Semaphores,
  MessageQueue,
  DiagSocket,
  Addresses,
  LoadTasks,
  Iterate,
};

// Each as the system call of that name, with errno as that leaves it.
UniqueFd open_at(int dir, const char* name, int flags);
UniqueFd open_in_root(int root, const char* path, int flags);  ///< openat2(2), RESOLVE_IN_ROOT
UniqueFd reopen(int handle);  ///< what O_PATH opened, if it is a regular file, to be read
ssize_t read_link_at(int dir, const char* name, char* into, std::size_t size);
int stat_at(int dir, const char* name, struct stat* into, int flags);
int statx_at(int dir, const char* name, int flags, unsigned mask, struct statx* into);
long compare(long a, long b, long type, unsigned long index_a, unsigned long index_b,
             const void* slot, std::size_t size);  ///< kcmp(2)
long robust_list(int tid, std::uint64_t& head, std::size_t& size);

/// Pages of a process that were fetched, each with what is in it; nullptr: it did not come.
using FetchedPages = std::vector<std::pair<std::uint64_t, const std::byte*>>;
/// With one call.
constexpr std::size_t kMostPages = 512;
/// process_vm_readv(2) of the same pages of several processes, at most kMostPages in all.
/// @return of each process; none where it is refused. The bytes stand until the next call.
std::vector<FetchedPages> fetch_pages(std::span<const int> pids,
                                      std::span<const std::uint64_t> pages);

/// A whole file below `dir`, or what one read(2) gives of it. @return false: errno says why, EFBIG
/// beyond `limit`
bool read(int dir, const char* name, std::size_t limit, std::string& text);
bool read_record(int dir, const char* name, std::string& text);

struct File {
  int dir;  ///< of a process; -1: leave it
  std::string name;
};

/// Has the deputy read many files at once, as an answer costs more than a file. The next read() or
/// read_record() of each, while this lives, is of that moment. Without a deputy it does nothing.
class ReadAhead {
 public:
  /// @param wish  Read, or ReadRecord
  ReadAhead(Wish wish, const std::vector<File>& files);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead();
};

/// What a function of ours tells that needs a right: the deputy calls it.
Result<std::string> ask_bytes(Wish wish, std::int64_t number, int fd);
Result<UniqueFd> ask_descriptor(Wish wish, std::int64_t number, int fd);

template <class T>
Result<T> ask(Wish wish, std::int64_t number, int fd = -1) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = ask_bytes(wish, number, fd);
  if (!bytes) return bytes.error();
  T value{};
  if (bytes->size() != sizeof value) return Error{Cause::Malformed, 0, "ask the deputy"};
  bytes->copy(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

}  // namespace ipcdoctor::linux::deputy
