#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "runtime/libc/glibc_objects.h"
#include "runtime/libc/lock_functions.h"

namespace ipcdoctor::runtime::libc {
namespace {

using snapshot::LockKind;

template <class T>
Bytes bytes_of(const T& object) {
  return std::as_bytes(std::span(&object, 1));
}

int own_tid() {
  return ::gettid();
}

pthread_mutex_t make_mutex(int type, int robust = PTHREAD_MUTEX_STALLED,
                           int protocol = PTHREAD_PRIO_NONE) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, type);
  pthread_mutexattr_setrobust(&attributes, robust);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return mutex;
}

// The objects of the C library that runs this test are the truth about layouts.

TEST(GlibcObjects, MutexesOfEveryType) {
  const struct {
    pthread_mutex_t mutex;
    LockKind kind;
  } cases[] = {
      {make_mutex(PTHREAD_MUTEX_NORMAL), LockKind::Mutex},
      {make_mutex(PTHREAD_MUTEX_ADAPTIVE_NP), LockKind::Mutex},
      {make_mutex(PTHREAD_MUTEX_RECURSIVE), LockKind::RecursiveMutex},
      {make_mutex(PTHREAD_MUTEX_ERRORCHECK), LockKind::ErrorcheckMutex},
      {make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT),
       LockKind::PiMutex},
  };
  for (const auto& c : cases) {
    pthread_mutex_t mutex = c.mutex;
    const auto free = decode_mutex(bytes_of(mutex));
    ASSERT_TRUE(free);
    EXPECT_EQ(free->kind, c.kind);
    EXPECT_EQ(free->owner, 0);
    ASSERT_EQ(pthread_mutex_lock(&mutex), 0);
    const auto held = decode_mutex(bytes_of(mutex));
    ASSERT_TRUE(held);
    EXPECT_EQ(held->kind, c.kind);
    EXPECT_EQ(held->owner, own_tid());
    pthread_mutex_unlock(&mutex);
  }
}

TEST(GlibcObjects, ARobustMutexHasItsOwnerInTheWord) {
  static pthread_mutex_t mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  ASSERT_EQ(pthread_mutex_lock(&mutex), 0);
  const auto held = decode_mutex(bytes_of(mutex));
  ASSERT_TRUE(held);
  EXPECT_EQ(held->kind, LockKind::RobustMutex);
  EXPECT_EQ(held->owner, own_tid());
  EXPECT_FALSE(held->owner_died);
  pthread_mutex_unlock(&mutex);
}

TEST(GlibcObjects, ARobustMutexAfterItsOwnerDied) {
  static pthread_mutex_t mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void*) -> void* {
                  pthread_mutex_lock(&mutex);
                  return nullptr;
                },
                nullptr),
            0);
  pthread_join(thread, nullptr);
  const auto died = decode_mutex(bytes_of(mutex));
  ASSERT_TRUE(died);
  EXPECT_TRUE(died->owner_died);
  ASSERT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD);  // and never made consistent
  const auto inconsistent = decode_mutex(bytes_of(mutex));
  ASSERT_TRUE(inconsistent);
  EXPECT_EQ(inconsistent->owner, own_tid());
  pthread_mutex_unlock(&mutex);
}

TEST(GlibcObjects, OtherBytesAreNoMutex) {
  const auto with = [](std::size_t offset, std::uint32_t value) {
    pthread_mutex_t mutex = make_mutex(PTHREAD_MUTEX_NORMAL);
    pthread_mutex_lock(&mutex);
    std::memcpy(reinterpret_cast<char*>(&mutex) + offset, &value, sizeof value);
    return decode_mutex(bytes_of(mutex)).has_value();
  };
  EXPECT_TRUE(with(0, 2));
  EXPECT_FALSE(with(0, 3)) << "word";
  EXPECT_FALSE(with(4, 7)) << "count of one that is not recursive";
  EXPECT_FALSE(with(8, 0x7fffffff)) << "owner is no thread id";
  EXPECT_FALSE(with(8, 0x80000001)) << "owner is negative";
  EXPECT_FALSE(with(12, 0)) << "owned, but used by nobody";
  EXPECT_FALSE(with(16, 0x4000)) << "kind";
  EXPECT_FALSE(decode_mutex({}));
}

TEST(GlibcObjects, Rwlock) {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  EXPECT_FALSE(decode_rwlock(bytes_of(lock))) << "nobody waits for a free one";
  pthread_rwlock_rdlock(&lock);
  pthread_rwlock_rdlock(&lock);
  const auto read = decode_rwlock(bytes_of(lock));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->readers, 2U);
  EXPECT_FALSE(read->write_locked);
  EXPECT_EQ(read->writer, 0);
  pthread_rwlock_unlock(&lock);
  pthread_rwlock_unlock(&lock);
  pthread_rwlock_wrlock(&lock);
  const auto written = decode_rwlock(bytes_of(lock));
  ASSERT_TRUE(written);
  EXPECT_TRUE(written->write_locked);
  EXPECT_EQ(written->writer, own_tid());
  EXPECT_FALSE(written->writer_first);
  pthread_rwlock_unlock(&lock);
}

