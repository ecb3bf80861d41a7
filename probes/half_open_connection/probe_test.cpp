#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kHalfOpenConnection;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Builder half_open() {
  Builder b;
  b.process(40).fd(3, inet_socket(1)).thread().reads(3);
  snapshot::Socket& socket = *b.object(inet_socket(1)).socket;
  socket.state = "established";
  socket.peer_is_remote = socket.half_open = true;
  socket.remote = "10.0.0.2:5000";
  socket.elsewhere = "hb has no such connection any more: it is half-open";
  socket.tcp = snapshot::Tcp{};
  return b;
}

TEST(HalfOpenConnection, NamesTheReader) {
  const auto answer = ask(kHalfOpenConnection, half_open());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_EQ(answer.findings[0].verdict, diagnosis::Verdict::Stuck);
  EXPECT_THAT(answer.findings[0].fix, HasSubstr("ss -K dst 10.0.0.2 dport = 5000"));
}

TEST(HalfOpenConnection, IgnoresOneThatKeepaliveWillFindOut) {
  Builder b = half_open();
  b.object(inet_socket(1)).socket->tcp->timer = snapshot::TcpTimer::Keepalive;

  EXPECT_EQ(ask(kHalfOpenConnection, b).outcome, Outcome::NotFound);
}

TEST(HalfOpenConnection, IgnoresAConnectionThatAServerAtRestHasForgotten) {
  Builder b = half_open();
  b.process(40).thread(41).reads(3);
  b.process(40).process().threads.erase(b.process(40).process().threads.begin());
  b.process(40).fd(4, inet_socket(2)).thread(40).accepts(4);
  b.object(inet_socket(2)).socket->state = "listen";

  EXPECT_EQ(ask(kHalfOpenConnection, b).outcome, Outcome::NotFound);
}

TEST(HalfOpenConnection, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kHalfOpenConnection, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
