#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ipcdoctor::cmd {

/// Files that we write. What is there already is replaced only if it is a regular file of our own
/// user: a FIFO, a device, a symbolic link and what somebody else put there are refused.
/// /dev/stdout, /dev/stderr, /dev/fd/N and /proc/self/fd/N mean the open descriptor; /dev/null is
/// that.

/// Whether `path` can be written, without leaving a trace. Before anything else is opened: a
/// descriptor that is not open yet was not given to us. @return Denied, Gone (no such folder) ...
Status check_writable(const std::string& path);

/// Writes `text` under a temporary name in the same folder (0600, O_EXCL) and renames it: a reader
/// sees the whole file or none. Nothing is left behind when it fails.
Status write_whole(const std::string& path, std::string_view text);

/// Appends `text` to a regular file with one name, which is made if it is not there. It is ours, or
/// belongs to the owner of its folder: a job in a container is root, its summary the runner's.
Status append_to(const std::string& path, std::string_view text);

/// All of `text` to an open descriptor.
Status write_descriptor(int fd, std::string_view text);

}  // namespace ipcdoctor::cmd
