#include "collect/blocked_call.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace ipcdoctor::collect {
namespace {

using snapshot::ObjectId;
using snapshot::ObjectKind;
using snapshot::Wait;
using snapshot::WaitKind;

/// Surroundings made by hand: memory by address, descriptors by number.
class MadeSurroundings final : public Surroundings {
 public:
  std::map<int, ObjectId> fds;
  std::map<std::uint64_t, std::string> memory;  ///< pieces by their start
  std::map<std::string, ObjectId> paths;
  Result<bool> socket_timeout = false;
  bool located = true;
  ChildFilter asked;

  template <class T>
  void put(std::uint64_t address, const T& value) {
    memory[address] = std::string(reinterpret_cast<const char*>(&value), sizeof value);
  }

  ObjectId object_of(int fd) override { return fds.contains(fd) ? fds[fd] : ObjectId{}; }
  Status read(RemoteAddr address, std::span<std::byte> into) override {
    auto it = memory.upper_bound(address.value);
    if (it == memory.begin()) return Error{Cause::Other, EIO, "read"};
    --it;
    const std::uint64_t offset = address.value - it->first;
    if (offset + into.size() > it->second.size()) return Error{Cause::Other, EIO, "read"};
    std::memcpy(into.data(), it->second.data() + offset, into.size());
    return Done{};
  }
  Result<FoundFile> find_path(int, const std::string& path) override {
    if (!paths.contains(path)) return Error{Cause::Gone, ENOENT, "find"};
    return FoundFile{paths[path], false};
  }
  Result<bool> has_socket_timeout(int, Direction) override { return socket_timeout; }
  std::vector<Pid> children(const ChildFilter& filter) override {
    asked = filter;
    return {Pid{77}};
  }
  std::vector<Pid> vfork_children() override { return {Pid{78}}; }
  bool locate(snapshot::FutexWait& futex) override {
    futex.shared_memory = false;
    return located;
  }
  std::vector<ObjectId> all_of(ObjectKind kind) override { return {{kind, 5, 6}}; }
  std::vector<Pid> namespace_members() override { return {Pid{79}}; }
};

BlockedCall in_call(long nr, std::array<std::uint64_t, 6> args) {
  BlockedCall blocked;
  blocked.task = {Pid{42}, Tid{42}};
  blocked.state = 'S';
  blocked.call.kind = linux::SyscallState::Kind::InCall;
  blocked.call.nr = nr;
  blocked.call.args = args;
  return blocked;
}

TEST(BlockedCall, ReadsAPipe) {
  MadeSurroundings around;
  around.fds[4] = {ObjectKind::Pipe, 0, 9};

  const Wait wait = decode_call(in_call(SYS_read, {4, 0, 100}), around);

  EXPECT_EQ(wait.kind, WaitKind::Read);
  EXPECT_TRUE(wait.untimed);
  EXPECT_EQ(wait.call, "read");
  EXPECT_EQ(wait.size, 100U);
  ASSERT_EQ(wait.objects.size(), 1U);
  EXPECT_EQ(wait.objects[0].object, around.fds[4]);
  EXPECT_TRUE(wait.objects[0].in);
}

TEST(BlockedCall, ASocketTimeoutEndsAReceive) {
  MadeSurroundings around;
  around.fds[4] = {ObjectKind::UnixSocket, 0, 9};
  around.socket_timeout = true;

  EXPECT_FALSE(decode_call(in_call(SYS_recvfrom, {4, 0, 100}), around).untimed);
}

TEST(BlockedCall, AnUnknownSocketTimeoutCountsAsOne) {
  MadeSurroundings around;
  around.fds[4] = {ObjectKind::UnixSocket, 0, 9};
  around.socket_timeout = Error{Cause::Denied, 0, "copy"};

  EXPECT_FALSE(decode_call(in_call(SYS_sendto, {4, 0, 100}), around).untimed);
}

TEST(BlockedCall, PollTakesItsSetFromMemory) {
  MadeSurroundings around;
  around.fds[3] = {ObjectKind::Pipe, 0, 1};
  around.fds[5] = {ObjectKind::Pipe, 0, 2};
  const std::array<pollfd, 3> set = {pollfd{3, POLLIN, 0}, pollfd{-1, POLLIN, 0},
                                     pollfd{5, POLLOUT, 0}};
  around.put(0x1000, set);

  const Wait wait =
      decode_call(in_call(SYS_poll, {0x1000, 3, static_cast<std::uint64_t>(-1)}), around);

  EXPECT_EQ(wait.kind, WaitKind::Poll);
  EXPECT_TRUE(wait.untimed);
  ASSERT_EQ(wait.objects.size(), 2U);
  EXPECT_TRUE(wait.objects[0].in);
  EXPECT_FALSE(wait.objects[0].out);
  EXPECT_EQ(wait.objects[1].object.ino, 2U);
  EXPECT_TRUE(wait.objects[1].out);
}

TEST(BlockedCall, PollWithATimeoutIsTimed) {
  MadeSurroundings around;

  EXPECT_FALSE(decode_call(in_call(SYS_poll, {0, 0, 500}), around).untimed);
}

TEST(BlockedCall, APollSetThatCannotBeReadIsUnknown) {
  MadeSurroundings around;

  const Wait wait =
      decode_call(in_call(SYS_poll, {0xdead000, 2, static_cast<std::uint64_t>(-1)}), around);

  EXPECT_EQ(wait.kind, WaitKind::Unknown);
  EXPECT_FALSE(wait.untimed);
}

TEST(BlockedCall, SigwaitTakesTheSignalsOfItsSet) {
  MadeSurroundings around;
  around.put(0x1000, std::uint64_t{1} << (SIGTERM - 1));

  const Wait wait = decode_call(in_call(SYS_rt_sigtimedwait, {0x1000, 0, 0, 8}), around);

  EXPECT_EQ(wait.kind, WaitKind::Signal);
  EXPECT_TRUE(wait.untimed);
  EXPECT_EQ(wait.signals, std::uint64_t{1} << (SIGTERM - 1));
  EXPECT_EQ(decode_call(in_call(SYS_rt_sigtimedwait, {0xdead000, 0, 0, 8}), around).kind,
            WaitKind::Unknown);
}

TEST(BlockedCall, AHugePollSetIsNotRead) {
  MadeSurroundings around;

  const Wait wait = decode_call(
      in_call(SYS_poll, {0x1000, ~std::uint64_t{0}, static_cast<std::uint64_t>(-1)}), around);

  EXPECT_EQ(wait.kind, WaitKind::Unknown);
}

TEST(BlockedCall, SelectReadsBitSets) {
  MadeSurroundings around;
  around.fds[65] = {ObjectKind::Pipe, 0, 1};
  const std::array<std::uint64_t, 2> set = {0, 2};
  around.put(0x1000, set);

  const Wait wait = decode_call(in_call(SYS_select, {66, 0x1000, 0, 0, 0}), around);

  EXPECT_EQ(wait.kind, WaitKind::Poll);
  EXPECT_TRUE(wait.untimed);
  ASSERT_EQ(wait.objects.size(), 1U);
  EXPECT_EQ(wait.objects[0].fd, 65);
}

TEST(BlockedCall, OpenOfAFifoNamesItsSide) {
  MadeSurroundings around;
  around.memory[0x1000] = std::string("/run/f\0", 7) + std::string(64, 'x');
  around.paths["/run/f"] = {ObjectKind::Fifo, 1, 2};

  const Wait wait = decode_call(
      in_call(SYS_openat, {static_cast<std::uint64_t>(AT_FDCWD), 0x1000, O_WRONLY}), around);

  EXPECT_EQ(wait.kind, WaitKind::OpenFifo);
  ASSERT_EQ(wait.objects.size(), 1U);
  EXPECT_TRUE(wait.objects[0].out);
  EXPECT_FALSE(wait.objects[0].in);
}

TEST(BlockedCall, OpenOfAnotherFileIsUnknown) {
  MadeSurroundings around;
  around.memory[0x1000] = std::string("/run/f\0", 7) + std::string(64, 'x');
  around.paths["/run/f"] = {ObjectKind::File, 1, 2};

  EXPECT_EQ(decode_call(in_call(SYS_open, {0x1000, O_RDONLY}), around).kind, WaitKind::Unknown);
}

TEST(BlockedCall, FutexWaitReadsTheWord) {
  MadeSurroundings around;
  around.put(0x1000, std::uint32_t{2});

  const Wait wait =
      decode_call(in_call(SYS_futex, {0x1000, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, 0}), around);

  EXPECT_EQ(wait.kind, WaitKind::Futex);
  EXPECT_TRUE(wait.untimed);
  EXPECT_EQ(wait.futex.expected, 2U);
  EXPECT_EQ(*wait.futex.word, 2U);
}

TEST(BlockedCall, SeveralFutexesAreUnderstoodIfAllArePrivate) {
  struct Waiter {
    std::uint64_t value, address;
    std::uint32_t flags, reserved;
  };
  constexpr long kFutexWaitv = 449;
  MadeSurroundings around;
  around.put(0x2000, Waiter{0, 0x1000, FUTEX_PRIVATE_FLAG | 2, 0});
  around.put(0x2000 + sizeof(Waiter), Waiter{0, 0x1004, FUTEX_PRIVATE_FLAG | 2, 0});

  const Wait wait = decode_call(in_call(kFutexWaitv, {0x2000, 2, 0, 0}), around);

  EXPECT_EQ(wait.kind, WaitKind::Futex);
  EXPECT_TRUE(wait.untimed);
  EXPECT_EQ(wait.futex.address.value, 0U);
  EXPECT_FALSE(wait.futex.shared_memory);
  around.put(0x2000 + sizeof(Waiter), Waiter{0, 0x1004, 2, 0});
  EXPECT_EQ(decode_call(in_call(kFutexWaitv, {0x2000, 2, 0, 0}), around).kind, WaitKind::Unknown);
}

TEST(BlockedCall, AFutexOutsideAllKnownMappingsIsUnknown) {
  MadeSurroundings around;
  around.located = false;

  const Wait wait = decode_call(in_call(SYS_futex, {0x1000, FUTEX_WAIT, 2, 0}), around);

  EXPECT_EQ(wait.kind, WaitKind::Unknown);
  EXPECT_FALSE(wait.untimed);
}

TEST(BlockedCall, WaitForAGroupAsksForThatGroup) {
  MadeSurroundings around;

  const Wait wait =
      decode_call(in_call(SYS_wait4, {static_cast<std::uint64_t>(-31), 0, __WNOTHREAD}), around);

  EXPECT_EQ(wait.kind, WaitKind::Child);
  EXPECT_EQ(around.asked.by, ChildFilter::By::Group);
  EXPECT_EQ(around.asked.id, 31);
  EXPECT_TRUE(around.asked.own_children_only);
  EXPECT_EQ(wait.children, std::vector<Pid>{Pid{77}});
}

TEST(BlockedCall, RecordLockBackwardsFromItsStart) {
  MadeSurroundings around;
  around.fds[3] = {ObjectKind::File, 1, 2};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_start = 100;
  lock.l_len = -10;
  around.put(0x1000, lock);

  const Wait wait = decode_call(in_call(SYS_fcntl, {3, F_SETLKW, 0x1000}), around);

  EXPECT_EQ(wait.kind, WaitKind::FileLock);
  EXPECT_TRUE(wait.file_lock.exclusive);
  EXPECT_EQ(wait.file_lock.start, 90U);
  EXPECT_EQ(wait.file_lock.end, 99U);
}

TEST(BlockedCall, ALockRelativeToThePositionCountsAsTimedUntilItsRangeIsKnown) {
  MadeSurroundings around;
  struct flock lock {};
  lock.l_whence = SEEK_CUR;
  around.put(0x1000, lock);

  const Wait wait = decode_call(in_call(SYS_fcntl, {3, F_SETLKW, 0x1000}), around);

  EXPECT_FALSE(wait.untimed);
  EXPECT_TRUE(wait.file_lock.relative);
}

TEST(BlockedCall, SendfileFromAFileWaitsForRoomOnly) {
  MadeSurroundings around;
  around.fds[3] = {ObjectKind::File, 1, 2};
  around.fds[4] = {ObjectKind::Pipe, 0, 9};

  const Wait wait = decode_call(in_call(SYS_sendfile, {4, 3, 0, 1000}), around);

  EXPECT_EQ(wait.kind, WaitKind::Write);
  ASSERT_EQ(wait.objects.size(), 1U);
  EXPECT_EQ(wait.objects[0].fd, 4);
}

TEST(BlockedCall, ARestartedCallIsFoundInTheCode) {
  MadeSurroundings around;
  around.memory[0x2000 - 7] = std::string("\xb8\x23\x00\x00\x00\x0f\x05", 7);
  BlockedCall blocked = in_call(SYS_restart_syscall, {});
  blocked.call.pc = RemoteAddr{0x2000};

  const Wait wait = decode_call(blocked, around);

  EXPECT_EQ(wait.call, "nanosleep");
  EXPECT_EQ(wait.kind, WaitKind::Sleep);
}

TEST(BlockedCall, ASleepTellsHowLong) {
  MadeSurroundings around;
  around.put(0x1000, timespec{86400, 500'000'000});

  const Wait wait = decode_call(in_call(SYS_clock_nanosleep, {CLOCK_REALTIME, 0, 0x1000}), around);

  EXPECT_EQ(wait.kind, WaitKind::Sleep);
  ASSERT_TRUE(wait.sleep_ms);
  EXPECT_EQ(*wait.sleep_ms, 86400500U);
  EXPECT_FALSE(wait.sleep_from_now);
}

TEST(BlockedCall, ASleepUntilADeadlineTellsWhatIsLeft) {
  MadeSurroundings around;
  timespec until{};
  ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &until), 0);
  until.tv_sec += 600;
  around.put(0x1000, until);

  const Wait wait =
      decode_call(in_call(SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME, 0x1000}), around);

  ASSERT_TRUE(wait.sleep_ms);
  EXPECT_LE(*wait.sleep_ms, 600'000U);
  EXPECT_GT(*wait.sleep_ms, 300'000U);
  EXPECT_TRUE(wait.sleep_from_now);
}

TEST(BlockedCall, AnEmptySelectOrPollIsASleep) {
  MadeSurroundings around;
  around.put(0x1000, timeval{9, 500'000});
  around.put(0x2000, timespec{8, 250'000'000});

  EXPECT_EQ(*decode_call(in_call(SYS_select, {0, 0, 0, 0, 0x1000}), around).sleep_ms, 9500U);
  EXPECT_EQ(*decode_call(in_call(SYS_pselect6, {0, 0, 0, 0, 0x2000}), around).sleep_ms, 8250U);
  EXPECT_EQ(*decode_call(in_call(SYS_ppoll, {0, 0, 0x2000}), around).sleep_ms, 8250U);
  EXPECT_EQ(*decode_call(in_call(SYS_poll, {0, 0, 700}), around).sleep_ms, 700U);
  EXPECT_FALSE(decode_call(in_call(SYS_poll, {0, 0, ~0ULL}), around).sleep_ms);  // for ever
}

TEST(BlockedCall, ASleepSurvivesNonsense) {
  MadeSurroundings around;
  around.put(0x1000, timespec{INT64_MIN, INT64_MAX});
  EXPECT_EQ(*decode_call(in_call(SYS_nanosleep, {0x1000}), around).sleep_ms, 0U);
  EXPECT_FALSE(decode_call(in_call(SYS_nanosleep, {0x9999}), around).sleep_ms);
  EXPECT_FALSE(
      decode_call(in_call(SYS_clock_nanosleep, {12345, TIMER_ABSTIME, 0x1000}), around).sleep_ms);
}

TEST(BlockedCall, APageFaultHandledInUserSpaceWaitsForTheServer) {
  MadeSurroundings around;
  BlockedCall blocked = in_call(-1, {});
  blocked.call.kind = linux::SyscallState::Kind::NotInCall;
  blocked.wchan = "handle_userfault";

  const Wait wait = decode_call(blocked, around);

  EXPECT_EQ(wait.kind, WaitKind::KernelService);
  ASSERT_EQ(wait.objects.size(), 1U);
  EXPECT_EQ(wait.objects[0].object.kind, ObjectKind::UserFault);
}

TEST(BlockedCall, AFuseServerThatReadsItsDeviceWaitsForRequests) {
  MadeSurroundings around;
  around.fds[3] = {ObjectKind::Fuse, 1, 2};
  BlockedCall blocked = in_call(SYS_read, {3, 0, 100});
  blocked.wchan = "fuse_dev_do_read";

  EXPECT_EQ(decode_call(blocked, around).kind, WaitKind::Read);
}

TEST(BlockedCall, AFrozenThreadIsStopped) {
  MadeSurroundings around;
  for (const char* wchan : {"do_freezer_trap", "get_signal", "__refrigerator"}) {
    BlockedCall frozen = in_call(SYS_futex, {0x1000, 0, 2, 0});
    frozen.wchan = wchan;

    const Wait wait = decode_call(frozen, around);

    EXPECT_EQ(wait.kind, WaitKind::Stopped) << wchan;
    EXPECT_TRUE(wait.frozen);
  }
}

TEST(BlockedCall, AStoppedThreadKeepsTheNameOfItsCall) {
  MadeSurroundings around;
  BlockedCall blocked = in_call(SYS_read, {0, 0, 1});
  blocked.state = 'T';

  const Wait wait = decode_call(blocked, around);

  EXPECT_EQ(wait.kind, WaitKind::Stopped);
  EXPECT_EQ(wait.call, "read");
}

TEST(BlockedCall, CallsOf32BitProgramsAreUnknown) {
  MadeSurroundings around;
  BlockedCall blocked = in_call(3, {0, 0, 1});
  blocked.is_32bit = true;

  EXPECT_EQ(decode_call(blocked, around).kind, WaitKind::Unknown);
}

TEST(BlockedCall, AnUnknownCallKeepsItsName) {
  MadeSurroundings around;

  const Wait wait = decode_call(in_call(SYS_getrandom, {}), around);

  EXPECT_EQ(wait.kind, WaitKind::Unknown);
  EXPECT_EQ(wait.call, "getrandom");
  EXPECT_FALSE(wait.untimed);
}

}  // namespace
}  // namespace ipcdoctor::collect
