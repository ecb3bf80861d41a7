#include "linux/other_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <memory>

namespace ipcdoctor::linux {
namespace {

constexpr int kMaxEntries = 65536;

/// It has files of another device than the mapped one. Of file systems that number their files
/// otherwise for stat(2) (overlay, btrfs) that is not known; tmpfs and /dev do not, which both call
/// themselves so.
bool is_elsewhere(int directory, const Mapping& mapping) {
  struct statfs system {};
  struct stat status {};
  return ::fstatfs(directory, &system) == 0 && system.f_type == TMPFS_MAGIC &&
         ::fstat(directory, &status) == 0 && status.st_dev != mapping.dev;
}

}  // namespace

Result<std::optional<std::string>> find_other_name(const ProcDir& process, const Mapping& mapping) {
  using Found = std::optional<std::string>;
  const std::size_t slash = mapping.path.rfind('/');
  if (slash == std::string::npos || mapping.ino == 0) return Found();
  const std::string path = mapping.path.substr(0, slash + 1);
  auto directory = process.open_in_root(path, O_RDONLY | O_DIRECTORY);
  if (!directory && directory.error().cause == Cause::Gone) return Found();
  if (!directory) return directory.error();
  if (is_elsewhere(directory->get(), mapping)) return Found();
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(directory->get()), &::closedir);
  if (!entries) return Error{cause_of(errno), errno, "list " + path};
  (void)directory->release();  // closedir(3) closes it
  for (int i = 0; i < kMaxEntries; ++i) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr && errno != 0) return Error{cause_of(errno), errno, "list " + path};
    if (entry == nullptr) return Found();
    if (entry->d_ino == mapping.ino) return Found(path + entry->d_name);
  }
  return Error{Cause::Limit, 0, "list " + path};
}

}  // namespace ipcdoctor::linux
