#include "linux/other_name.h"

#include <dirent.h>
#include <fcntl.h>

#include <memory>

namespace ipcdoctor::linux {
namespace {

constexpr int kMaxEntries = 65536;

}  // namespace

std::optional<std::string> find_other_name(const ProcDir& process, const Mapping& mapping) {
  const std::size_t slash = mapping.path.rfind('/');
  if (slash == std::string::npos || mapping.ino == 0) return std::nullopt;
  const std::string path = mapping.path.substr(0, slash + 1);
  auto directory = process.open_in_root(path, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::nullopt;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(directory->get()), &::closedir);
  if (!entries) return std::nullopt;
  (void)directory->release();  // closedir(3) closes it
  for (int i = 0; i < kMaxEntries; ++i) {
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) return std::nullopt;
    if (entry->d_ino == mapping.ino) return path + entry->d_name;
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::linux
