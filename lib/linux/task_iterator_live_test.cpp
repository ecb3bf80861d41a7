#include "linux/task_iterator.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>
#include <utility>

#include "linux/proc_status.h"
#include "linux/proc_syscall.h"
#include "linux/ptrace.h"
#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;

const KernelTask* find(const std::vector<KernelTask>& tasks, Tid tid) {
  const auto it = std::ranges::find(tasks, tid, &KernelTask::tid);
  return it == tasks.end() ? nullptr : &*it;
}

/// Waits without an end in read(2), after `prepare`.
int block(
    int fd, const std::function<void()>& prepare = [] {}) {
  prepare();
  char byte = 0;
  return static_cast<int>(::read(fd, &byte, 1));
}

bool is_in(const Child& child, long call) {
  const auto state = read_syscall(*child.dir());
  return child.state() == 'S' && state && state->nr == call;
}

class TaskIterator : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto tasks = read_kernel_tasks();
    const bool cannot = !tasks && (tasks.error().cause == Cause::Denied ||
                                   tasks.error().cause == Cause::Unsupported);
    if (cannot) GTEST_SKIP() << to_string(tasks.error());
  }
  testing::Pipe pipe_;
};

TEST_F(TaskIterator, GivesTheRegistersThatPtraceGives) {
  const Child child([&] { return block(pipe_.reader()); });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks) << to_string(tasks.error());
  const KernelTask* task = find(*tasks, child.tid());
  ASSERT_NE(task, nullptr);
  const auto stopped = StoppedThread::stop(child.tid(), std::chrono::milliseconds(500));
  ASSERT_TRUE(stopped) << to_string(stopped.error());
  const auto registers = stopped->read_registers();
  ASSERT_TRUE(registers);
  EXPECT_EQ(task->pid, child.pid());
  EXPECT_TRUE(task->is_user);
  EXPECT_EQ(task->sp, registers->rsp);
  EXPECT_EQ(task->pc, registers->rip);
  EXPECT_EQ(task->rbp, registers->rbp);
  EXPECT_EQ(task->rbx, registers->rbx);
  EXPECT_EQ(task->r12, registers->r12);
  EXPECT_EQ(task->r13, registers->r13);
  EXPECT_EQ(task->r14, registers->r14);
  EXPECT_EQ(task->r15, registers->r15);
}

TEST_F(TaskIterator, TellsTheCallAndTheSwitchesThatProcTells) {
  const Child child([&] { return block(pipe_.reader()); });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks) << to_string(tasks.error());
  const KernelTask* task = find(*tasks, child.tid());
  ASSERT_NE(task, nullptr);
  const auto call = read_syscall(*child.dir());
  ASSERT_TRUE(call);
  EXPECT_TRUE(task->sleeps);
  EXPECT_EQ(task->call, call->nr);
  EXPECT_EQ(task->args, call->args);
  EXPECT_EQ(task->sp, call->sp.value);
  EXPECT_EQ(task->pc, call->pc.value);
  EXPECT_EQ(task->switches, read_status(*child.dir())->switches());
}

TEST_F(TaskIterator, TellsNameAndSignalsAsProcDoes) {
  const Child child([] {
    (void)::prctl(PR_SET_NAME, "a name");
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    (void)::sigprocmask(SIG_BLOCK, &blocked, nullptr);
    (void)::kill(::getpid(), SIGUSR1);
    (void)::raise(SIGUSR2);
    std::uint32_t word = 0;
    return static_cast<int>(::syscall(SYS_futex, &word, FUTEX_WAIT, 0, nullptr, nullptr, 0));
  });
  ASSERT_TRUE(testing::eventually([&] { return is_in(child, SYS_futex); }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks) << to_string(tasks.error());
  const KernelTask* task = find(*tasks, child.tid());
  const auto status = read_status(*child.dir());
  ASSERT_TRUE(task != nullptr && status);
  EXPECT_TRUE(task->sleeps);
  EXPECT_EQ(task->name, "a name");
  EXPECT_EQ(task->blocked, status->blocked);
  EXPECT_EQ(task->pending, status->pending);
  EXPECT_EQ(task->shared_pending, status->shared_pending);
  EXPECT_EQ(task->pending, std::uint64_t{1} << (SIGUSR2 - 1));
  utsname kernel{};
  ASSERT_EQ(::uname(&kernel), 0);
  int major = 0, minor = 0;
  ASSERT_EQ(std::sscanf(kernel.release, "%d.%d", &major, &minor), 2);
  EXPECT_EQ(task->freezable, std::pair(major, minor) >= std::pair(6, 1));
}

TEST_F(TaskIterator, TellsWhoSharesATable) {
  const Child child([&] {
    std::thread shares([] { (void)::pause(); });
    std::thread has_its_own([] {
      (void)::unshare(CLONE_FILES);
      (void)::pause();
    });
    return block(pipe_.reader());
  });
  std::vector<const KernelTask*> threads;
  Result<std::vector<KernelTask>> tasks = Error{};
  ASSERT_TRUE(testing::eventually([&] {
    tasks = read_kernel_tasks();
    threads.clear();
    if (tasks)
      for (const KernelTask& task : *tasks)
        if (task.pid.value == child.tid().value && task.sleeps) threads.push_back(&task);
    return threads.size() == 3 && std::ranges::all_of(threads, [](const KernelTask* task) {
             return task->call == SYS_pause || task->call == SYS_read;
           });
  }));
  std::ranges::sort(threads, {}, &KernelTask::tid);
  EXPECT_EQ(threads[1]->files, threads[0]->files);
  EXPECT_NE(threads[2]->files, threads[0]->files);
}

TEST_F(TaskIterator, WhoRunsDoesNotSleep) {
  const Child child([] {
    std::atomic<bool> ends = false;
    while (!ends) {
    }
    return 0;
  });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'R'; }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks);
  const KernelTask* task = find(*tasks, child.tid());
  ASSERT_NE(task, nullptr);
  EXPECT_FALSE(task->sleeps);
}

