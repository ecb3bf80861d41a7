#include "runtime/native/interrupted.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <filesystem>

#include "linux/task_iterator.h"
#include "runtime/native/reader.h"
#include "unwind/child_for_test.h"

namespace ipcdoctor::runtime::native {
namespace {

using unwind::test::Child;
using unwind::test::compile;

constexpr const char* kBegin = R"(
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>
volatile sig_atomic_t seen, quit, count; int p[2], s, e; struct msgbuf1 { long type; char text[64]; } m;
__attribute__((noinline)) static int take(int by) { struct sembuf op = {0, (short)by, 0}; int r;
  do r = semop(s, &op, 1); while (r < 0 && errno == EINTR); return r; }
__attribute__((noinline)) static void hand_on(void) { if (write(p[1], "x", 1) < 0) _exit(3); }
int main(int c, char **v) { prctl(PR_SET_PDEATHSIG, SIGKILL); if (pipe(p)) return 1;
  s = semget(IPC_PRIVATE, 1, 0600); e = epoll_create1(0); struct epoll_event ev = {EPOLLIN};
  epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev); struct pollfd f = {p[0], POLLIN, 0}; int n;
)";

/// What it does once a handler that writes `variable` has interrupted its call.
Outcome interrupt(long nr, const std::string& body, const char* optimisation,
                  const char* variable = "seen", std::set<int>* printed = nullptr) {
  const std::string program =
      compile(kBegin + body + "\nreturn c + !v; }\n", std::string("-w ") + optimisation);
  const Child child(program);
  const auto blocked = child.wait_blocked(nr);
  const auto tasks = linux::read_kernel_tasks();
  auto space = linux::AddressSpace::open(Pid{child.pid()});
  if (blocked.empty() || !space) {
    ADD_FAILURE() << "it does not block: " << body;
    return Outcome::Unknown;
  }
  unwind::Registers registers = unwind::test::registers_of(blocked.front().second);
  if (tasks) {
    const auto task = std::ranges::find(*tasks, Tid{child.pid()}, &linux::KernelTask::tid);
    registers.rbp = task->rbp, registers.rbx = task->rbx, registers.r12 = task->r12;
    registers.r13 = task->r13, registers.r14 = task->r14, registers.r15 = task->r15;
  }
  unwind::Images images;
  const auto address = images.address_of(*space, "app", variable);
  const auto stack = unwind::Unwinder(images.cache()).unwind(*space, registers, 512);
  const Interrupted found =
      Reader(images.cache())
          .read_interrupted(*space, stack, blocked.front().second.args,
                            {{address.value_or(RemoteAddr{1}).value, 4}}, true);
  std::filesystem::remove_all(std::filesystem::path(program).parent_path());
  if (printed != nullptr) *printed = found.fds;
  return found.outcome;
}

class InterruptedLive : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!linux::read_kernel_tasks()) GTEST_SKIP() << "registers need BPF";
  }
};

TEST_P(InterruptedLive, ALoopThatLooksAtErrnoWaitsAgain) {
  struct Case {
    long call;
    const char* body;
    bool is_plain = true;  ///< else it may store vectors, of which nothing is known
  };
  for (const Case& one : {
           Case{SYS_semtimedop, "take(-1);"},
           Case{SYS_semtimedop,
                "while (semop(s, &(struct sembuf){0, -1, 0}, 1) < 0) if (errno != EINTR) exit(1);"},
           Case{SYS_poll, "while ((n = poll(&f, 1, -1)) < 0 && errno == EINTR) {}"},
           Case{SYS_poll, "for (;;) { n = poll(&f, 1, -1); if (n <= 0) continue; hand_on(); }"},
           Case{SYS_poll,
                "for (;;) { struct pollfd g[2] = {{p[0], POLLIN}, {-1}}; n = poll(g, 2, -1);\n"
                "if (n < 0) { if (errno == EINTR) continue; return 1; } hand_on(); }",
                false},
           Case{SYS_epoll_wait,
                "for (;;) { n = epoll_wait(e, &ev, 1, -1); if (quit) return 0;\n"
                "for (int i = 0; i < n; i++) hand_on(); }"},
           Case{
               SYS_pselect6,
               "for (;;) { fd_set r; FD_ZERO(&r); FD_SET(p[0], &r); n = select(p[0] + 1, &r, 0, 0, "
               "0);\nif (n < 0 && errno == EINTR) continue; hand_on(); }",
               false},
           Case{
               SYS_msgrcv,
               "int q = msgget(IPC_PRIVATE, 0600); for (;;) { long got = msgrcv(q, &m, 64, 0, 0);\n"
               "if (got < 0 && errno != EINTR) break; if (got >= 0) hand_on(); }"},
           Case{SYS_read, "char b; while (read(p[0], &b, 1) != 1) if (errno != EINTR) return 2;"},
       }) {
    if (!one.is_plain && std::string(GetParam()) != "-O0") continue;
    EXPECT_EQ(interrupt(one.call, one.body, GetParam()), Outcome::WaitsAgain) << one.body;
  }
}

