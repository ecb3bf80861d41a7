#pragma once

#include "collect/blocked_call.h"
#include "collect/system.h"

namespace ipcdoctor::collect {

/// decode_call() with the answers of the system as it is.
snapshot::Wait decode_wait(System& system, ProcessEntry& process, const ThreadEntry& thread,
                           const BlockedCall& blocked);

/// Children that could not be read or that /proc hides (hidepid), as the kernel lists them for the
/// parent (proc_pid_task's "children"; kernels without CONFIG_PROC_CHILDREN have none: then any
/// process that was listed and not read is one). Ascending; empty where everybody is seen.
std::vector<Pid> unseen_children(System& system, const ProcessEntry& process);

/// Its stack lies below 4 GiB: an i386 or x32 program.
bool is_32bit(System& system, ProcessEntry& process);

/// The file that a path names for that process, found without opening it. dir_fd as for openat(2).
Result<FoundFile> find_path(System& system, ProcessEntry& process, int dir_fd,
                            const std::string& path);

}  // namespace ipcdoctor::collect
