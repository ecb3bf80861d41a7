#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "linux/proc_dir.h"
#include "linux/proc_maps.h"
#include "linux/process_memory.h"

namespace ipcdoctor::linux {

/// What code that reads a target's memory gets: the process's directory, its memory, its mappings.
class AddressSpace {
 public:
  /// Needs PTRACE_MODE_ATTACH. @return Denied, Gone.
  static Result<AddressSpace> open(Pid pid) {
    auto dir = ProcDir::open(pid);
    if (!dir) return dir.error();
    auto memory = ProcessMemory::open(*dir);
    if (!memory) return memory.error();
    return AddressSpace(pid, std::move(*dir), std::move(*memory));
  }
  /// Of a process whose directory is open.
  static Result<AddressSpace> open(Pid pid, const ProcDir& opened) {
    auto dir = opened.duplicate();
    if (!dir) return dir.error();
    auto memory = ProcessMemory::open(*dir);
    if (!memory) return memory.error();
    return AddressSpace(pid, std::move(*dir), std::move(*memory));
  }
  AddressSpace(Pid process, ProcDir directory, ProcessMemory pages)
      : pid(process), dir(std::move(directory)), memory(std::move(pages)) {}

  Pid pid;
  ProcDir dir;
  ProcessMemory memory;

  /// Read when first asked for, as the kernel takes longer to print them than for anything else;
  /// none if they cannot be read: load_maps() says why.
  const std::vector<Mapping>& maps() const {
    static const std::vector<Mapping> kNone;
    return load_maps() ? (**maps_)->all : kNone;
  }
  /// See Maps::notable.
  auto notable_maps() const {
    static const Maps kNone;
    const Maps* maps = load_maps() ? maps_->value().get() : &kNone;
    return maps->notable | std::views::transform(
                               [maps](std::uint32_t i) -> const Mapping& { return maps->all[i]; });
  }
  /// @return Denied, Gone.
  Status load_maps() const {
    if (!maps_) maps_ = Maps::read(dir);
    if (!*maps_) return maps_->error();
    return Done{};
  }
  /// The same for all that share them; nullptr: not known.
  const Maps* shared_maps() const { return load_maps() ? maps_->value().get() : nullptr; }

  /// A read of memory that failed and should not: what was made of it may lack anything. Of pages
  /// that the kernel says are not there (EIO) the list of mappings tells whether that is so; those
  /// of files may lie behind an end that somebody cut, those of the kernel ("[vvar]") show nothing,
  /// and a guard page within plain memory (madvise(2) with MADV_GUARD_INSTALL: the end of a stack
  /// of glibc 2.42) is there for nobody.
  Status read_failure() const {
    if (!memory.failure()) return memory.failure();
    for (const std::uint64_t page : memory.unmapped()) {
      const Mapping* mapping = find_mapping(maps(), RemoteAddr{page});
      if (mapping != nullptr && mapping->readable && mapping->ino == 0 &&
          !mapping->path.starts_with("[v") && !is_guard(page))
        return Error{Cause::Other, EIO, "read " + dir.path() + "/mem"};
    }
    return Done{};
  }

 private:
  /// PM_GUARD_REGION of /proc/PID/pagemap: fs/proc/task_mmu.c, Linux 6.15; before, nobody tells.
  bool is_guard(std::uint64_t page) const {
    const auto pagemap = dir.open_in("pagemap", O_RDONLY | O_CLOEXEC, "read");
    std::uint64_t entry = 0;
    return pagemap &&
           ::pread(pagemap->get(), &entry, sizeof entry,
                   static_cast<off_t>(page / 4096 * sizeof entry)) == sizeof entry &&
           ((entry >> 58) & 1) != 0;
  }

  mutable std::optional<Result<std::shared_ptr<const Maps>>> maps_;
};

}  // namespace ipcdoctor::linux
