#include "linux/pidfd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <vector>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using testing::Child;
using testing::eventually;
using testing::Pipe;
using namespace std::chrono_literals;

std::uint64_t switches_of(const Child& child) {
  return read_status(*child.dir())->switches();
}

TEST(ReadPipeFill, LooksIntoAFullPipeWithoutWakingItsWriter) {
  const Pipe pipe;
  Child child([&] {
    const std::vector<char> data(1 << 20);
    return ::write(pipe.writer(), data.data(), data.size()) > 0 ? 0 : 1;
  });
  ASSERT_TRUE(eventually([&] {
    int queued = 0;
    return child.state() == 'S' && ::ioctl(pipe.reader(), FIONREAD, &queued) == 0 &&
           queued == 65536;
  }));
  const auto pidfd = open_pidfd(child.pid());
  ASSERT_TRUE(pidfd);
  const std::uint64_t before = switches_of(child);

  for (int i = 0; i < 100; ++i) {
    const auto fill = read_pipe_fill(*pidfd, pipe.writer());
    ASSERT_TRUE(fill) << to_string(fill.error());
    ASSERT_EQ(fill->queued, 65536U);
    ASSERT_EQ(fill->capacity, 65536U);
    ASSERT_FALSE(fill->nonblocking);
  }

  EXPECT_EQ(switches_of(child), before);
  EXPECT_EQ(child.state(), 'S');
}

TEST(ReadSocketState, ReadsTimeoutsAndQueues) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const UniqueFd a(pair[0]), b(pair[1]);
  const timeval timeout{2, 500000};
  ASSERT_EQ(::setsockopt(a.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  ASSERT_EQ(::write(b.get(), "abc", 3), 3);
  const auto pidfd = open_pidfd(Pid{::getpid()});
  const auto state = read_socket_state(*pidfd, a.get());

  ASSERT_TRUE(state) << to_string(state.error());
  EXPECT_EQ(state->receive_queue, 3U);
  EXPECT_EQ(state->receive_timeout, 2500ms);
  EXPECT_EQ(state->send_timeout, 0ms);
  EXPECT_TRUE(state->nonblocking);
  EXPECT_EQ(state->domain, AF_UNIX);
  EXPECT_EQ(state->type, SOCK_STREAM);
  EXPECT_FALSE(state->listening);
}

TEST(ReadMqueueState, CountsMessages) {
  const std::string name = "/ipcdoctor_state_" + std::to_string(::getpid());
  const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT, 0600, nullptr);
  if (queue < 0) GTEST_SKIP() << "no POSIX message queues here";
  ASSERT_EQ(::mq_unlink(name.c_str()), 0);
  ASSERT_EQ(::mq_send(queue, "x", 1, 0), 0);
  const auto pidfd = open_pidfd(Pid{::getpid()});
  const auto state = read_mqueue_state(*pidfd, queue);
  ::mq_close(queue);

  ASSERT_TRUE(state) << to_string(state.error());
  EXPECT_EQ(state->messages, 1U);
  EXPECT_GE(state->max_messages, 1U);
}

TEST(Pidfd, RefusesDescriptorsOfAnotherKind) {
  const Pipe pipe;
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  const auto pidfd = open_pidfd(Pid{::getpid()});
  ASSERT_TRUE(pidfd);

  EXPECT_EQ(read_pipe_fill(*pidfd, event.get()).error().cause, Cause::Malformed);
  EXPECT_EQ(read_socket_state(*pidfd, pipe.reader()).error().cause, Cause::Malformed);
  EXPECT_EQ(read_mqueue_state(*pidfd, pipe.reader()).error().cause, Cause::Malformed);
  EXPECT_EQ(read_pipe_fill(*pidfd, 1 << 20).error().cause, Cause::Gone);
}

TEST(Pidfd, KnowsThatItsProcessHasExited) {
  Child child([] { return 0; });
  const auto pidfd = open_pidfd(child.pid());
  ASSERT_TRUE(pidfd);

  EXPECT_TRUE(eventually([&] { return has_exited(*pidfd); }));
  ASSERT_EQ(child.wait(), 0);
  EXPECT_EQ(read_pipe_fill(*pidfd, 0).error().cause, Cause::Gone);
  EXPECT_EQ(open_pidfd(Pid{0x3fffffff}).error().cause, Cause::Gone);
}

}  // namespace
}  // namespace ipcdoctor::linux
