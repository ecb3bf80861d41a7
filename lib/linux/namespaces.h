#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// PROC_PID_INIT_INO: the inode of the first PID namespace (include/linux/proc_ns.h).
inline constexpr std::uint64_t kInitPidNamespace = 0xEFFFFFFC;
/// PROC_USER_INIT_INO, of the first user namespace.
inline constexpr std::uint64_t kInitUserNamespace = 0xEFFFFFFD;

/// "net:[4026531833]" -> 4026531833. @return Malformed.
Result<std::uint64_t> parse_namespace_link(std::string_view link, std::string_view kind);
/// The inode number of /proc/PID/ns/KIND ("pid", "net", "mnt", "ipc", "user"). Needs
/// PTRACE_MODE_READ.
Result<std::uint64_t> read_namespace(const ProcDir& process, const std::string& kind);

struct Namespaces {
  Result<std::uint64_t> pid = Error{}, net = Error{}, mount = Error{};
};
Namespaces read_namespaces(const ProcDir& process);

/// Our own: every process of the system has a number here.
Result<bool> in_init_pid_namespace();
/// Capabilities of any other do not count for processes outside of it (user_namespaces(7)).
Result<bool> in_init_user_namespace();

}  // namespace ipcdoctor::linux