TEST_P(InterruptedLive, WhoWaitsForTheSameChildWaitsAgain) {
  const std::string fork =
      "int st; pid_t k[2]; for (int i = 0; i < 2; i++) if (!(k[i] = fork())) "
      "{ prctl(PR_SET_PDEATHSIG, SIGKILL); for (;;) pause(); }\n";
  const auto next = [&](const std::string& body, const char* variable = "seen") {
    return interrupt(SYS_wait4, fork + body, GetParam(), variable);
  };

  EXPECT_EQ(next("while (wait(&st) < 0 && errno == EINTR) {}"), Outcome::WaitsAgain);
  EXPECT_EQ(next("while (waitpid(k[0], &st, 0) < 0 && errno == EINTR) {}"), Outcome::WaitsAgain);
  EXPECT_NE(next("for (int i = 0; i < 2; i++) waitpid(k[i], &st, 0);"), Outcome::WaitsAgain);
  EXPECT_EQ(next("for (count = 0;; count = WNOHANG) waitpid(k[0], &st, count);"), Outcome::Unknown);
  EXPECT_NE(next("pid_t (*how)(pid_t, int *, int) = waitpid; for (int i = 0; i < 2; i++) {\n"
                 "how(k[0], &st, 0); how = (pid_t(*)(pid_t, int *, int))wait; }"),
            Outcome::WaitsAgain);
}

TEST_P(InterruptedLive, WhoWaitsForTheSameSemaphoreWaitsAgain) {
  const auto next = [](const char* body) {
    return interrupt(SYS_futex,
                     std::string("sem_t a[2]; sem_init(a, 0, 0); sem_init(a + 1, 0, 0);\n") + body,
                     GetParam());
  };

  EXPECT_EQ(next("while (sem_wait(a) < 0 && errno == EINTR) {}"), Outcome::WaitsAgain);
  EXPECT_NE(next("for (int i = 0; i < 2; i++) sem_wait(a + i);"), Outcome::WaitsAgain);
}

TEST_P(InterruptedLive, WhatMayHaveBeenWrittenInPartIsNotKnown) {
  const std::string fill =
      "static char big[1 << 17]; while (n < 1 << 16) n += write(p[1], big, 1 << 12);\n";

  EXPECT_EQ(interrupt(SYS_write, fill + "while (write(p[1], big, 9) < 0 && errno == EINTR) {}",
                      GetParam()),
            Outcome::WaitsAgain);
  EXPECT_EQ(
      interrupt(SYS_write, fill + "while (write(p[1], big, sizeof big) < 0 && errno == EINTR) {}",
                GetParam()),
      Outcome::Unknown);
}

TEST_P(InterruptedLive, WhatTheHandlerNotedMayEndIt) {
  const char* body =
      "while (!quit) { n = poll(&f, 1, -1); if (n < 0 && errno == EINTR) continue; }\n"
      "close(p[1]); exit(0);";

  EXPECT_EQ(interrupt(SYS_poll, body, GetParam(), "quit"), Outcome::Ends);
  EXPECT_EQ(interrupt(SYS_poll, body, GetParam(), "seen"), Outcome::WaitsAgain);
}

TEST_P(InterruptedLive, WhereItPrintsBeforeItEndsIsKnown) {
  for (const char* body : {
           "if (poll(&f, 1, -1) < 0) { perror(\"poll\"); exit(1); }",
           "if (poll(&f, 1, -1) < 0) { fprintf(stderr, \"%d\\n\", errno); return 2; }",
           "if (poll(&f, 1, -1) < 0) { dprintf(2, \"%d\\n\", errno); _exit(2); } exit(0);",
       }) {
    std::set<int> printed;
    EXPECT_EQ(interrupt(SYS_poll, body, GetParam(), "seen", &printed), Outcome::Ends) << body;
    EXPECT_EQ(printed, std::set<int>{2}) << body;
  }
  EXPECT_EQ(
      interrupt(SYS_poll,
                "FILE *own = fdopen(p[1], \"w\"); poll(&f, 1, -1); fputs(\"a\", own); exit(0);",
                GetParam()),
      Outcome::Unknown);
}

/// Who reads makes room for others.
TEST_P(InterruptedLive, WhatItReadsBeforeItEndsIsKnown) {
  std::set<int> read;
  EXPECT_EQ(interrupt(SYS_poll, "char b; poll(&f, 1, -1); n = read(0, &b, 1); exit(0);", GetParam(),
                      "seen", &read),
            Outcome::Ends);
  EXPECT_EQ(read, std::set<int>{0});
  EXPECT_EQ(interrupt(SYS_poll, "char b; poll(&f, 1, -1); n = getc(stdin); exit(0);", GetParam()),
            Outcome::Unknown);
}

TEST_P(InterruptedLive, WhatItDoesForOthersIsNoWaitAgain) {
  for (const char* body : {
           "n = poll(&f, 1, -1); hand_on(); n = poll(&f, 1, -1);",
           "for (;;) { n = poll(&f, 1, -1); hand_on(); }",
           "for (;;) { n = poll(&f, 1, -1); if (n < 0) f.fd = -1; }",
           "count = -1; for (;;) { n = poll(&f, 1, count); if (n < 0) count = 5; }",
           "while (poll(&f, 1, -1) < 0 && errno == EINTR) if (seen) hand_on();",
           "while (poll(&f, 1, -1) < 0 && errno == EINTR) if (seen) fork();",
           "while (poll(&f, 1, -1) < 0 && errno == EINTR) waitpid(-1, 0, 0);",
       }) {
    std::set<int> written;
    const Outcome outcome = interrupt(SYS_poll, body, GetParam(), "seen", &written);
    EXPECT_TRUE(outcome == Outcome::Unknown || !written.empty()) << body;
  }
}

INSTANTIATE_TEST_SUITE_P(Optimised, InterruptedLive, ::testing::Values("-O0", "-O2"));

}  // namespace
}  // namespace ipcdoctor::runtime::native
