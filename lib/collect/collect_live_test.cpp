#include "collect/collect.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "linux/fd_iterator.h"
#include "linux/proc_syscall.h"
#include "linux/testing.h"

namespace ipcdoctor::collect {
namespace {

using linux::testing::Child;
using linux::testing::eventually;
using linux::testing::Pipe;
using snapshot::ObjectKind;
using snapshot::Scope;
using snapshot::Snapshot;
using snapshot::Wait;
using snapshot::WaitKind;

bool is_blocked_in(const Child& child, long nr) {
  const auto dir = child.dir();
  const auto call = dir ? linux::read_syscall(*dir) : Result<linux::SyscallState>(dir.error());
  return call && call->kind == linux::SyscallState::Kind::InCall && call->nr == nr &&
         child.state() == 'S';
}

std::uint64_t switches(Pid pid) {
  const auto dir = linux::ProcDir::open(pid);
  const auto status = dir ? linux::read_status(*dir) : Result<linux::TaskStatus>(dir.error());
  return status ? status->switches() : 0;
}

Snapshot collected(Pid pid) {
  auto snapshot = collect({pid}, {});
  EXPECT_TRUE(snapshot) << to_string(snapshot.error());
  return snapshot ? std::move(*snapshot) : Snapshot{};
}

const Wait* wait_of(const Snapshot& snapshot, Pid pid) {
  const auto* thread = snapshot::find_thread(snapshot, {pid, Tid{pid.value}});
  return thread == nullptr || !thread->wait ? nullptr : &*thread->wait;
}

TEST(Collect, SeesAReadOfAPipeWithoutWakingTheReader) {
  const Pipe pipe;
  const Child child([&] {
    char byte;
    return ::read(pipe.reader(), &byte, 1) == 0 ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(child, SYS_read); }));
  const std::uint64_t before = switches(child.pid());

  const Snapshot snapshot = collected(child.pid());

  EXPECT_EQ(switches(child.pid()), before);
  EXPECT_EQ(child.tracer(), 0);
  const Wait* wait = wait_of(snapshot, child.pid());
  ASSERT_NE(wait, nullptr);
  EXPECT_EQ(wait->kind, WaitKind::Read);
  EXPECT_TRUE(wait->untimed);
  ASSERT_EQ(wait->objects.size(), 1U);
  EXPECT_EQ(wait->objects[0].object.kind, ObjectKind::Pipe);
  const auto* object = snapshot::find_object(snapshot, wait->objects[0].object);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->queued.value_or(std::uint64_t{99}), 0U);
  EXPECT_TRUE(snapshot::find_thread(snapshot, {child.pid(), child.tid()})->stable);
  const auto* process = snapshot::find_process(snapshot, child.pid());
  EXPECT_EQ(process->scope, Scope::Target);
  EXPECT_TRUE(std::ranges::any_of(*process->fds, [&](const snapshot::Fd& fd) {
    return fd.fd == pipe.writer() && fd.object == wait->objects[0].object &&
           fd.access == snapshot::Access::Write;
  }));
}

/// What the kernel's own count says of the ends of the pipe that the child waits for; nothing where
/// all could be looked into, as nobody asks then, or where the kernel does not tell.
std::optional<std::pair<snapshot::Counted, snapshot::Counted>> counted_of(const Child& child) {
  const Snapshot snapshot = collected(child.pid());
  const Wait* wait = wait_of(snapshot, child.pid());
  const auto* pipe = wait == nullptr || wait->objects.empty()
                         ? nullptr
                         : snapshot::find_object(snapshot, wait->objects[0].object);
  if (snapshot.all_holders_seen || pipe == nullptr ||
      !linux::read_kernel_pipes([](const linux::KernelFd&) {}))
    return std::nullopt;
  return std::pair(pipe->readers, pipe->writers);
}

TEST(Collect, CountsTheReferencesOfCallsToThePipeThatTheyWaitFor) {
  using snapshot::Counted;
  for (const long nr : {SYS_read, SYS_poll}) {
    for (const bool shared : {false, true}) {
      for (const bool in_flight : {false, true}) {
        const Child child([=] {
          int ends[2] = {-1, -1}, sockets[2] = {-1, -1};
          (void)::pipe(ends);
          (void)::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
          if (in_flight) linux::testing::send_fds(sockets[0], {&ends[1], 1});
          if (shared) std::thread([] { (void)::pause(); }).detach();
          pollfd wanted{ends[0], POLLIN, 0};
          char byte = 0;
          return nr == SYS_read ? static_cast<int>(::read(ends[0], &byte, 1))
                                : ::poll(&wanted, 1, -1);
        });
        ASSERT_TRUE(eventually([&] { return is_blocked_in(child, nr); }));
        const auto counted = counted_of(child);
        if (!counted) GTEST_SKIP() << "all holders can be seen here, or the kernel does not tell";
        EXPECT_EQ(counted->first, Counted::All) << nr << shared;
        EXPECT_EQ(counted->second, in_flight ? Counted::Unknown : Counted::All) << nr << shared;
      }
    }
  }
}

