#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// VmPeak and VmHWM of /proc/PID/status. They belong to the address space and never sink
/// (task_mem() in fs/proc/task_mmu.c, Linux 6.1): what differs is of two address spaces.
struct MemoryMarks {
  bool known = false;
  std::uint64_t size_kb = 0, resident_kb = 0;
  friend bool operator==(const MemoryMarks&, const MemoryMarks&) = default;
};
MemoryMarks read_memory_marks(const ProcDir& process);

/// Whether two processes have one address space (CLONE_VM without CLONE_THREAD): as kcmp(2) says,
/// and where that is refused, as by the seccomp profiles of containers, by marks that differ.
/// @return what kcmp said, where these are equal too: then nobody knows.
Result<bool> share_memory(Pid a, Pid b);

}  // namespace ipcdoctor::linux
