#include "runtime/libc/glibc_objects.h"

#include <linux/futex.h>

#include <cstring>

namespace ipcdoctor::runtime::libc {
namespace {

constexpr std::uint32_t kMaxThreads = 1 << 22;

// __kind, from sysdeps/nptl/pthreadP.h
constexpr int kTypeMask = 0x03, kRecursive = 1, kErrorcheck = 2;
constexpr int kRobust = 0x10, kPriorityInherit = 0x20, kPriorityProtect = 0x40, kShared = 0x80;
constexpr int kElision = 0x100, kNoElision = 0x200, kCeiling = static_cast<int>(0xfff80000);
constexpr int kInconsistent =
    0x7fffffff;  ///< owner after EOWNERDEAD, until pthread_mutex_consistent
constexpr int kNotRecoverable = 0x7ffffffe;

// __readers, from nptl/pthread_rwlock_common.c
constexpr std::uint32_t kWritePhase = 1, kWriteLocked = 2;
constexpr unsigned kReaderShift = 3;

template <class T>
T at(Bytes bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

snapshot::LockKind kind_of(int bits) {
  using enum snapshot::LockKind;
  if ((bits & kRobust) != 0) return RobustMutex;
  if ((bits & kPriorityInherit) != 0) return PiMutex;
  switch (bits & kTypeMask) {
    case kRecursive:
      return RecursiveMutex;
    case kErrorcheck:
      return ErrorcheckMutex;
    default:
      return Mutex;
  }
}

bool is_tid(std::int64_t value) {
  return value > 0 && value <= kMaxTid;
}

}  // namespace

std::optional<GlibcMutex> decode_mutex(Bytes bytes) {
  if (bytes.size() < 40) return std::nullopt;
  GlibcMutex mutex;
  mutex.word = at<std::uint32_t>(bytes, 0);
  mutex.count = at<std::uint32_t>(bytes, 4);
  mutex.owner = at<int>(bytes, 8);
  mutex.kind_bits = at<int>(bytes, 16);
  const auto users = at<std::uint32_t>(bytes, 12);
  const int known = kTypeMask | kRobust | kPriorityInherit | kPriorityProtect | kShared | kElision |
                    kNoElision | ((mutex.kind_bits & kPriorityProtect) != 0 ? kCeiling : 0);
  if ((mutex.kind_bits & ~known) != 0 || users > kMaxThreads) return std::nullopt;
  mutex.kind = kind_of(mutex.kind_bits);
  const bool recursive = (mutex.kind_bits & kTypeMask) == kRecursive;
  if (recursive ? mutex.count > (1U << 30) : mutex.count > 1) return std::nullopt;

  if ((mutex.kind_bits & (kRobust | kPriorityInherit)) != 0) {
    // the futex word itself has the owner; the owner field may say "inconsistent" while somebody
    // holds it
    const int holder = static_cast<int>(mutex.word & FUTEX_TID_MASK);
    mutex.owner_died = (mutex.word & FUTEX_OWNER_DIED) != 0;
    if (holder > kMaxTid) return std::nullopt;
    if (mutex.owner != holder && mutex.owner != 0 && mutex.owner != kInconsistent &&
        mutex.owner != kNotRecoverable && !mutex.owner_died) {
      return std::nullopt;
    }
    mutex.owner = holder;
    return mutex;
  }
  if ((mutex.kind_bits & kPriorityProtect) == 0 && mutex.word > 2) return std::nullopt;
  if (mutex.word != 0 && mutex.owner != 0 && (!is_tid(mutex.owner) || users == 0))
    return std::nullopt;
  if (recursive && mutex.owner != 0 && mutex.count == 0) return std::nullopt;
  if (mutex.word == 0 && mutex.owner != 0) return std::nullopt;
  return mutex;
}

std::optional<GlibcRwlock> decode_rwlock(Bytes bytes) {
  if (bytes.size() < 56) return std::nullopt;
  const auto readers = at<std::uint32_t>(bytes, 0), writers = at<std::uint32_t>(bytes, 4);
  const auto phase = at<std::uint32_t>(bytes, 8), queue = at<std::uint32_t>(bytes, 12);
  const auto writer = at<int>(bytes, 24), shared = at<int>(bytes, 28);
  const auto flags = at<std::uint32_t>(bytes, 48);
  if (at<std::uint64_t>(bytes, 16) != 0 || at<std::uint64_t>(bytes, 32) != 0 ||
      at<std::uint64_t>(bytes, 40) != 0) {
    return std::nullopt;
  }
  if ((shared != 0 && shared != 1) || flags > 2 || phase > 3 || queue > 3) return std::nullopt;
  if (writer != 0 && !is_tid(writer)) return std::nullopt;
  if ((readers >> kReaderShift) > kMaxThreads || (writers & 0x7fffffff) > kMaxThreads)
    return std::nullopt;
  GlibcRwlock lock;
  lock.readers = readers >> kReaderShift;
  lock.writers = writers & 0x7fffffff;
  lock.write_locked = (readers & kWriteLocked) != 0 && (readers & kWritePhase) != 0;
  lock.writer = writer;
  lock.writer_first = flags == 2;
  // nobody waits for a free lock
  if (lock.readers == 0 && !lock.write_locked && lock.writer == 0 && lock.writers == 0)
    return std::nullopt;
  return lock;
}

std::optional<GlibcSemaphore> decode_semaphore(Bytes bytes) {
  if (bytes.size() < 32) return std::nullopt;
  const GlibcSemaphore semaphore{at<std::uint32_t>(bytes, 0), at<std::uint32_t>(bytes, 4)};
  const int shared = at<int>(bytes, 8);
  if (semaphore.value > 0x7fffffff || semaphore.waiters > kMaxThreads ||
      (shared != 0 && shared != kShared)) {
    return std::nullopt;
  }
  return semaphore;
}

std::optional<GlibcBarrier> decode_barrier(Bytes bytes) {
  if (bytes.size() < 32) return std::nullopt;
  const auto in = at<std::uint32_t>(bytes, 0), round = at<std::uint32_t>(bytes, 4);
  const auto parties = at<std::uint32_t>(bytes, 8);
  const int shared = at<int>(bytes, 12);
  // in counts all that ever came, current_round those of finished rounds
  const std::uint32_t arrived = in - round;
  if (parties == 0 || parties > kMaxThreads || arrived > parties ||
      (shared != 0 && shared != 1 && shared != kShared)) {
    return std::nullopt;
  }
  return GlibcBarrier{parties, arrived};
}

std::optional<GlibcFileLock> decode_file_lock(Bytes bytes) {
  if (bytes.size() < 16) return std::nullopt;
  const GlibcFileLock lock{at<std::uint32_t>(bytes, 0), at<std::uint32_t>(bytes, 4),
                           at<std::uint64_t>(bytes, 8)};
  const bool owned = lock.owner != 0;
  if (lock.word > 2 || lock.count > (1U << 20) || owned != (lock.count > 0) ||
      (owned && lock.word == 0) || lock.owner % 8 != 0) {
    return std::nullopt;
  }
  return lock;
}

}  // namespace ipcdoctor::runtime::libc