TEST(GlibcObjects, Semaphore) {
  sem_t semaphore;
  sem_init(&semaphore, 1, 3);
  const auto decoded = decode_semaphore(bytes_of(semaphore));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->value, 3U);
  EXPECT_EQ(decoded->waiters, 0U);
}

TEST(GlibcObjects, Barrier) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 3);
  const auto decoded = decode_barrier(bytes_of(barrier));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->parties, 3U);
  EXPECT_EQ(decoded->arrived, 0U);
  EXPECT_FALSE(decode_barrier(std::vector<std::byte>(32)));
}

TEST(GlibcObjects, LockOfAStream) {
  FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  ::flockfile(file);
  // struct _IO_FILE: _lock is the pointer at 136
  const void* lock = nullptr;
  std::memcpy(&lock, reinterpret_cast<const char*>(file) + 136, sizeof lock);
  const auto decoded = decode_file_lock(Bytes(static_cast<const std::byte*>(lock), 16));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->count, 1U);
  EXPECT_EQ(decoded->owner, static_cast<std::uint64_t>(pthread_self()));
  ::funlockfile(file);
  (void)std::fclose(file);
}

TEST(GlibcObjects, ThreadIdInStructPthread) {
  const auto* self =
      reinterpret_cast<const char*>(pthread_self());  // NOLINT(performance-no-int-to-ptr)
  int tid = 0;
  std::memcpy(&tid, self + kPthreadTid, sizeof tid);
  EXPECT_EQ(tid, own_tid());
  std::uint64_t address = 0;
  std::memcpy(&address, self + kPthreadSelf, sizeof address);
  EXPECT_EQ(address, reinterpret_cast<std::uint64_t>(self));
}

/// Noise is almost never taken for an owned mutex: that would be an owner out of nothing.
TEST(GlibcObjects, NoiseHasNoOwner) {
  std::mt19937_64 random(3);
  int owned = 0;
  for (int round = 0; round < 100000; ++round) {
    std::array<std::uint64_t, 7> words;
    for (auto& w : words) w = random();
    const auto mutex = decode_mutex(bytes_of(words));
    owned += mutex && mutex->owner > 0 ? 1 : 0;
    owned += decode_file_lock(bytes_of(words)) ? 1 : 0;
    owned += decode_rwlock(bytes_of(words)) ? 1 : 0;
  }
  EXPECT_EQ(owned, 0);
}

TEST(LockFunctions, AllSpellings) {
  for (const char* name : {"pthread_mutex_lock", "__pthread_mutex_lock", "___pthread_mutex_lock",
                           "__GI___pthread_mutex_lock", "pthread_mutex_lock@@GLIBC_2.2.5"}) {
    EXPECT_EQ(lock_kind_of_function(name), LockKind::Mutex) << name;
  }
  EXPECT_EQ(lock_kind_of_rust("<std::sys::sync::mutex::futex::Mutex>::lock_contended"),
            LockKind::Mutex);
  EXPECT_EQ(lock_kind_of_rust("std::sys::unix::locks::futex_rwlock::RwLock::write_contended"),
            LockKind::RwlockWrite);
  EXPECT_EQ(lock_kind_of_rust("parking_lot::raw_mutex::RawMutex::lock_slow"), LockKind::Unknown);
  EXPECT_EQ(lock_kind_of_function("__new_sem_wait"), LockKind::Semaphore);
  EXPECT_EQ(lock_kind_of_function("std::barrier<std::__empty_completion>::arrive_and_wait()"),
            LockKind::Latch);
  EXPECT_EQ(lock_kind_of_function("__cxa_guard_acquire"), LockKind::Once);
  EXPECT_EQ(lock_kind_of_function("_IO_puts"), LockKind::FileStream);
  EXPECT_EQ(lock_kind_of_function("__libc_malloc"), LockKind::Unknown);
  EXPECT_EQ(lock_kind_of_function("malloc"), LockKind::Arena);
  EXPECT_EQ(lock_kind_of_function("my_pthread_mutex_lock"), LockKind::Unknown);
  EXPECT_EQ(lock_kind_of_function(""), LockKind::Unknown);
  EXPECT_EQ(lock_kind_of_function("____"), LockKind::Unknown);
}

}  // namespace
}  // namespace ipcdoctor::runtime::libc
