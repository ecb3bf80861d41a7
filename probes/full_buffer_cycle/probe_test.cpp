#include <sys/epoll.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kFullBufferCycle;

namespace {

using namespace testing;  // NOLINT: the words of the tests
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

/// The parent reads stdout to its end while the child fills stderr.
Builder stdout_then_stderr() {
  Builder b;
  b.process(40)
      .fd(3, pipe(7), Access::Read)
      .fd(4, pipe(8), Access::Read)
      .thread()
      .at("/src/app.c", 18, "main")
      .reads(3);
  b.process(41)
      .child_of(40)
      .fd(1, pipe(7), Access::Write)
      .fd(2, pipe(8), Access::Write)
      .thread()
      .writes(2);
  b.object(pipe(8)).queued = 65536;
  return b;
}

TEST(FullBufferCycle, FindsAWriterWhoseReaderReadsSomethingElse) {
  const auto answer = ask(kFullBufferCycle, stdout_then_stderr());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_THAT(culprits(answer), UnorderedElementsAre(40, 41));
  EXPECT_THAT(answer.findings[0].explanation, HasSubstr("pipe:[8] (65536 bytes)"));
}

TEST(FullBufferCycle, FindsAWakeUpPipeThatItsOwnReaderFilled) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).fd(4, pipe(7), Access::Write).thread().writes(4);

  const auto answer = ask(kFullBufferCycle, b);

  EXPECT_THAT(culprits(answer), ElementsAre(40));
  EXPECT_THAT(answer.findings[0].title, HasSubstr("only it could empty"));
}

/// Two event loops, whose tasks await that what they wrote to each other is out.
TEST(FullBufferCycle, FindsEventLoopsThatWaitUntilTheirDataIsSent) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  b.connect(unix_socket(2), unix_socket(1));
  for (const int pid : {40, 41}) {
    const ObjectId set = object(ObjectKind::Epoll, static_cast<std::uint64_t>(pid));
    auto p = b.process(pid).python().fd(3, unix_socket(pid == 40 ? 1 : 2)).fd(4, set).thread();
    p.waits(WaitKind::Epoll, "epoll_wait").on(4, true, false);
    p.activity("asyncio.StreamWriter.drain").last().activity.operation = snapshot::Operation::Send;
    b.object(set).watched = {{3, unix_socket(pid == 40 ? 1 : 2), EPOLLOUT}};
  }
  b.process(41).child_of(40);

  EXPECT_THAT(culprits(ask(kFullBufferCycle, b)), UnorderedElementsAre(40, 41));
}

/// Two workers wait for room in bounded queues of multiprocessing.
Builder two_that_put(std::uint64_t first, std::uint64_t second) {
  Builder b;
  b.process(40).python().thread().waits_for_children({41, 42});
  for (const auto& [pid, at] : {std::pair{41, first}, {42, second}}) {
    RuntimeObject queue = made("multiprocessing.Queue", "q");
    queue.address = RemoteAddr{at};
    b.process(pid).child_of(40).python().thread().shared_futex(at, LockKind::SharedSemaphore);
    b.process(pid).activity("multiprocessing.Queue.put", queue);
    b.area(at, {40, 41, 42});
  }
  return b;
}

TEST(FullBufferCycle, IgnoresWorkersThatPutIntoOneQueue) {
  EXPECT_EQ(ask(kFullBufferCycle, two_that_put(7, 7)).outcome, Outcome::NotFound);
  EXPECT_EQ(ask(kFullBufferCycle, two_that_put(7, 8)).outcome, Outcome::Found);
}

TEST(FullBufferCycle, IgnoresAFullPipeWhoseReaderRuns) {
  Builder b;
  b.process(40).fd(3, pipe(7), Access::Read).thread().runs();
  b.process(41).child_of(40).fd(1, pipe(7), Access::Write).thread().writes(1);

  EXPECT_EQ(ask(kFullBufferCycle, b).outcome, Outcome::NotFound);
}

TEST(FullBufferCycle, IsInconclusiveWhenTheWaitIsDenied) {
  EXPECT_EQ(ask(kFullBufferCycle, blind()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
