#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/deputy.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// Reads a target's memory without stopping it, through pread(2) on /proc/PID/mem: that descriptor
/// is bound to the address space (after exec or exit reads give Gone) and never blocks on a
/// userfaultfd page. Pages are cached: one object is a view of one instant, made and dropped within
/// a collection.
class ProcessMemory {
 public:
  static constexpr std::size_t kPageSize = 4096;
  using Page = std::array<std::byte, kPageSize>;

  /// Needs PTRACE_MODE_ATTACH. @return Denied, Gone.
  static Result<ProcessMemory> open(const ProcDir& process);

  /// Memory that was recorded before, by page address: reads of other pages fail. For tests of
  /// hostile or torn memory.
  static ProcessMemory from_pages(const std::map<std::uint64_t, Page>& pages);
  /// Copies of the pages that were read so far, by address.
  std::map<std::uint64_t, Page> recorded_pages() const;

  /// All of `into` or an error (Other with EIO for an unmapped page; Limit past 256 MiB of cache).
  Status read(RemoteAddr address, std::span<std::byte> into) const;

  template <class T>
  Result<T> read_object(RemoteAddr address) const {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    const std::uint64_t offset = address.value % kPageSize;
    const Recent& near = recent_[address.value / kPageSize % kRecent];
    if (near.page != nullptr && near.start == address.value - offset &&
        offset + sizeof value <= kPageSize) {
      std::memcpy(&value, near.page->data() + offset, sizeof value);
      return value;
    }
    std::array<std::byte, sizeof(T)> bytes;
    const Status status = read(address, bytes);
    if (!status) return status.error();
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  Result<std::uint64_t> read_u64(RemoteAddr address) const {
    return read_object<std::uint64_t>(address);
  }
  Result<std::uint32_t> read_u32(RemoteAddr address) const {
    return read_object<std::uint32_t>(address);
  }

  /// A C string of at most `limit` bytes; cut there without an error.
  Result<std::string> read_string(RemoteAddr address, std::size_t limit = 4096) const;

  /// The first read that failed for another reason than that nothing is mapped there (EIO), or that
  /// the process has ended: what was made of this memory may lack something.
  const Status& failure() const { return failure_; }
  /// Pages of which the kernel said that nothing is mapped there (EIO), the first 256.
  const std::vector<std::uint64_t>& unmapped() const { return unmapped_; }

  /// Forgets all cached pages: the next read sees the target as it is then.
  void drop_cache() const;

  /// The pages that somebody asked for since the last drop_cache(), ascending.
  std::vector<std::uint64_t> used_pages() const;
  /// Takes pages that will be asked for, such as those that the reading of a forked sibling used,
  /// and that deputy::fetch_pages() got by a call for many of them instead of a pread(2) for each;
  /// their bytes stand until drop_cache(). What did not come is read as always. Only for a process
  /// that shares its address space with no other: a pid is not bound to it as the descriptor is,
  /// which tells afterwards of an exec, an exit and a reused pid. And only where no userfaultfd is
  /// open: unlike a pread(2) process_vm_readv(2) waits for its answer (mm/process_vm_access.c gives
  /// `locked`, fs/proc/base.c does not; Linux 6.1).
  void take(const deputy::FetchedPages& pages) const;

 private:
  explicit ProcessMemory(UniqueFd mem, std::string path)
      : mem_(std::move(mem)), path_(std::move(path)) {}
  struct Cached {
    const Page* page = nullptr;
    std::unique_ptr<Page> own;  ///< none: it was fetched
    bool used = true;           ///< false: fetched ahead, and not asked for yet
  };
  Result<const Page*> page_at(std::uint64_t start) const;
  bool is_alive_at(std::uint64_t page) const;

  UniqueFd mem_;
  std::string path_;
  mutable std::unordered_map<std::uint64_t, Cached> pages_;
  struct Recent {
    std::uint64_t start = 0;
    const Page* page = nullptr;
  };
  static constexpr std::size_t kRecent = 64;
  mutable std::array<Recent, kRecent> recent_{};  ///< of used pages: most reads are of few
  mutable Status failure_ = Done{};
  mutable std::vector<std::uint64_t> unmapped_;
};

}  // namespace ipcdoctor::linux
