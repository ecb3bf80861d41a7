#include "linux/regular_file.h"

#include <sys/stat.h>

#include <cerrno>

#include "linux/deputy.h"

namespace ipcdoctor::linux {

Result<UniqueFd> reopen_regular(const UniqueFd& handle) {
  if (!handle.is_open()) return Error{cause_of(errno), errno, "open a file"};
  struct stat info {};
  if (::fstat(handle.get(), &info) < 0) return Error{cause_of(errno), errno, "stat a file"};
  if (!S_ISREG(info.st_mode)) return Error{Cause::Unsupported, 0, "open a file: not a regular one"};
  UniqueFd file = deputy::reopen(handle.get());
  if (!file.is_open()) return Error{cause_of(errno), errno, "open a file"};
  return file;
}

}  // namespace ipcdoctor::linux
