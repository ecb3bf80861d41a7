#include "runtime/libc/lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <thread>

#include "linux/task_iterator.h"
#include "unwind/child_for_test.h"

namespace ipcdoctor::runtime::libc {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::Ownership;
using snapshot::TaskRef;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using unwind::test::Child;

/// All threads of the given processes, as collect would look them up.
Result<std::optional<TaskRef>> find_task(const std::vector<int>& pids, int tid) {
  for (const int pid : pids) {
    if (std::filesystem::exists("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid))) {
      return std::optional(TaskRef{Pid{pid}, Tid{tid}});
    }
  }
  return std::optional<TaskRef>();
}

std::vector<std::uint64_t> registers_of(int tid) {
  const auto tasks = linux::read_kernel_tasks();
  if (!tasks) return {};
  const auto it = std::ranges::find(*tasks, Tid{tid}, &linux::KernelTask::tid);
  if (it == tasks->end()) return {};
  return {it->rbx, it->rbp, it->r12, it->r13, it->r14, it->r15};
}

/// What thread `tid` of `pid`, blocked in `call`, waits for.
Lock look(int pid, int tid, const linux::SyscallState& call, const std::vector<int>& pids) {
  unwind::Images images;
  const auto space = linux::AddressSpace::open(Pid{pid});
  if (!space) return {};
  const auto frames = images.unwind(*space, unwind::test::registers_of(call));
  const auto* mapping = linux::find_mapping(space->maps(), RemoteAddr{call.args[0]});
  const auto all = frames.value_or(std::vector<snapshot::Frame>());
  FutexCall futex{.task = {Pid{pid}, Tid{tid}},
                  .address = RemoteAddr{call.args[0]},
                  .op = static_cast<int>(call.args[1]),
                  .value = static_cast<std::uint32_t>(call.args[2]),
                  .shared_memory = mapping != nullptr && mapping->shared,
                  .frames = all,
                  .registers = registers_of(tid)};
  return identify_lock(*space, images, futex, [&](int ns_tid) { return find_task(pids, ns_tid); });
}

/// Waits for `count` threads in futex(2) and looks at the one that is not the leader (or at the
/// leader if it is alone).
Lock look_at(const Child& child, std::size_t count = 1) {
  const auto calls = child.wait_blocked(SYS_futex, count);
  if (calls.empty()) return {};
  const auto& [tid, call] = calls.back();
  return look(child.pid(), tid, call, {child.pid(), ::getpid()});
}

void sleep_for_ever() {
  for (;;) ::pause();
}

/// Runs `hold` in one thread, then `wait` in the main thread; the holder sleeps while it holds.
template <class Hold, class Wait>
[[noreturn]] void hold_and_wait(Hold hold, Wait wait) {
  static std::mutex ready;
  ready.lock();
  std::thread([&] {
    hold();
    ready.unlock();
    sleep_for_ever();
  }).detach();
  ready.lock();
  wait();
  ::_exit(0);
}

int other_thread(int pid) {
  const auto dir = linux::ProcDir::open(Pid{pid});
  return dir ? dir->list_numbers("task").value_or(std::vector<int>{0}).back() : 0;
}

pthread_mutex_t make_mutex(int type, int robust, int protocol) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, type);
  pthread_mutexattr_setrobust(&attributes, robust);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  return mutex;
}

pthread_mutex_t test_mutex;

struct MutexCase {
  const char* name;
  int type, robust, protocol;
  LockKind kind;
};

class OwnedMutex : public testing::TestWithParam<MutexCase> {};

