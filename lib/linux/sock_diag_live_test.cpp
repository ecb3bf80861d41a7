#include "linux/sock_diag.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "linux/namespaces.h"
#include "linux/testing.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {
namespace {

using namespace std::chrono_literals;

std::uint64_t inode_of(const UniqueFd& socket) {
  struct stat status {};
  EXPECT_EQ(::fstat(socket.get(), &status), 0);
  return status.st_ino;
}

UnixSocketInfo unix_socket_of(const UniqueFd& socket) {
  const auto sockets = read_unix_sockets(2s);
  if (!sockets) return {};
  const auto found = std::ranges::find(*sockets, inode_of(socket), &UnixSocketInfo::ino);
  return found == sockets->end() ? UnixSocketInfo{} : *found;
}

TEST(ReadUnixSockets, JoinsAPairAndShowsItsQueue) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd a(pair[0]), b(pair[1]);
  ASSERT_EQ(::write(a.get(), "abc", 3), 3);
  ASSERT_EQ(::shutdown(a.get(), SHUT_WR), 0);
  const UnixSocketInfo sender = unix_socket_of(a), receiver = unix_socket_of(b);

  ASSERT_EQ(sender.ino, inode_of(a));
  EXPECT_EQ(sender.peer, inode_of(b));
  EXPECT_EQ(receiver.peer, inode_of(a));
  EXPECT_EQ(receiver.receive_queue, 3U);
  EXPECT_GT(sender.send_queue, 0U);
  EXPECT_TRUE(sender.shut_write());
  EXPECT_TRUE(receiver.shut_read());
}

TEST(ReadUnixSockets, AListenerNamesTheClientsInItsBacklog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = std::string(1, '\0') + "ipcdoctor_" + std::to_string(::getpid());
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener.get(), 5), 0);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  const UnixSocketInfo info = unix_socket_of(listener);

  EXPECT_TRUE(info.is_listening());
  EXPECT_EQ(info.name, name);
  EXPECT_EQ(info.waiting, std::vector<std::uint64_t>{inode_of(client)});
  EXPECT_EQ(info.receive_queue, 1U);
  EXPECT_EQ(info.send_queue, 5U);
  EXPECT_EQ(unix_socket_of(client).peer, 0U);
}

TEST(ReadInetSockets, TheTwoEndsOfAConnectionMirrorEachOther) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    GTEST_SKIP() << "no loopback";
  ASSERT_EQ(::listen(listener.get(), 5), 0);
  ASSERT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    GTEST_SKIP() << "loopback is down";
  const auto sockets = read_inet_sockets(2s);
  if (!sockets && sockets.error().cause == Cause::Unsupported) GTEST_SKIP() << "no inet_diag here";

  ASSERT_TRUE(sockets) << to_string(sockets.error());
  const auto ours = std::ranges::find(*sockets, inode_of(client), &InetSocketInfo::ino);
  ASSERT_NE(ours, sockets->end());
  const auto mirror = std::ranges::find_if(*sockets, [&](const InetSocketInfo& other) {
    return other.local == ours->remote && other.remote == ours->local;
  });
  ASSERT_NE(mirror, sockets->end());
  EXPECT_EQ(mirror->ino, 0U);  // nobody has accepted it
  EXPECT_EQ(name_of_socket_state(ours->state), "established");
  const auto server = std::ranges::find(*sockets, inode_of(listener), &InetSocketInfo::ino);
  ASSERT_NE(server, sockets->end());
  EXPECT_TRUE(server->is_listening());
  EXPECT_EQ(server->receive_queue, 1U);
}

TEST(WithinNetworkNamespace, LooksIntoAnotherAndComesBack) {
  const testing::Pipe ready;
  const testing::Child child([&] {
    if (::unshare(CLONE_NEWNET) != 0) return static_cast<int>(::write(ready.writer(), "n", 1));
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    (void)!::write(ready.writer(), "y", 1);
    return socket < 0 ? 1 : ::pause();
  });
  char answer = 0;
  ASSERT_EQ(::read(ready.reader(), &answer, 1), 1);
  if (answer != 'y') GTEST_SKIP() << "may not make a network namespace";
  const auto own = ProcDir::open(Pid{::getpid()});
  const auto before = read_namespace(*own, "net");
  std::size_t count = 0;
  const Status status = within_network_namespace(*child.dir(), [&]() -> Status {
    const auto sockets = read_unix_sockets(2s);
    if (!sockets) return sockets.error();
    count = sockets->size();
    return Done{};
  });

  ASSERT_TRUE(status) << to_string(status.error());
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(*read_namespace(*own, "net"), *before);
}

TEST(ReadUnixSockets, EndsAtItsDeadline) {
  EXPECT_EQ(read_unix_sockets(0ms).error().cause, Cause::TimedOut);
  EXPECT_EQ(read_inet_sockets(0ms).error().cause, Cause::TimedOut);
}

}  // namespace
}  // namespace ipcdoctor::linux
