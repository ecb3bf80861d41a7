#include "snapshot_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "snapshot/codec.h"

namespace ipcdoctor::cmd {

Result<snapshot::Snapshot> load_file(const std::string& path) {
  errno = 0;
  std::error_code unknown;  // then opening it says why
  if (std::filesystem::is_directory(path, unknown))
    return Error{cause_of(EISDIR), EISDIR, "read " + path};
  std::ifstream file(path);
  if (!file) return Error{cause_of(errno), errno, "read " + path};
  Result<snapshot::Snapshot> snapshot = snapshot::load(file);
  if (!snapshot) return Error{snapshot.error().cause, 0, path + " is " + snapshot.error().what};
  return snapshot;
}

}  // namespace ipcdoctor::cmd