TEST_P(OwnedMutex, NamesTheThreadThatHoldsIt) {
  const MutexCase& c = GetParam();
  const Child child([&] {
    test_mutex = make_mutex(c.type, c.robust, c.protocol);
    hold_and_wait([] { pthread_mutex_lock(&test_mutex); }, [] { pthread_mutex_lock(&test_mutex); });
  });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, c.kind) << lock.evidence;
  EXPECT_EQ(lock.ownership, Ownership::Known) << lock.evidence;
  EXPECT_TRUE(lock.checked) << lock.evidence;
  EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{child.pid()}, Tid{other_thread(child.pid())}}));
  EXPECT_TRUE(lock.name.ends_with("test_mutex`")) << lock.name << ": the program is not named";
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, OwnedMutex,
    testing::Values(MutexCase{"normal", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED,
                              PTHREAD_PRIO_NONE, LockKind::Mutex},
                    MutexCase{"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED,
                              PTHREAD_PRIO_NONE, LockKind::Mutex},
                    MutexCase{"recursive", PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED,
                              PTHREAD_PRIO_NONE, LockKind::RecursiveMutex},
                    MutexCase{"errorcheck", PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED,
                              PTHREAD_PRIO_NONE, LockKind::ErrorcheckMutex},
                    MutexCase{"robust", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST,
                              PTHREAD_PRIO_NONE, LockKind::RobustMutex},
                    MutexCase{"inheriting", PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED,
                              PTHREAD_PRIO_INHERIT, LockKind::PiMutex}),
    [](const auto& parameter) { return std::string(parameter.param.name); });

TEST(LockLive, AMutexThatItsOwnerLocksAgain) {
  const Child child([] {
    test_mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    pthread_mutex_lock(&test_mutex);
    pthread_mutex_lock(&test_mutex);
  });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.ownership, Ownership::Known);
  EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{child.pid()}, Tid{child.pid()}}));
}

TEST(LockLive, AnInheritingMutexThatTheKernelRefused) {
  if (!linux::read_kernel_tasks()) GTEST_SKIP() << "no registers without BPF";
  const Child child([] {
    test_mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
    pthread_mutex_lock(&test_mutex);
    pthread_mutex_lock(
        &test_mutex);  // EDEADLK from the kernel: glibc sleeps for ever on its own stack
  });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, LockKind::PiMutex) << lock.evidence;
  EXPECT_EQ(lock.ownership, Ownership::Known) << lock.evidence;
  EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{child.pid()}, Tid{child.pid()}}));
  EXPECT_THAT(lock.name, HasSubstr("test_mutex"));
}

TEST(LockLive, AnOwnerThatExitedIsDead) {
  const Child child([] {
    test_mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    std::thread([] { pthread_mutex_lock(&test_mutex); }).join();
    pthread_mutex_lock(&test_mutex);
  });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.ownership, Ownership::Dead) << lock.evidence;
  EXPECT_GT(lock.dead_owner, child.pid());
  EXPECT_THAT(lock.owners, IsEmpty());
}

TEST(LockLive, AMutexThatWasHeldAcrossFork) {
  test_mutex = make_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
  std::mutex ready, done;
  ready.lock();
  done.lock();
  int holder_tid = 0;
  std::thread holder([&] {
    pthread_mutex_lock(&test_mutex);
    holder_tid = ::gettid();
    ready.unlock();
    done.lock();
    pthread_mutex_unlock(&test_mutex);
  });
  ready.lock();
  {
    const Child child([] { pthread_mutex_lock(&test_mutex); });
    const Lock lock = look_at(child);
    EXPECT_EQ(lock.ownership, Ownership::LeftInParent) << lock.evidence;
    EXPECT_TRUE(lock.checked);
    EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{::getpid()}, Tid{holder_tid}}));
    done.unlock();
    holder.join();
    // the owner is gone now, but it was older than the child: still a copy, not a dead thread of
    // its own
    const Lock later = look_at(child);
    EXPECT_EQ(later.ownership, Ownership::LeftInParent) << later.evidence;
    EXPECT_THAT(later.owners, IsEmpty());
  }
}

TEST(LockLive, ASharedMutexIsHeldByAnotherProcess) {
  auto* mutex = static_cast<pthread_mutex_t*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(mutex, MAP_FAILED);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(mutex, &attributes);
  auto holder = std::make_unique<Child>([&] {
    pthread_mutex_lock(mutex);
    sleep_for_ever();
  });
  ASSERT_FALSE(holder->wait_blocked(SYS_pause).empty());
  const Child child([&] { pthread_mutex_lock(mutex); });
  const auto calls = child.wait_blocked(SYS_futex);
  ASSERT_EQ(calls.size(), 1U);
  const Lock held = look(child.pid(), child.pid(), calls[0].second, {child.pid(), holder->pid()});
  EXPECT_EQ(held.ownership, Ownership::Known);
  EXPECT_TRUE(held.checked);
  EXPECT_THAT(held.owners, ElementsAre(TaskRef{Pid{holder->pid()}, Tid{holder->pid()}}));
  const int holder_pid = holder->pid();
  holder.reset();  // killed while it holds it
  const Lock dead = look(child.pid(), child.pid(), calls[0].second, {child.pid()});
  EXPECT_EQ(dead.ownership, Ownership::Dead);
  EXPECT_EQ(dead.dead_owner, holder_pid);
  (void)::munmap(mutex, 4096);
}

