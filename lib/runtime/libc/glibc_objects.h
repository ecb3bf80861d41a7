#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "snapshot/snapshot.h"

/// The synchronisation objects of glibc 2.31 to 2.43 on x86-64 as they lie in memory: decoded from
/// bytes, believed only if every field is what such an object can have. Pure functions; layouts
/// from sysdeps/nptl/bits/*.h and nptl/*.c.
namespace ipcdoctor::runtime::libc {

using Bytes = std::span<const std::byte>;

/// pthread_mutex_t (40 bytes): lock@0, count@4, owner@8, nusers@12, kind@16.
struct GlibcMutex {
  snapshot::LockKind kind = snapshot::LockKind::Unknown;
  int owner = 0;            ///< thread id in the PID namespace of the locker; 0 = none stored
  std::uint32_t word = 0;   ///< __lock
  std::uint32_t count = 0;  ///< of a recursive one
  int kind_bits = 0;        ///< __kind
  bool owner_died = false;  ///< FUTEX_OWNER_DIED: the kernel has already told the waiters
};
std::optional<GlibcMutex> decode_mutex(Bytes bytes);

/// pthread_rwlock_t (56 bytes), since 2.25: readers@0, writers@4, wrphase_futex@8,
/// writers_futex@12, cur_writer@24.
struct GlibcRwlock {
  std::uint32_t readers = 0;  ///< that hold it or have announced themselves
  std::uint32_t writers = 0;  ///< that wait
  bool write_locked = false;
  int writer = 0;  ///< thread id of the writer that has it; 0 = none
  bool writer_first =
      false;  ///< PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP: new readers queue behind a writer
};
std::optional<GlibcRwlock> decode_rwlock(Bytes bytes);

/// sem_t (32 bytes): value@0, waiters@4, private@8.
struct GlibcSemaphore {
  std::uint32_t value = 0, waiters = 0;
};
std::optional<GlibcSemaphore> decode_semaphore(Bytes bytes);

/// pthread_barrier_t (32 bytes): in@0, current_round@4, count@8, shared@12, out@16.
struct GlibcBarrier {
  std::uint32_t parties = 0, arrived = 0;
};
std::optional<GlibcBarrier> decode_barrier(Bytes bytes);

/// _IO_lock_t (16 bytes), the lock of a FILE: lock@0, count@4, owner@8, a pointer to struct
/// pthread.
struct GlibcFileLock {
  std::uint32_t word = 0, count = 0;
  std::uint64_t owner = 0;
};
std::optional<GlibcFileLock> decode_file_lock(Bytes bytes);

/// Offsets in struct pthread, the same in all these versions: its own address twice (tcb, self) and
/// the thread id.
constexpr std::uint64_t kPthreadTcb = 0, kPthreadSelf = 0x10, kPthreadTid = 0x2d0;
constexpr int kMaxTid = 1 << 22;  ///< PID_MAX_LIMIT of the kernel

}  // namespace ipcdoctor::runtime::libc
