#include "linux/sysvipc.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include <algorithm>

#include "linux/proc_locks.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::eventually;

TEST(ReadSemaphores, ShowsValuesAndWaiters) {
  const int id = ::semget(IPC_PRIVATE, 2, 0600);
  if (id < 0) GTEST_SKIP() << "no SysV semaphores here";
  sembuf post{1, 3, 0}, wait{0, -1, 0};
  const int posted = ::semop(id, &post, 1);
  const Child child([&] { return ::semop(id, &wait, 1); });
  const bool waits = eventually([&] { return ::semctl(id, 0, GETNCNT) == 1; });
  const auto semaphores = read_semaphores(id);
  const auto sets = read_sysvipc_sem(*ProcDir::open_system());
  ASSERT_EQ(::semctl(id, 0, IPC_RMID), 0);

  ASSERT_TRUE(posted == 0 && waits && semaphores && sets);
  ASSERT_EQ(semaphores->size(), 2U);
  EXPECT_EQ((*semaphores)[0].value, 0);
  EXPECT_EQ((*semaphores)[0].waiting_increase, 1);
  EXPECT_EQ((*semaphores)[1].value, 3);
  EXPECT_EQ((*semaphores)[1].last_pid.value, ::getpid());
  EXPECT_TRUE(std::ranges::any_of(
      *sets, [&](const SemaphoreSet& set) { return set.id == id && set.nsems == 2; }));
  EXPECT_EQ(read_semaphores(id).error().cause, Cause::Gone);
}

TEST(ReadMessageQueue, CountsBytesAndNamesTheSender) {
  const int id = ::msgget(IPC_PRIVATE, 0600);
  if (id < 0) GTEST_SKIP() << "no SysV message queues here";
  const struct {
    long type;
    char text[5];
  } message{1, "four"};
  const int sent = ::msgsnd(id, &message, 5, 0);
  const auto queue = read_message_queue(id);
  const auto queues = read_sysvipc_msg(*ProcDir::open_system());
  ASSERT_EQ(::msgctl(id, IPC_RMID, nullptr), 0);

  ASSERT_TRUE(sent == 0 && queue && queues);
  EXPECT_EQ(queue->messages, 1U);
  EXPECT_EQ(queue->bytes, 5U);
  EXPECT_GE(queue->max_bytes, 5U);
  EXPECT_EQ(queue->last_sender.value, ::getpid());
  EXPECT_TRUE(
      std::ranges::any_of(*queues, [&](const MessageQueueInfo& other) { return other.id == id; }));
  EXPECT_EQ(read_message_queue(id).error().cause, Cause::Gone);
}

TEST(SharesOurIpcNamespace, AChildDoes) {
  const Child child([] { return ::pause(); });
  const auto shared = shares_our_ipc_namespace(*child.dir());

  ASSERT_TRUE(shared);
  EXPECT_TRUE(*shared);
}

TEST(ReadLocks, ShowsAWaiterBehindItsHolder) {
  const std::string name = "/tmp/ipcdoctor_lock_" + std::to_string(::getpid());
  const UniqueFd file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.is_open());
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  const Child child([&] {
    const int own = ::open(name.c_str(), O_RDWR);
    return ::flock(own, LOCK_SH);
  });
  const auto find_waiter = [&] {
    const auto locks = read_locks(*ProcDir::open_system());
    return locks && std::ranges::any_of(*locks, [&](const FileLockEntry& lock) {
             return lock.waiting && lock.pid == child.pid().value &&
                    lock.type == FileLockType::Flock && !lock.exclusive;
           });
  };
  const bool found = eventually(find_waiter);
  ASSERT_EQ(::unlink(name.c_str()), 0);

  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace ipcdoctor::linux
