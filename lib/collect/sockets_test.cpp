#include "collect/sockets.h"

#include <sys/socket.h>

#include <gtest/gtest.h>

namespace ipcdoctor::collect {
namespace {

using linux::InetSocketInfo;
using linux::UnixSocketInfo;
using snapshot::ObjectId;
using snapshot::ObjectKind;

UnixSocketInfo unix_socket(std::uint64_t ino, std::uint64_t peer, int state = 1) {
  UnixSocketInfo socket;
  socket.ino = ino;
  socket.type = SOCK_STREAM;
  socket.state = state;
  socket.peer = peer;
  return socket;
}

InetSocketInfo tcp_socket(std::uint64_t ino, std::uint16_t local, std::uint16_t remote,
                          int state = 1) {
  InetSocketInfo socket;
  socket.ino = ino;
  socket.state = state;
  socket.local = {{127, 0, 0, 1}, local};
  if (remote != 0) socket.remote = {{127, 0, 0, 1}, remote};
  return socket;
}

TEST(Sockets, JoinsTheTwoEndsOfASocketPair) {
  Sockets sockets;
  sockets.add(std::vector{unix_socket(10, 11), unix_socket(11, 10)});
  sockets.index();

  const auto socket = sockets.describe(10);

  ASSERT_TRUE(socket);
  EXPECT_EQ(socket->peer, (ObjectId{ObjectKind::UnixSocket, 0, 11}));
  EXPECT_FALSE(socket->peer_closed);
}

TEST(Sockets, AnEstablishedStreamWithoutPeerHasLostIt) {
  Sockets sockets;
  sockets.add(std::vector{unix_socket(10, 0)});
  sockets.index();

  EXPECT_TRUE(sockets.describe(10)->peer_closed);
}

TEST(Sockets, AClientInABacklogWaitsForTheListener) {
  Sockets sockets;
  UnixSocketInfo listener = unix_socket(20, 0, 10);
  listener.waiting = {10};
  sockets.add(std::vector{unix_socket(10, 0), listener});
  sockets.index();

  const auto socket = sockets.describe(10);

  EXPECT_TRUE(socket->peer_in_backlog);
  EXPECT_FALSE(socket->peer_closed);
  EXPECT_EQ(socket->listener, (ObjectId{ObjectKind::UnixSocket, 0, 20}));
}

TEST(Sockets, FindsWhoIsBoundToAName) {
  Sockets sockets;
  UnixSocketInfo listener = unix_socket(20, 0, 10);
  listener.name = "/run/x";
  sockets.add(std::vector{listener});
  sockets.index();

  EXPECT_EQ(sockets.find_bound("/run/x").ino, 20U);
  EXPECT_EQ(sockets.find_bound("/run/y").kind, ObjectKind::Unknown);
  EXPECT_EQ(sockets.find_bound("").kind, ObjectKind::Unknown);
}

TEST(Sockets, JoinsTcpByTheMirroredAddresses) {
  Sockets sockets;
  InetSocketInfo client = tcp_socket(30, 5000, 80);
  client.timer = 4;
  sockets.add(std::vector{client, tcp_socket(31, 80, 5000)}, 1);
  sockets.index();

  const auto socket = sockets.describe(30);

  EXPECT_EQ(socket->peer, (ObjectId{ObjectKind::InetSocket, 0, 31}));
  EXPECT_FALSE(socket->peer_is_remote);
  EXPECT_FALSE(socket->kernel_timer) << "our own kernel answers its probes";
}

TEST(Sockets, ATimerTowardsAnotherHostMayEndAWait) {
  Sockets sockets;
  InetSocketInfo client = tcp_socket(30, 5000, 80);
  client.timer = 1;
  sockets.add(std::vector{client}, 1);
  sockets.index();

  EXPECT_TRUE(sockets.describe(30)->peer_is_remote);
  EXPECT_TRUE(sockets.describe(30)->kernel_timer);
}

TEST(Sockets, AnUnacceptedTcpConnectionWaitsForTheListener) {
  Sockets sockets;
  sockets.add(
      std::vector{tcp_socket(30, 5000, 80), tcp_socket(0, 80, 5000), tcp_socket(32, 80, 0, 10)}, 1);
  sockets.index();

  const auto socket = sockets.describe(30);

  EXPECT_TRUE(socket->peer_in_backlog);
  EXPECT_EQ(socket->listener, (ObjectId{ObjectKind::InetSocket, 0, 32}));
}

TEST(Sockets, EqualAddressesOfTwoNamespacesStayApart) {
  Sockets sockets;
  sockets.add(std::vector{tcp_socket(30, 5000, 80), tcp_socket(31, 80, 5000)}, 1);
  sockets.add(std::vector{tcp_socket(40, 5000, 80), tcp_socket(41, 80, 5000)}, 2);
  sockets.index();

  EXPECT_EQ(sockets.describe(30)->peer, (ObjectId{ObjectKind::InetSocket, 0, 31}));
  EXPECT_EQ(sockets.describe(40)->peer, (ObjectId{ObjectKind::InetSocket, 0, 41}));
}

TEST(Sockets, AnUnacceptedConnectionIsNotTakenForOneOfAnotherNamespace) {
  Sockets sockets;
  sockets.add(std::vector{tcp_socket(40, 5000, 80), tcp_socket(41, 80, 5000)}, 2);
  sockets.add(
      std::vector{tcp_socket(30, 5000, 80), tcp_socket(0, 80, 5000), tcp_socket(32, 80, 0, 10)}, 1);
  sockets.index();

  EXPECT_EQ(sockets.describe(30)->listener, (ObjectId{ObjectKind::InetSocket, 0, 32}));
  EXPECT_EQ(sockets.describe(30)->peer.kind, ObjectKind::Unknown);
}

TEST(Sockets, ALoopbackPeerIsNeverInAnotherNamespace) {
  Sockets sockets;
  sockets.add(std::vector{tcp_socket(30, 5000, 80)}, 1);
  sockets.add(std::vector{tcp_socket(41, 80, 5000)}, 2);
  sockets.index();

  EXPECT_EQ(sockets.describe(30)->peer.kind, ObjectKind::Unknown);
  EXPECT_TRUE(sockets.describe(30)->peer_is_remote);
}

TEST(Sockets, APeerAcrossNamespacesIsFoundUnlessSeveralFit) {
  const auto across = [](std::uint64_t ino, std::uint16_t local, std::uint16_t remote) {
    InetSocketInfo socket = tcp_socket(ino, local, remote);
    socket.local.bytes[0] = socket.remote.bytes[0] = 10;
    return socket;
  };
  Sockets one;
  one.add(std::vector{across(30, 5000, 80)}, 1);
  one.add(std::vector{across(41, 80, 5000)}, 2);
  one.index();
  Sockets two;
  two.add(std::vector{across(30, 5000, 80)}, 1);
  two.add(std::vector{across(41, 80, 5000)}, 2);
  two.add(std::vector{across(51, 80, 5000)}, 3);
  two.index();

  EXPECT_EQ(one.describe(30)->peer, (ObjectId{ObjectKind::InetSocket, 0, 41}));
  EXPECT_EQ(two.describe(30)->peer.kind, ObjectKind::Unknown);
  EXPECT_TRUE(two.describe(30)->peer_is_remote);
}

TEST(Sockets, ListenersThatShareAnAddressAreNotGuessed) {
  Sockets sockets;
  sockets.add(std::vector{tcp_socket(30, 5000, 80), tcp_socket(0, 80, 5000),
                          tcp_socket(32, 80, 0, 10), tcp_socket(33, 80, 0, 10)},
              1);
  sockets.index();

  EXPECT_FALSE(sockets.describe(30)->peer_in_backlog);
  EXPECT_EQ(sockets.describe(30)->peer.kind, ObjectKind::Unknown);
}

TEST(Sockets, AnotherFamilyIsUnsupported) {
  Sockets sockets;
  sockets.index();

  EXPECT_EQ(sockets.kind_of(99), ObjectKind::OtherSocket);
  EXPECT_EQ(sockets.describe(99).error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::collect