void on_signal(int) {}

TEST_F(TaskIterator, GivesTheHandlersThatSigactionInstalled) {
  const Child child([&] {
    return block(pipe_.reader(), [] {
      struct sigaction action {};
      action.sa_handler = on_signal;
      action.sa_flags = SA_RESTART;
      (void)::sigaction(SIGTERM, &action, nullptr);
      action.sa_flags = 0;
      (void)::sigaction(SIGRTMAX, &action, nullptr);
      (void)::signal(SIGUSR1, SIG_IGN);
    });
  });
  ASSERT_TRUE(testing::eventually([&] { return is_in(child, SYS_read); }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks) << to_string(tasks.error());
  const KernelTask* task = find(*tasks, child.tid());
  ASSERT_NE(task, nullptr);
  ASSERT_EQ(task->actions.size(), 2U);
  EXPECT_EQ(task->actions[0].signal, SIGTERM);
  EXPECT_EQ(task->actions[0].handler.value, reinterpret_cast<std::uint64_t>(&on_signal));
  EXPECT_NE(task->actions[0].flags & SA_RESTART, 0U);
  EXPECT_EQ(task->actions[1].signal, 64);
  EXPECT_EQ(task->actions[1].flags & SA_RESTART, 0U);
}

TEST_F(TaskIterator, WakesNobody) {
  const Child child([&] { return block(pipe_.reader()); });
  ASSERT_TRUE(testing::eventually([&] { return child.state() == 'S'; }));
  const auto switches = [&] { return read_status(*child.dir())->voluntary_switches; };
  const auto before = switches();

  for (int i = 0; i < 20; ++i) ASSERT_TRUE(read_kernel_tasks());

  EXPECT_EQ(switches(), before);
  EXPECT_EQ(child.tracer(), 0);
}

TEST_F(TaskIterator, TellsWhoseAlarmIsArmed) {
  const Child waits([&] { return block(pipe_.reader()); });
  const Child alarmed([&] { return block(pipe_.reader(), [] { ::alarm(1000); }); });
  const Child cancelled([&] {
    return block(pipe_.reader(), [] {
      ::alarm(1000);
      ::alarm(0);
    });
  });
  const Child repeats([&] {
    return block(pipe_.reader(), [] {
      const itimerval each{{1000, 0}, {1000, 0}};
      ::setitimer(ITIMER_REAL, &each, nullptr);
    });
  });
  for (const Child* child : {&waits, &alarmed, &cancelled, &repeats})
    ASSERT_TRUE(testing::eventually([&] { return child->state() == 'S'; }));

  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks) << to_string(tasks.error());
  EXPECT_FALSE(find(*tasks, waits.tid())->alarm_armed);
  EXPECT_TRUE(find(*tasks, alarmed.tid())->alarm_armed);
  EXPECT_FALSE(find(*tasks, cancelled.tid())->alarm_armed);
  EXPECT_TRUE(find(*tasks, repeats.tid())->alarm_armed);
}

TEST_F(TaskIterator, KernelThreadsHaveNoRegisters) {
  const auto tasks = read_kernel_tasks();

  ASSERT_TRUE(tasks);
  for (const KernelTask& task : *tasks) EXPECT_EQ(task.is_user, task.sp != 0) << task.tid.value;
  EXPECT_NE(find(*tasks, Tid{::getpid()}), nullptr);
}

}  // namespace
}  // namespace ipcdoctor::linux
