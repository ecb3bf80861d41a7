#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ipcdoctor::cmd {

/// Whether `path` can be written, without leaving a trace. @return Denied, Gone (no such folder)
/// ...
Status check_writable(const std::string& path);

/// Writes `text` under a temporary name in the same folder (0600, O_EXCL, O_NOFOLLOW) and renames
/// it: a reader sees the whole file or none, and a symbolic link that somebody else put there is
/// replaced, not followed. Devices, FIFOs and everything in /dev and /proc are written in place.
Status write_whole(const std::string& path, std::string_view text);

/// All of `text` to an open descriptor.
Status write_descriptor(int fd, std::string_view text);

}  // namespace ipcdoctor::cmd
