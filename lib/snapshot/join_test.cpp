#include "snapshot/join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/renumber.h"
#include "snapshot/testing.h"

namespace ipcdoctor::snapshot {
namespace {

using testing::Builder;
using ::testing::HasSubstr;

const std::string kClient = "10.77.0.2:40000", kServer = "10.77.0.3:7000";

/// One look at a host: a program with one end of a connection, which it reads.
Snapshot look(const std::string& host, const std::string& local, const std::string& remote,
              int round = 1) {
  Builder b;
  b.process(40).fd(3, testing::inet_socket(7)).thread().reads(3);
  b.process(40).process().start_ticks = 1000;
  b.process(40).last().switches = 12;
  Socket socket = testing::stream("tcp");
  socket.state = "established";
  socket.local = local;
  socket.remote = remote;
  socket.peer_is_remote = true;
  socket.cookie = 4096;
  socket.net_ns = 9;
  Tcp tcp;
  tcp.bytes_sent = tcp.bytes_received = tcp.bytes_acked = 5;
  socket.tcp = tcp;
  b.object(testing::inet_socket(7)).socket = socket;
  b.raw().host = host;
  b.raw().targets = {Pid{40}};
  b.raw().place.boot_id = "boot of " + host;
  b.raw().place.end_ms = round;
  b.raw().place.id = std::string(31, host.back()) + std::to_string(round);
  NetNamespace network;
  network.ino = 9;
  network.addresses = {local.substr(0, local.rfind(':'))};
  network.connections = {{local, remote}};
  network.is_whole = true;
  b.raw().place.networks = {network};
  return b.build();
}

Socket& socket_of(Snapshot& snapshot) {
  return *snapshot.objects.front().socket;
}

struct Rounds {
  std::vector<Snapshot> first{look("ha", kClient, kServer, 1), look("hb", kServer, kClient, 1)};
  std::vector<Snapshot> second{look("ha", kClient, kServer, 2), look("hb", kServer, kClient, 2)};

  Snapshot joined() {
    for (Snapshot& one : second)
      if (one.place.after.empty()) one.place.after = token_of(first);
    std::vector<Snapshot> all = first;
    all.insert(all.end(), second.begin(), second.end());
    return *join(all);
  }
};

/// Of the client, whose host is the first by name.
const Socket& client(const Snapshot& joined) {
  return *joined.objects.front().socket;
}

TEST(Join, GivesBothEndsOfAConnectionTheirPeer) {
  const Snapshot joined = Rounds().joined();

  ASSERT_EQ(joined.objects.size(), 2U);
  EXPECT_TRUE(client(joined).peer_is_joined);
  EXPECT_EQ(client(joined).peer, joined.objects.back().id);
  EXPECT_EQ(joined.objects.back().socket->peer, joined.objects.front().id);
  EXPECT_FALSE(client(joined).looked_once);
  EXPECT_EQ(client(joined).in_doubt, "");
}

TEST(Join, TellsProcessesOfSeveralHostsWithOneNumberApart) {
  const Snapshot joined = Rounds().joined();

  ASSERT_EQ(joined.processes.size(), 2U);
  const Pid first = joined.processes[0].pid, second = joined.processes[1].pid;
  EXPECT_NE(first, second);
  EXPECT_EQ(local_number(joined, second.value), 40);
  EXPECT_EQ(number_of(joined, second), "hb:40");
  EXPECT_THAT(label(joined, {second, Tid{second.value}}), HasSubstr("hb:"));
  EXPECT_EQ(joined.processes[1].fds->front().object, joined.objects[1].id);
  EXPECT_EQ(joined.processes[1].threads[0].tid.value, second.value);
}

TEST(Join, ProvesNothingWithOneRound) {
  const Snapshot joined = *join(Rounds().first);

  EXPECT_TRUE(client(joined).peer_is_joined);
  EXPECT_TRUE(client(joined).looked_once);
}

TEST(Join, ProvesNothingIfTheSecondRoundHadNoToken) {
  Rounds rounds;
  rounds.second[1].place.after = "2-00000000000000000000000000000000";

  EXPECT_TRUE(client(rounds.joined()).looked_once);
}

TEST(Join, ProvesNothingIfTheTokenIsOfFewerFiles) {
  Rounds rounds;
  const std::string token = token_of({rounds.first[0]});
  rounds.second[0].place.after = rounds.second[1].place.after = token;

  EXPECT_TRUE(client(rounds.joined()).looked_once);
}

TEST(Join, DoesNotCareForTheOrderOfFiles) {
  Rounds rounds;
  std::swap(rounds.first[0], rounds.first[1]);
  rounds.first.push_back(rounds.first[0]);

  EXPECT_FALSE(client(rounds.joined()).looked_once);
}

TEST(Join, DoubtsAReaderWhosePeerHadBytesUnderWayInRoundOne) {
  Rounds rounds;
  socket_of(rounds.first[1]).send_queue = 1;

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("on their way"));
}

TEST(Join, DoubtsAReaderWithUnreadBytesInRoundTwo) {
  Rounds rounds;
  socket_of(rounds.second[0]).receive_queue = 1;

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("unread"));
}

