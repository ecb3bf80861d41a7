#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// What we ourselves may look at.
struct OwnRights {
  std::uint32_t effective_uid = 0;
  std::uint64_t effective_caps = 0;  ///< bit n = CAP_n of linux/capability.h
  int ptrace_scope = 0;  ///< Yama: 0 none (or module absent), 1 descendants, 2 admin only, 3 never
  bool hides_pids = false;  ///< /proc is mounted with hidepid and we have no CAP_SYS_PTRACE
  bool can_ptrace() const { return (effective_caps >> 19 & 1) != 0; }  ///< CAP_SYS_PTRACE
  bool is_admin() const { return (effective_caps >> 21 & 1) != 0; }    ///< CAP_SYS_ADMIN
};

Result<int> parse_ptrace_scope(std::string_view text);
/// Does this /proc/self/mountinfo say that /proc hides other users' processes (hidepid=1, 2,
/// invisible, noaccess ...)?
bool parse_hidepid(std::string_view mountinfo);
Result<OwnRights> read_own_rights();

}  // namespace ipcdoctor::linux
