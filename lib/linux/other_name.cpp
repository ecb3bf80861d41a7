#include "linux/other_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "linux/unique_fd.h"

namespace ipcdoctor::linux {
namespace {

constexpr int kMaxEntries = 65536;

/// In the process's own root and never out of it.
UniqueFd open_directory(const ProcDir& process, const std::string& path) {
  const UniqueFd root(::openat(process.fd(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) return UniqueFd();
  struct open_how how {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(
      static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

}  // namespace

std::optional<std::string> find_other_name(const ProcDir& process, const Mapping& mapping) {
  const std::size_t slash = mapping.path.rfind('/');
  if (slash == std::string::npos || mapping.ino == 0) return std::nullopt;
  const std::string path = mapping.path.substr(0, slash + 1);
  UniqueFd directory = open_directory(process, path);
  if (!directory.is_open()) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(directory.get()), &::closedir);
  if (!entries) return std::nullopt;
  (void)directory.release();  // closedir(3) closes it
  for (int i = 0; i < kMaxEntries; ++i) {
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) return std::nullopt;
    if (entry->d_ino == mapping.ino) return path + entry->d_name;
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::linux