TEST(Join, DoubtsAReaderWhosePeerRanBetweenTheRounds) {
  Rounds rounds;
  rounds.second[1].processes[0].threads[0].switches = 13;

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("ran between"));
}

TEST(Join, DoubtsAReaderWhosePeerWasStartedAgain) {
  Rounds rounds;
  rounds.second[1].processes[0].start_ticks = 2000;

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("another process"));
}

TEST(Join, DoubtsAReaderOfWhosePeerSomebodyElseHasTheDescriptorNow) {
  Rounds rounds;
  Process other = rounds.second[1].processes[0];
  other.pid = Pid{41};
  rounds.second[1].processes.push_back(other);

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("not seen before"));
}

TEST(Join, DoubtsAReaderForWhosePeerTheKernelMayWrite) {
  Rounds rounds;
  for (auto* round : {&rounds.first, &rounds.second})
    (*round)[1].processes[0].fds->push_back(
        {.fd = 9, .object = testing::object(ObjectKind::IoUring, 9, 40)});

  EXPECT_THAT(client(rounds.joined()).in_doubt, HasSubstr("io_uring"));
}

TEST(Join, LetsAThreadRunWhoseCodeReachesNoDescriptor) {
  Rounds rounds;
  rounds.first[1].processes[0].threads[0].next = effects_of(0, "sleeps");
  rounds.second[1].processes[0].threads[0].switches = 13;

  EXPECT_EQ(client(rounds.joined()).in_doubt, "");
}

TEST(Join, IsNoJoinIfTheAddressesWereUsedAgain) {
  Rounds rounds;
  socket_of(rounds.second[1]).cookie = 4097;

  EXPECT_TRUE(client(rounds.joined()).looked_once);
}

TEST(Join, IsNoJoinIfWhatWasSentIsNotWhatWasReceived) {
  Rounds rounds;
  for (auto* round : {&rounds.first, &rounds.second}) socket_of((*round)[1]).tcp->bytes_sent = 6;

  const Snapshot joined = rounds.joined();

  EXPECT_TRUE(client(joined).peer_is_remote);
  EXPECT_THAT(client(joined).elsewhere, HasSubstr("does not agree"));
}

TEST(Join, IsNoJoinIfTwoPrivateNetworksAreEqual) {
  Rounds rounds;
  for (int round : {1, 2})
    (round == 1 ? rounds.first : rounds.second).push_back(look("hc", kServer, kClient, round));

  const Snapshot joined = rounds.joined();

  EXPECT_TRUE(client(joined).peer_is_remote);
  EXPECT_THAT(client(joined).elsewhere, HasSubstr("several networks"));
}

