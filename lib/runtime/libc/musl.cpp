#include "runtime/libc/musl.h"

#include <fmt/format.h>
#include <linux/futex.h>

#include <algorithm>
#include <cerrno>

#include "runtime/libc/glibc_objects.h"
#include "runtime/libc/owner.h"

namespace ipcdoctor::runtime::libc {
namespace {

using snapshot::LockKind;

constexpr int kTypeMask = 3, kRobust = 4, kPriorityInherit = 8, kShared = 128;
constexpr std::uint32_t kSharedBarrier = 0x80000000, kMaxParties = 1U << 22;
constexpr std::uint32_t kWaiters = 0x80000000, kOwnerMask = 0x3fffffff;

LockKind kind_of(int type) {
  if ((type & kRobust) != 0) return LockKind::RobustMutex;
  if ((type & kPriorityInherit) != 0) return LockKind::PiMutex;
  return (type & kTypeMask) == 1   ? LockKind::RecursiveMutex
         : (type & kTypeMask) == 2 ? LockKind::ErrorcheckMutex
                                   : LockKind::Mutex;
}

}  // namespace

bool is_musl(const linux::AddressSpace& space) {
  return std::ranges::any_of(space.notable_maps(), [](const linux::Mapping& m) {
    return m.executable &&
           (m.path.find("/ld-musl-") != m.path.npos || m.path.find("-linux-musl/") != m.path.npos);
  });
}

void identify_musl_lock(const linux::AddressSpace& space, const FutexCall& call,
                        const FindTask& find_task, snapshot::Lock& lock) {
  const auto word = space.memory.read_u32(call.address);
  if (!word) return;
  const std::uint64_t base = call.address.value - 4;
  const auto type = space.memory.read_object<int>(RemoteAddr{base});
  const auto waiters = space.memory.read_u32(RemoteAddr{base + 8});
  const bool mutex = type && waiters &&
                     (*type & ~(kTypeMask | kRobust | kPriorityInherit | kShared)) == 0 &&
                     (*type & kTypeMask) != 3 && (*word & kWaiters) != 0 && *waiters > 0 &&
                     *waiters < (1U << 22) && call.value == *word;
  if (!mutex) return;  // whatever it is, nobody is stored in it: all threads that reach it may wake
  lock.kind = kind_of(*type);
  lock.address = RemoteAddr{base};
  const int owner = static_cast<int>(*word & kOwnerMask);
  if (lock.kind == LockKind::Mutex) {
    // the normal type only says EBUSY
    if (owner != EBUSY) lock.kind = LockKind::Unknown;
    lock.evidence = fmt::format("musl mutex at {:#x}: normal type, no owner stored", base);
    return;
  }
  lock.evidence =
      fmt::format("owner word {} in the musl mutex at {:#x} (type {})", owner, base, *type);
  find_owner(space, call, find_task, owner, lock);
  // no frame says that it is a mutex: musl's system calls have no unwind information
  lock.checked = false;
}

void read_musl_barrier(const linux::AddressSpace& space, const FutexCall& call,
                       snapshot::Lock& lock) {
  const std::uint64_t base = call.address.value - 12;
  const auto limit = space.memory.read_u32(RemoteAddr{base + 8});
  const auto arrived = space.memory.read_u32(call.address);
  if (!limit || !arrived || (*limit & kSharedBarrier) == 0) return;
  const std::uint32_t parties = (*limit & ~kSharedBarrier) + 1;
  if (parties > kMaxParties || *arrived >= parties) return;
  lock.address = RemoteAddr{base};
  lock.numbers = {{snapshot::LockNumber::Parties, parties}};
  lock.evidence =
      fmt::format("musl barrier at {:#x}: {} of {} have arrived", base, *arrived, parties);
}

}  // namespace ipcdoctor::runtime::libc
