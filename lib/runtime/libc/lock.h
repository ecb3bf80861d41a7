#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::libc {

/// A thread that is blocked in futex(2): the call's own arguments, from /proc/TID/syscall.
struct FutexCall {
  snapshot::TaskRef task;
  RemoteAddr address;
  int op = 0;  ///< with its flags
  std::uint32_t value = 0;
  bool shared_memory = false;
  std::span<const snapshot::Frame> frames;  ///< innermost first; may be empty
  std::vector<std::uint64_t> registers;     ///< those that calls preserve, if they are known
};

/// Looks up a thread id as the target's own PID namespace numbers it. Empty: no such thread lives,
/// for sure. An Error: there may be one, and nobody could look.
using FindTask = std::function<Result<std::optional<snapshot::TaskRef>>(int ns_tid)>;

/// What the futex is: glibc 2.31 to 2.43 and musl. Never fails: what cannot be told stays
/// LockKind::Unknown with Ownership::NotStored or Unreadable. The owner word is believed only if
/// the whole object passes its type check (kind, flags, counts) and a frame of the thread is in the
/// function that locks such an object.
snapshot::Lock identify_lock(const linux::AddressSpace& space, unwind::Images& images,
                             const FutexCall& call, const FindTask& find_task);

}  // namespace ipcdoctor::runtime::libc