TEST(Join, IsNoJoinIfAnotherHostHasTheAddressThoughNoSuchConnection) {
  Rounds rounds;
  Snapshot other = look("hc", kServer, "10.77.0.9:1");
  rounds.first.push_back(other);

  EXPECT_TRUE(client(rounds.joined()).peer_is_remote);
}

TEST(Join, IsNoJoinIfTheKernelDoesNotTellWhatWasSent) {
  Rounds rounds;
  for (auto* round : {&rounds.first, &rounds.second})
    for (Snapshot& one : *round) socket_of(one).tcp->bytes_sent = Tcp::kUnknown;

  EXPECT_TRUE(client(rounds.joined()).peer_is_remote);
}

TEST(Join, IsNoJoinOfAnEndThatIsBeingClosed) {
  Rounds rounds;
  socket_of(rounds.second[1]).state = "fin-wait-1";

  EXPECT_TRUE(client(rounds.joined()).peer_is_remote);
}

TEST(Join, NamesTheHostThatNobodyLookedAt) {
  const Snapshot joined = *join({look("ha", kClient, kServer)});

  EXPECT_THAT(client(joined).elsewhere, HasSubstr("no snapshot"));
  ASSERT_EQ(joined.unseen.size(), 1U);
  EXPECT_THAT(joined.unseen[0].error.what, HasSubstr(kServer));
}

TEST(Join, NamesAConnectionThatIsHalfOpen) {
  Rounds rounds;
  for (auto* round : {&rounds.first, &rounds.second}) {
    (*round)[1].place.networks[0].connections.clear();
    (*round)[1].objects.clear();
  }

  EXPECT_TRUE(client(rounds.joined()).half_open);
  EXPECT_THAT(client(rounds.joined()).elsewhere, HasSubstr("half-open"));
  EXPECT_FALSE(client(*join(rounds.first)).half_open) << "it may be younger than the other look";
}

TEST(Join, DoubtsRoomUnlessTheWindowIsClosedInBothRounds) {
  Rounds rounds;
  EXPECT_THAT(client(rounds.joined()).out_doubt, HasSubstr("room may come"));

  for (auto* round : {&rounds.first, &rounds.second}) {
    Socket& writer = socket_of((*round)[0]);
    writer.tcp->timer = TcpTimer::Probe;
    writer.send_queue = writer.tcp->not_sent = 100;
    socket_of((*round)[1]).receive_queue = 50;
  }
  EXPECT_EQ(client(rounds.joined()).out_doubt, "");
  socket_of(rounds.first[1]).receive_queue = 40;
  EXPECT_THAT(client(rounds.joined()).out_doubt, HasSubstr("room may come"));
}

TEST(Join, KeepsProgramsOfOneHostApart) {
  Snapshot one = look("ha", kClient, kServer), other = look("ha", kClient, kServer);
  other.place.id = std::string(32, 'b');
  EXPECT_TRUE(belong_together({one, other}));

  other.targets = {Pid{50}};
  EXPECT_FALSE(belong_together({one, other}));
  one.place.id.clear();
  EXPECT_FALSE(belong_together({one}));
}

TEST(Renumber, NamesPidfdsByTheProcessAndKeepsUnknownNumbers) {
  Builder b;
  b.process(40).fd(3, testing::object(ObjectKind::PidFd, 42)).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().sleeps();
  Snapshot snapshot = b.build();
  Host host;
  host.first = kFirstJoined;

  ASSERT_TRUE(renumber(snapshot, host, 1));

  const Process* child = find_process(snapshot, snapshot.processes[0].threads[0].wait->children[0]);
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(child->ppid, snapshot.processes[0].pid);
  EXPECT_EQ(snapshot.processes[0].fds->front().object.ino,
            static_cast<std::uint64_t>(child->pid.value));
  EXPECT_EQ(child->ns_pid, 42);
  EXPECT_EQ(child->tracer, Pid{});
}

}  // namespace
}  // namespace ipcdoctor::snapshot