TEST(LockLive, Rwlock) {
  static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
  const Child reader([] {
    hold_and_wait([] { pthread_rwlock_wrlock(&rwlock); }, [] { pthread_rwlock_rdlock(&rwlock); });
  });
  const Lock read = look_at(reader);
  EXPECT_EQ(read.kind, LockKind::RwlockRead);
  EXPECT_EQ(read.ownership, Ownership::Known) << read.evidence;
  EXPECT_THAT(read.owners,
              ElementsAre(TaskRef{Pid{reader.pid()}, Tid{other_thread(reader.pid())}}));
  EXPECT_THAT(read.name, HasSubstr("rwlock`"));

  const Child writer([] {
    hold_and_wait([] { pthread_rwlock_rdlock(&rwlock); }, [] { pthread_rwlock_wrlock(&rwlock); });
  });
  const Lock write = look_at(writer);
  EXPECT_EQ(write.kind, LockKind::RwlockWrite);
  EXPECT_EQ(write.ownership, Ownership::NotStored) << "readers are only counted";
  EXPECT_EQ(write.numbers.get_or(snapshot::LockNumber::Readers, -1), 1);
  EXPECT_FALSE(write.checked);
}

TEST(LockLive, TwoWritersWaitOnDifferentWordsOfOneRwlock) {
  static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
  const Child writers([] {
    pthread_rwlock_rdlock(&rwlock);
    std::thread([] { pthread_rwlock_wrlock(&rwlock); }).detach();
    ::usleep(100'000);
    pthread_rwlock_wrlock(&rwlock);
  });
  const auto calls = writers.wait_blocked(SYS_futex, 2);
  ASSERT_EQ(calls.size(), 2U);
  const Lock one = look(writers.pid(), calls[0].first, calls[0].second, {writers.pid()});
  const Lock other = look(writers.pid(), calls[1].first, calls[1].second, {writers.pid()});
  EXPECT_EQ(one.kind, LockKind::RwlockWrite);
  EXPECT_EQ(other.kind, LockKind::RwlockWrite);
  EXPECT_EQ(one.address, other.address);
  EXPECT_EQ(one.numbers.get_or(snapshot::LockNumber::Readers, -1), 1);
  EXPECT_EQ(other.numbers.get_or(snapshot::LockNumber::Readers, -1), 1);
}

TEST(LockLive, WhatHasNoOwner) {
  static sem_t semaphore;
  const Child on_semaphore([] {
    sem_init(&semaphore, 0, 0);
    sem_wait(&semaphore);
  });
  const Lock sem = look_at(on_semaphore);
  EXPECT_EQ(sem.kind, LockKind::Semaphore);
  EXPECT_EQ(sem.ownership, Ownership::NotStored);
  EXPECT_EQ(sem.numbers.get_or(snapshot::LockNumber::Value, -1), 0);
  EXPECT_FALSE(sem.checked);

  static pthread_barrier_t barrier;
  const Child on_barrier([] {
    pthread_barrier_init(&barrier, nullptr, 3);
    std::thread([] { pthread_barrier_wait(&barrier); }).detach();
    pthread_barrier_wait(&barrier);
  });
  const Lock bar = look_at(on_barrier, 2);
  EXPECT_EQ(bar.kind, LockKind::Barrier);
  EXPECT_EQ(bar.numbers.get_or(snapshot::LockNumber::Parties, -1), 3);

  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  const Child on_condition([] {
    pthread_mutex_lock(&test_mutex);
    pthread_cond_wait(&condition, &test_mutex);
  });
  const Lock cond = look_at(on_condition);
  EXPECT_EQ(cond.kind, LockKind::Condition);
  EXPECT_EQ(cond.ownership, Ownership::NotStored);
  EXPECT_THAT(cond.name, HasSubstr("condition`"));

  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const Child on_once([] {
    // the result is looked at: else the call is the last one, and the frame of its caller is gone
    pthread_once(&once, [] {
      std::thread([] {
        if (pthread_once(&once, [] {}) != 0) ::abort();
      }).join();
    });
  });
  const Lock waiter = look_at(on_once, 2);
  EXPECT_EQ(waiter.kind, LockKind::Once);
  EXPECT_EQ(waiter.ownership, Ownership::NotStored);
}

TEST(LockLive, JoinWaitsForThatThread) {
  const Child child([] { std::thread(sleep_for_ever).join(); });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, LockKind::ThreadJoin);
  EXPECT_EQ(lock.ownership, Ownership::Known) << lock.evidence;
  EXPECT_TRUE(lock.checked);
  EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{child.pid()}, Tid{other_thread(child.pid())}}));
}

