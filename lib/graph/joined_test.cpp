#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/built_graph_for_tests.h"

/// Connections between hosts: what the join of their snapshots left in doubt lives.
namespace ipcdoctor::graph {
namespace {

using namespace snapshot::testing;
using snapshot::Socket;
using testing::graph_of;
using testing::level_of;

/// Two readers, each of an end of one connection.
Builder two_hosts() {
  Builder b;
  b.process(40).fd(3, inet_socket(7)).thread().reads(3);
  b.process(50).fd(3, inet_socket(8)).thread().reads(3);
  for (const auto& [own, peer] : {std::pair{7, 8}, std::pair{8, 7}}) {
    Socket socket = stream("tcp");
    socket.state = "established";
    socket.peer = inet_socket(static_cast<std::uint64_t>(peer));
    socket.peer_is_joined = true;
    socket.tcp = snapshot::Tcp{};
    b.object(inet_socket(static_cast<std::uint64_t>(own))).socket = socket;
  }
  return b;
}

Socket& end_of(Builder& b, std::uint64_t ino) {
  return *b.object(inet_socket(ino)).socket;
}

TEST(Joined, TwoReadersOfOneConnectionAreProvedDead) {
  EXPECT_EQ(level_of(two_hosts(), task(40)), Level::Proved);
  EXPECT_EQ(level_of(two_hosts(), task(50)), Level::Proved);
}

TEST(Joined, OneRoundIsAnAssumption) {
  Builder b = two_hosts();
  end_of(b, 7).looked_once = end_of(b, 8).looked_once = true;

  const auto graph = graph_of(b);

  EXPECT_EQ(graph.level(task(40)), Level::Assuming);
  ASSERT_EQ(graph.stuck_sets().size(), 1U);
  EXPECT_THAT(graph.stuck_sets()[0].assumptions.front(), ::testing::HasSubstr("second round"));
}

TEST(Joined, ADoubtOnOneSideKeepsBothAlive) {
  Builder b = two_hosts();
  end_of(b, 8).in_doubt = "bytes of h1 were on their way";

  EXPECT_EQ(level_of(b, task(50)), Level::Live);
  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

TEST(Joined, WhatIsInDoubtForRoomIsNoneForAReader) {
  Builder b = two_hosts();
  end_of(b, 8).out_doubt = "room may come from h1";

  EXPECT_EQ(level_of(b, task(50)), Level::Proved);
}

TEST(Joined, BytesThatAreUnacknowledgedInTheLastLookKeepTheReaderAlive) {
  Builder b = two_hosts();
  end_of(b, 8).send_queue = 1;

  EXPECT_EQ(level_of(b, task(40)), Level::Live);
}

}  // namespace
}  // namespace ipcdoctor::graph
