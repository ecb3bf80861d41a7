#include "linux/ptrace.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <atomic>

#include "linux/proc_syscall.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::eventually;
using testing::Pipe;
using namespace std::chrono_literals;

int read_one_byte(const Pipe& pipe) {
  char byte = 0;
  return ::read(pipe.reader(), &byte, 1) == 1 ? byte : 99;
}

TEST(StoppedThread, HasTheRegistersOfABlockedReaderThatRunsOnAfterwards) {
  const Pipe pipe;
  Child child([&] { return read_one_byte(pipe); });
  ASSERT_TRUE(eventually([&] { return child.state() == 'S'; }));
  const auto before = read_syscall(*child.dir());
  ASSERT_TRUE(before);

  {
    const auto stopped = StoppedThread::stop(child.tid(), 2s);
    ASSERT_TRUE(stopped) << to_string(stopped.error());
    const auto registers = stopped->read_registers();
    ASSERT_TRUE(registers);
    EXPECT_EQ(child.tracer(), ::getpid());
    EXPECT_EQ(child.state(), 't');
    EXPECT_EQ(registers->rsp, before->sp.value);
    EXPECT_EQ(registers->rip, before->pc.value);
    EXPECT_EQ(registers->orig_rax, static_cast<unsigned long long>(SYS_read));
    EXPECT_FALSE(stopped->was_group_stopped());
  }

  EXPECT_EQ(child.tracer(), 0);
  ASSERT_TRUE(eventually([&] { return child.state() == 'S'; }));
  ASSERT_EQ(::write(pipe.writer(), "\x07", 1), 1);
  EXPECT_EQ(child.wait(), 7);
}

std::atomic<int> handled{0};

TEST(StoppedThread, LosesNoSignal) {
  constexpr int kSignals = 2000;
  const Pipe pipe;
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(::sigaction(SIGRTMIN, &action, nullptr), 0);
  Child child([&] {
    while (handled < kSignals) ::usleep(100);
    return read_one_byte(pipe);  // a target that ended would be reaped by its tracer, us
  });

  std::thread sender([&] {
    for (int i = 0; i < kSignals;) i += ::sigqueue(child.pid().value, SIGRTMIN, sigval{}) == 0;
  });
  int stops = 0;
  for (int i = 0; i < 300; ++i) {
    const auto stopped = StoppedThread::stop(child.tid(), 2s);
    stops += stopped.has_value();
  }
  sender.join();

  EXPECT_GT(stops, 0);
  ASSERT_EQ(::write(pipe.writer(), "\x06", 1), 1);
  EXPECT_EQ(child.wait(), 6);  // it reads only when every single signal has come
}

TEST(StoppedThread, LeavesAStoppedProcessStopped) {
  const Pipe pipe;
  Child child([&] { return read_one_byte(pipe); });
  ASSERT_EQ(::kill(child.pid().value, SIGSTOP), 0);
  ASSERT_TRUE(eventually([&] { return child.state() == 'T'; }));

  {
    const auto stopped = StoppedThread::stop(child.tid(), 2s);
    ASSERT_TRUE(stopped);
    EXPECT_TRUE(stopped->was_group_stopped());
  }

  EXPECT_TRUE(eventually([&] { return child.state() == 'T'; }));
  EXPECT_EQ(child.tracer(), 0);
  ASSERT_EQ(::kill(child.pid().value, SIGCONT), 0);
  ASSERT_EQ(::write(pipe.writer(), "\x05", 1), 1);
  EXPECT_EQ(child.wait(), 5);
}

TEST(StoppedThread, DoesNotTouchAVforkParent) {
  Child parent([] {
    const pid_t self = ::getpid();
    const pid_t child = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (child == 0) {
      testing::die_with(self);  // NOLINT(clang-analyzer-unix.Vfork)
      ::pause();
      ::_exit(0);
    }
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return parent.state() == 'D'; }));

  const auto stopped = StoppedThread::stop(parent.tid(), 50ms);

  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().cause, Cause::TimedOut);
  EXPECT_EQ(parent.tracer(), 0);
}

