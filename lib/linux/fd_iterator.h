#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "linux/fd_table.h"

namespace ipcdoctor::linux {

/// One descriptor, as the kernel itself has it.
struct KernelFd {
  Pid pid;
  Tid tid;  ///< the leader, or a thread whose table is not the leader's
  int fd = -1;
  std::uint64_t started_ns = 0;  ///< of the thread, since boot: tells a reused number
  std::uint64_t file = 0;        ///< the same open file has the same number
  /// Of the thread: who shares its table, or its address space, has the same numbers.
  std::uint64_t table = 0, memory = 0;
  std::uint64_t ino = 0, dev = 0, rdev = 0;  ///< of the inode itself; makedev
  std::uint64_t file_system = 0;             ///< its magic number, as statfs(2) gives it
  std::uint32_t type = 0;                    ///< S_IFMT of its mode
  bool readable = false, writable = false;   ///< FMODE_READ, FMODE_WRITE
  std::string name;                          ///< of an anonymous file: "[eventfd]"
  // Of read_kernel_pipes() alone.
  std::uint32_t readers = 0, writers = 0;  ///< open files of that pipe
  std::uint64_t references = 0;  ///< to the open file: of each descriptor, of each call that uses
                                 ///< one of a shared table just now, of messages under way ...
};

/// What /proc/PID/fd would say of it, but for links that nobody needs; nothing where only a look
/// through /proc tells: on file systems that number their files otherwise for stat(2) than for
/// themselves (overlayfs, btrfs, FUSE ...), and of rare kinds.
std::optional<FdEntry> to_entry(const KernelFd& fd);

/// All descriptors of the system by the BPF iterator "task_file", ascending by thread and number,
/// without a system call for each. A thread that shares its leader's table is left out. It is not
/// said whether a thread has no descriptor or was not seen: who is missing may have some.
/// Needs what read_kernel_tasks() needs. Costs some 20 ms for loading it, and 0.3 µs for each.
/// Source: kernel/bpf/task_iter.c, include/linux/fs.h (Linux 6.1).
/// @return Denied, Unsupported, Limit.
Status read_kernel_fds(const std::function<void(const KernelFd&)>& each);

/// The same of pipes alone, but not FIFOs, with how many open files the kernel itself counts for
/// each side of a pipe: also those of processes that nobody here can see, and those that are on
/// their way through a socket. Several descriptors may be of one open file,
/// which counts them.
/// Source: include/linux/pipe_fs_i.h, fs/pipe.c (Linux 6.1), include/linux/file_ref.h (6.13).
/// @return Denied, Unsupported, Limit.
Status read_kernel_pipes(const std::function<void(const KernelFd&)>& each);

}  // namespace ipcdoctor::linux