TEST(Collect, FollowsAWaitForAChildAndThePeerOfASocket) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Child parent([&] {
    const pid_t self = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
      linux::testing::die_with(self);
      char byte;
      ::_exit(::recv(ends[0], &byte, 1, 0) == 0 ? 0 : 1);
    }
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(parent, SYS_wait4); }));

  Snapshot snapshot;
  const auto child_is_blocked = [&] {
    snapshot = collected(parent.pid());
    const Wait* wait = wait_of(snapshot, parent.pid());
    if (wait == nullptr || wait->children.size() != 1) return false;
    const Wait* of_child = wait_of(snapshot, wait->children[0]);
    return of_child != nullptr && of_child->kind == WaitKind::Read;
  };

  ASSERT_TRUE(eventually(child_is_blocked));
  const Pid child = wait_of(snapshot, parent.pid())->children[0];
  EXPECT_EQ(wait_of(snapshot, parent.pid())->kind, WaitKind::Child);
  EXPECT_EQ(snapshot::find_process(snapshot, child)->scope, Scope::Descendant);
  EXPECT_TRUE(snapshot::find_process(snapshot, child)->forked_copy);
  const auto* socket = snapshot::find_object(snapshot, wait_of(snapshot, child)->objects[0].object);
  ASSERT_NE(socket, nullptr);
  ASSERT_TRUE(socket->socket);
  EXPECT_EQ(socket->socket->family, "unix");
  EXPECT_NE(snapshot::find_object(snapshot, socket->socket->peer), nullptr);
  ::close(ends[0]);
  ::close(ends[1]);
}

/// TCP sockets are dumped only where somebody who is looked into has one.
TEST(Collect, KnowsAConnectionByTcpAndItsOtherEnd) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, name, size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, name, &size), 0);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(client, name, size), 0);
  const int server = ::accept(listener, nullptr, nullptr);
  const Child child([&] {
    char byte;
    return static_cast<int>(::recv(client, &byte, 1, 0));
  });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(child, SYS_recvfrom); }));

  const Snapshot snapshot = collected(child.pid());

  const Wait* wait = wait_of(snapshot, child.pid());
  ASSERT_NE(wait, nullptr);
  ASSERT_EQ(wait->objects.size(), 1U);
  EXPECT_EQ(wait->objects[0].object.kind, ObjectKind::InetSocket);
  const auto* object = snapshot::find_object(snapshot, wait->objects[0].object);
  ASSERT_NE(object, nullptr);
  ASSERT_TRUE(object->socket);
  EXPECT_EQ(object->socket->family, "tcp");
  EXPECT_EQ(object->socket->peer.kind, ObjectKind::InetSocket);
  EXPECT_TRUE(std::ranges::none_of(snapshot.unseen, [](const snapshot::Unseen& unseen) {
    return unseen.error.cause == Cause::NotRead;
  }));
  for (const int fd : {listener, client, server}) ::close(fd);
}

TEST(Collect, ReadsAPollSet) {
  const Pipe first, second;
  const Child child([&] {
    pollfd set[2] = {{first.reader(), POLLIN, 0}, {second.reader(), POLLIN, 0}};
    return ::poll(set, 2, -1);
  });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(child, SYS_poll); }));

  const Snapshot snapshot = collected(child.pid());

  const Wait* wait = wait_of(snapshot, child.pid());
  ASSERT_NE(wait, nullptr);
  EXPECT_EQ(wait->kind, WaitKind::Poll);
  EXPECT_TRUE(wait->untimed);
  ASSERT_EQ(wait->objects.size(), 2U);
  EXPECT_NE(wait->objects[0].object, wait->objects[1].object);
}

