#pragma once

#include <compare>

#include "base/ids.h"
#include "base/result.h"

namespace ipcdoctor::linux {

enum class Kcmp { Vm, Files };

/// kcmp(2): do two tasks share the address space, or the descriptor table? The order is stable
/// until reboot, so many can be grouped by sorting. Needs PTRACE_MODE_READ on both. @return Denied,
/// Gone, Unsupported (no CONFIG_KCMP).
Result<std::strong_ordering> compare_tasks(Kcmp what, Tid a, Tid b);
/// KCMP_FILE: are the two descriptors one open file description?
Result<std::strong_ordering> compare_files(Tid a, int fd_a, Tid b, int fd_b);
/// KCMP_EPOLL_TFD: is descriptor `fd` of `task` the file that the epoll set `epfd` of `holder`
/// watches under number `watched`?
Result<bool> is_epoll_target(Tid task, int fd, Tid holder, int epfd, int watched);

}  // namespace ipcdoctor::linux