TEST(StoppedThread, KnowsAZombieAndAnEmptyNumber) {
  Child child([] { return 0; });
  ASSERT_TRUE(eventually([&] { return child.state() == 'Z'; }));

  EXPECT_EQ(StoppedThread::stop(child.tid(), 50ms).error().cause, Cause::Gone);
  EXPECT_EQ(StoppedThread::stop(Tid{0x3fffffff}, 50ms).error().cause, Cause::Gone);
}

TEST(StoppedThread, ReapsATargetThatIsKilledMeanwhile) {
  const Pipe pipe;
  Child child([&] { return read_one_byte(pipe); });
  {
    const auto stopped = StoppedThread::stop(child.tid(), 2s);
    ASSERT_TRUE(stopped);
    ASSERT_EQ(::kill(child.pid().value, SIGKILL), 0);
  }

  EXPECT_TRUE(eventually([&] { return child.state() == 'X' || child.state() == 'Z'; }));
}

TEST(StoppedThread, LetsTheTargetRunOnWhenTheTracerIsKilled) {
  const Pipe pipe, ready;
  Child child([&] { return read_one_byte(pipe); });
  {
    Child tracer([&] {
      const auto stopped = StoppedThread::stop(child.tid(), 2s);
      (void)!::write(ready.writer(), stopped ? "y" : "n", 1);  // the test reads it or fails
      ::pause();
      return 0;
    });
    char answer = 0;
    ASSERT_EQ(::read(ready.reader(), &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
  }

  EXPECT_TRUE(eventually([&] { return child.state() == 'S'; }));
  EXPECT_EQ(child.tracer(), 0);
  ASSERT_EQ(::write(pipe.writer(), "\x03", 1), 1);
  EXPECT_EQ(child.wait(), 3);
}

TEST(StoppedThread, LetsTheTargetRunOnWhereverTheTracerIsKilled) {
  const Pipe pipe;
  Child child([&] { return read_one_byte(pipe); });
  for (int round = 0; round < 150; ++round) {
    const Pipe ready;
    const Child tracer([&] {
      (void)!::write(ready.writer(), "x", 1);  // the test reads it or fails
      for (;;) (void)StoppedThread::stop(child.tid(), 2s);
      return 0;
    });
    char byte = 0;
    ASSERT_EQ(::read(ready.reader(), &byte, 1), 1);
    std::this_thread::sleep_for(
        std::chrono::microseconds(round * 7));  // another instruction each time
  }

  EXPECT_TRUE(eventually([&] { return child.state() == 'S'; }));
  EXPECT_EQ(child.tracer(), 0);
  ASSERT_EQ(::write(pipe.writer(), "\x04", 1), 1);
  EXPECT_EQ(child.wait(), 4);
}

SyscallState call(long nr) {
  SyscallState state;
  state.kind = SyscallState::Kind::InCall;
  state.nr = nr;
  return state;
}

TEST(MayBeStopped, AllowsOnlyCallsThatRestartUnseen) {
  SyscallState waitall = call(SYS_recvfrom);
  waitall.args[3] = 0x100;
  SyscallState timed_ppoll = call(SYS_ppoll);
  timed_ppoll.args[2] = 0x7fff0000;

  EXPECT_TRUE(may_be_stopped(call(SYS_read), FileOfCall::NotSocket));
  EXPECT_FALSE(may_be_stopped(call(SYS_read), FileOfCall::Unknown));
  EXPECT_TRUE(may_be_stopped(call(SYS_futex), FileOfCall::Unknown));
  EXPECT_TRUE(may_be_stopped(call(SYS_ppoll), FileOfCall::Unknown));
  EXPECT_FALSE(may_be_stopped(timed_ppoll, FileOfCall::Unknown));
  EXPECT_FALSE(may_be_stopped(waitall, FileOfCall::SocketWithoutTimeout));
  EXPECT_FALSE(may_be_stopped(call(SYS_epoll_wait), FileOfCall::NotSocket));
  EXPECT_FALSE(may_be_stopped(call(SYS_semop), FileOfCall::Unknown));
  EXPECT_FALSE(may_be_stopped(call(SYS_write), FileOfCall::NotSocket));
  EXPECT_FALSE(may_be_stopped(SyscallState{}, FileOfCall::NotSocket));
}

}  // namespace
}  // namespace ipcdoctor::linux
