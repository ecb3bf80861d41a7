#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

namespace ipcdoctor::linux {

/// The status of a child of ours that was killed or is about to end, waitpid(2). Waits no longer
/// than `patience`: one that hangs in the kernel for good is left to init when we end.
std::optional<int> reap(pid_t pid, std::chrono::milliseconds patience);

}  // namespace ipcdoctor::linux
