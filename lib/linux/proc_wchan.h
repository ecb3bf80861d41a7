#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// The kernel function a thread sleeps in, without compiler suffixes (".isra.0", ".constprop.0",
/// ".part.3", ".cold").
/// "" if it does not sleep, or if the kernel does not tell ("0").
std::string parse_wchan(std::string_view text);
Result<std::string> read_wchan(const ProcDir& task);

/// The functions of /proc/PID/stack, innermost first, without compiler suffixes.
std::vector<std::string> parse_kernel_stack(std::string_view text);
/// Needs CAP_SYS_ADMIN. @return Denied, Gone.
Result<std::vector<std::string>> read_kernel_stack(const ProcDir& task);

}  // namespace ipcdoctor::linux
