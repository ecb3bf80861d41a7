#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "linux/deputy.h"
#include "linux/regular_file.h"
#include "unwind/image.h"

namespace ipcdoctor::unwind {
namespace {

/// @param expected  what must have the same inode; nullptr where the kernel's own link was followed
/// (st_dev of btrfs
///                  and overlayfs is not what maps shows) or anything is welcome.
Result<linux::UniqueFd> reopen_regular(linux::UniqueFd handle, const linux::Mapping* expected) {
  Result<linux::UniqueFd> file = linux::reopen_regular(handle);
  if (!file || expected == nullptr) return file;
  struct stat info {};
  if (::fstat(file->get(), &info) < 0) return Error{cause_of(errno), errno, "stat an image"};
  if (info.st_ino != expected->ino || info.st_dev != expected->dev)
    return Error{Cause::Gone, 0, "open an image: another file has its name now"};
  return file;
}

linux::UniqueFd open_path(int dir, const char* name) {
  return linux::deputy::open_at(dir, name, O_PATH);
}

Result<linux::UniqueFd> reopen_in_root(const linux::AddressSpace& space, const std::string& path,
                                       const linux::Mapping* expected) {
  auto handle = space.dir.open_in_root(path, O_PATH);
  if (!handle) return handle.error();
  return reopen_regular(*std::move(handle), expected);
}

/// Is the file what is in memory, by the build ids of both? Overlay file systems (containers) and
/// btrfs show another device in maps than fstat(2) does, so that the inode cannot say it.
bool has_build_id_of(const linux::AddressSpace& space, const linux::Mapping& mapping,
                     const linux::UniqueFd& file) {
  const auto notable = space.notable_maps();
  const auto first = std::ranges::find_if(notable, [&](const linux::Mapping& m) {
    return m.dev == mapping.dev && m.ino == mapping.ino && m.offset == 0 && m.readable;
  });
  if (first == notable.end()) return false;
  std::vector<std::byte> page(4096);
  if (!space.memory.read(RemoteAddr{(*first).start}, page)) return false;
  const auto in_memory = ElfFile::parse(std::move(page));
  const auto on_disk = ElfFile::parse(linux::UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
  return in_memory && on_disk && !in_memory->build_id().empty() &&
         in_memory->build_id() == on_disk->build_id();
}

}  // namespace

Result<linux::UniqueFd> open_mapped_file(const linux::AddressSpace& space,
                                         const linux::Mapping& mapping) {
  char link[64];
  (void)std::snprintf(link, sizeof link, "map_files/%" PRIx64 "-%" PRIx64, mapping.start,
                      mapping.end);
  auto by_map = reopen_regular(open_path(space.dir.fd(), link), nullptr);
  if (by_map) return by_map;
  // the link and the mapping name their file in the same way, " (deleted)" included
  const bool is_exe = space.dir.read_link("exe").value_or("") == mapping.path;
  auto by_exe = reopen_regular(open_path(space.dir.fd(), "exe"), is_exe ? nullptr : &mapping);
  if (by_exe) return by_exe;
  if (!mapping.path.starts_with('/')) return by_map;
  auto by_path = reopen_in_root(space, mapping.path, &mapping);
  if (by_path || by_path.error().cause != Cause::Gone) return by_path;
  auto by_name_only = open_in_root(space, mapping.path);
  return by_name_only && has_build_id_of(space, mapping, *by_name_only) ? std::move(by_name_only)
                                                                        : std::move(by_path);
}

Result<linux::UniqueFd> open_in_root(const linux::AddressSpace& space, const std::string& path) {
  return reopen_in_root(space, path, nullptr);
}

}  // namespace ipcdoctor::unwind