TEST(LockLive, ALockInsideLibcIsSaidToBeOne) {
  // the child has a copy of the time zone's lock as another thread held it; sooner or later one
  // fork hits
  std::atomic<bool> stop = false;
  std::thread clock([&] {
    std::tm parts{};
    for (std::time_t now = 0; !stop; ++now) (void)::localtime_r(&now, &parts);
  });
  bool hit = false;
  for (int attempt = 0; attempt < 2000 && !hit; ++attempt) {
    const Child child([] {
      std::tm parts{};
      const std::time_t now = 0;
      (void)::localtime_r(&now, &parts);
    });
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
      const auto dir = linux::ProcDir::open(Pid{child.pid()});
      const auto call = dir ? linux::read_syscall(*dir) : Result<linux::SyscallState>();
      if (!call || call->kind != linux::SyscallState::Kind::InCall || call->nr != SYS_futex)
        continue;
      const Lock lock = look(child.pid(), child.pid(), *call, {child.pid(), ::getpid()});
      EXPECT_EQ(lock.kind, LockKind::LibcInternal);
      EXPECT_EQ(lock.ownership, Ownership::NotStored);
      EXPECT_THAT(lock.name, HasSubstr("localtime_r"));
      hit = true;
      break;
    }
  }
  stop = true;
  clock.join();
  EXPECT_TRUE(hit);
}

TEST(LockLive, AStreamIsHeldByTheThreadInIt) {
  const Child child(
      [] { hold_and_wait([] { ::flockfile(stderr); }, [] { (void)std::fputs("x", stderr); }); });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, LockKind::FileStream) << lock.evidence;
  EXPECT_EQ(lock.name, "lock of stderr");
  EXPECT_EQ(lock.ownership, Ownership::Known) << lock.evidence;
  EXPECT_THAT(lock.owners, ElementsAre(TaskRef{Pid{child.pid()}, Tid{other_thread(child.pid())}}));
}

TEST(LockLive, AFutexOfNobodyKnownStaysUnknown) {
  static int word = 2;
  const Child child([] { (void)::syscall(SYS_futex, &word, 0, 2, nullptr, nullptr, 0); });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, LockKind::Unknown);
  EXPECT_EQ(lock.ownership, Ownership::NotStored);
  EXPECT_FALSE(lock.checked);
}

/// An object that only looks like a mutex, in a program that waits on it by itself: no owner may
/// come of it.
TEST(LockLive, AForgedMutexHasNoOwnerWithoutTheFunction) {
  static pthread_mutex_t forged;
  const Child child([] {
    pthread_mutex_init(&forged, nullptr);
    pthread_mutex_lock(&forged);
    auto* word = reinterpret_cast<int*>(&forged);
    *word = 2;
    (void)::syscall(SYS_futex, word, 0, 2, nullptr, nullptr, 0);
  });
  const Lock lock = look_at(child);
  EXPECT_EQ(lock.kind, LockKind::Unknown);
  EXPECT_FALSE(lock.checked);
  EXPECT_THAT(lock.owners, IsEmpty());
}

}  // namespace
}  // namespace ipcdoctor::runtime::libc
