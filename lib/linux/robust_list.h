#pragma once

#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/process_memory.h"

namespace ipcdoctor::linux {

/// The futex words of the robust mutexes that a thread holds, by the list that the kernel would
/// walk if it died; at most 64. Without the pending one, which it may just wait for. See
/// get_robust_list(2) and Documentation/locking/robust-futexes.rst (Linux 6.1).
/// Needs PTRACE_MODE_READ. @return Denied, Gone, Malformed.
Result<std::vector<RemoteAddr>> read_robust_list(Tid tid, const ProcessMemory& memory);

}  // namespace ipcdoctor::linux