TEST(Collect, FindsWhoMapsTheSharedPageOfAFutex) {
  auto* word = static_cast<int*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(word, MAP_FAILED);
  const auto wait_on_it = [&] {
    return static_cast<int>(::syscall(SYS_futex, word, FUTEX_WAIT, 0, nullptr));
  };
  const Child child(wait_on_it);
  const Child other(wait_on_it);
  ASSERT_TRUE(eventually(
      [&] { return is_blocked_in(child, SYS_futex) && is_blocked_in(other, SYS_futex); }));

  const Snapshot snapshot = collected(child.pid());

  const Wait* wait = wait_of(snapshot, child.pid());
  ASSERT_NE(wait, nullptr);
  EXPECT_EQ(wait->kind, WaitKind::Futex);
  EXPECT_TRUE(wait->futex.shared_memory);
  EXPECT_EQ(wait->futex.word.value_or(99U), 0U);
  const auto* area = snapshot::find_area(snapshot, wait->futex.page);
  ASSERT_NE(area, nullptr);
  EXPECT_FALSE(area->has_name);
  EXPECT_NE(std::ranges::find(area->mappers, other.pid()), area->mappers.end());
  EXPECT_EQ(snapshot::find_process(snapshot, other.pid())->scope, Scope::Related)
      << "a child of ours, as the orphans of what `run` started are";
  ::munmap(word, 4096);
}

TEST(Collect, FindsWhoHoldsAFileLock) {
  char path[] = "/tmp/ipcdoctor-lock-XXXXXX";
  const int made = ::mkstemp(path);
  ASSERT_GE(made, 0);
  const Child holder([&] {
    const int fd = ::open(path, O_RDWR);
    return ::flock(fd, LOCK_EX) == 0 ? ::pause() : 1;
  });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(holder, SYS_pause); }));
  const Child waiter([&] { return ::flock(::open(path, O_RDWR), LOCK_EX); });
  ASSERT_TRUE(eventually([&] { return is_blocked_in(waiter, SYS_flock); }));

  const Snapshot snapshot = collected(waiter.pid());

  const Wait* wait = wait_of(snapshot, waiter.pid());
  ASSERT_NE(wait, nullptr);
  EXPECT_EQ(wait->kind, WaitKind::FileLock);
  ASSERT_EQ(snapshot.file_locks.size(), 1U);
  EXPECT_EQ(snapshot.file_locks[0].file, wait->file_lock.file);
  EXPECT_EQ(snapshot.file_locks[0].type, "flock");
  ASSERT_EQ(snapshot.file_locks[0].holders.size(), 1U);
  EXPECT_EQ(snapshot.file_locks[0].holders[0].first, holder.pid());
  ::close(made);
  ::unlink(path);
}

TEST(Collect, ARunningThreadIsNotStable) {
  const Child child([] {
    const volatile bool forever = true;
    while (forever) {
    }
    return 0;
  });
  ASSERT_TRUE(eventually([&] { return child.state() == 'R'; }));

  const Snapshot snapshot = collected(child.pid());

  const auto* thread = snapshot::find_thread(snapshot, {child.pid(), child.tid()});
  ASSERT_NE(thread, nullptr);
  EXPECT_FALSE(thread->stable);
}

TEST(Collect, AChildThatEndsMeanwhileIsNoError) {
  const Child parent([] {
    for (;;) {
      const pid_t pid = ::fork();
      if (pid == 0) ::_exit(0);
      int status = 0;
      (void)::waitpid(pid, &status, 0);
    }
    return 0;
  });

  for (int i = 0; i < 10; ++i) {
    const auto snapshot = collect({parent.pid()}, {});
    ASSERT_TRUE(snapshot) << to_string(snapshot.error());
    EXPECT_NE(snapshot::find_process(*snapshot, parent.pid()), nullptr);
  }
}

TEST(Collect, RecognisesAPollingLoop) {
  const Child child([] {
    for (;;) {
      const timespec pause{0, 5'000'000};
      (void)::clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
    return 0;
  });
  Options options;
  options.observe = std::chrono::milliseconds(200);

  const auto snapshot = collect({child.pid()}, options);

  ASSERT_TRUE(snapshot) << to_string(snapshot.error());
  EXPECT_GE(snapshot->observed_ms, 200);
  EXPECT_TRUE(snapshot::find_thread(*snapshot, {child.pid(), child.tid()})->polls);
}

TEST(Collect, RefusesWithTheNextStep) {
  const Child dead([] { return 0; });
  ASSERT_TRUE(eventually([&] { return dead.state() == 'Z'; }));

  EXPECT_EQ(collect({Pid{0x7ffffffe}}, {}).error().cause, Cause::Gone);
  EXPECT_EQ(collect({Pid{::getpid()}}, {}).error().cause, Cause::Unsupported);
  EXPECT_EQ(collect({Pid{2}}, {}).error().cause, Cause::Unsupported)
      << "kthreadd, or not visible in a container";
  const auto zombie = collect({dead.pid()}, {});
  ASSERT_FALSE(zombie);
  EXPECT_EQ(zombie.error().cause, Cause::Gone);
  EXPECT_NE(zombie.error().what.find("attach " + std::to_string(::getpid())), std::string::npos)
      << zombie.error().what;
}

}  // namespace
}  // namespace ipcdoctor::collect
