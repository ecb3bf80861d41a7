#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kFullQueueNoConsumer;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// A client logs to a datagram socket; the log daemon waits for the client.
Builder log_daemon_waits() {
  Builder b;
  b.process(40)
      .fd(3, unix_socket(1))
      .fd(5, pipe(7), Access::Write)
      .thread()
      .at("/src/app.py", 31, "main")
      .writes(3);
  b.process(41)
      .comm("logd")
      .child_of(40)
      .fd(3, unix_socket(2))
      .fd(4, pipe(7), Access::Read)
      .thread()
      .reads(4);
  b.object(unix_socket(1)).socket->type = "dgram";
  b.object(unix_socket(2)).socket->type = "dgram";
  b.object(unix_socket(1)).socket->peer = unix_socket(2);
  return b;
}

TEST(FullQueueNoConsumer, FindsADatagramSocketWhoseReaderIsStuck) {
  const auto answer = ask(kFullQueueNoConsumer, log_daemon_waits());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
}

TEST(FullQueueNoConsumer, FindsABoundedQueueWhoseConsumerIsDead) {
  Builder b;
  b.process(40)
      .python()
      .thread()
      .activity("multiprocessing.Queue.put", {})
      .shared_futex(9, LockKind::PySemLock);
  b.process(41).child_of(40).zombie();
  b.area(9, {40});

  const auto answer = ask(kFullQueueNoConsumer, b);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), ElementsAre(41));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("whose consumer is dead"));
}

TEST(FullQueueNoConsumer, IgnoresAStreamSocket) {
  Builder b = log_daemon_waits();
  b.object(unix_socket(1)).socket->type = "stream";
  b.object(unix_socket(2)).socket->type = "stream";
  b.connect(unix_socket(1), unix_socket(2));

  EXPECT_EQ(ask(kFullQueueNoConsumer, b).outcome, Outcome::NotFound);
}

TEST(FullQueueNoConsumer, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kFullQueueNoConsumer, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
