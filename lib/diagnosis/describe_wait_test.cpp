#include <gtest/gtest.h>

#include "diagnosis/probe.h"
#include "snapshot/testing.h"

namespace ipcdoctor::diagnosis {
namespace {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder

TEST(DescribeWait, NamesTheChannelOfARead) {
  Builder b;
  b.process(40).fd(3, pipe(7)).thread().reads(3);

  EXPECT_EQ(describe_wait(b.build(), task(40)), "data or EOF on pipe:[7]");
}

TEST(DescribeWait, NamesTheOneChildOrSome) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(41).thread().waits_for_children({43, 44, 45, 46});

  EXPECT_EQ(describe_wait(b.build(), task(40)), "the exit of 42");
  EXPECT_EQ(describe_wait(b.build(), task(41)), "the exit of 43, 44, 45 or 1 more");
}

TEST(DescribeWait, TellsWhatLetsAStoppedOneGoOn) {
  Builder b;
  b.process(40).thread().waits(snapshot::WaitKind::Stopped, "read");
  b.process(41).thread().waits(snapshot::WaitKind::Stopped, "read").last().wait->frozen = true;

  EXPECT_EQ(describe_wait(b.build(), task(40)), "SIGCONT: it is stopped");
  EXPECT_EQ(describe_wait(b.build(), task(41)), "its cgroup to be thawed");
}

TEST(DescribeWait, PrefersTheNameOfALock) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Mutex).lock().name = "mutex `m` in app";
  b.process(41).thread().futex(0x1000, LockKind::RecursiveMutex);
  b.process(42).thread().futex(0x7fab, LockKind::Unknown);

  EXPECT_EQ(describe_wait(b.build(), task(40)), "mutex `m` in app");
  EXPECT_EQ(describe_wait(b.build(), task(41)), "a mutex");
  EXPECT_EQ(describe_wait(b.build(), task(42)), "a word of its memory at 0x7fab");
}

TEST(DescribeWait, SpeaksTheWordsOfTheLanguagesLibrary) {
  Builder b;
  snapshot::RuntimeObject jobs;
  jobs.type = "queue.Queue";
  jobs.name = "jobs";
  b.process(40).thread().futex(0x1000, LockKind::UnownedLock).activity("queue.Queue.get", jobs);
  b.process(41).thread().futex(0x1000, LockKind::UnownedLock).activity("Executor.result");

  EXPECT_EQ(describe_wait(b.build(), task(40)), "an item of queue.Queue `jobs`");
  EXPECT_EQ(describe_wait(b.build(), task(41)), "the result of a Future");
}

TEST(DescribeWait, JoinsWhatAPollWaitsFor) {
  Builder b;
  b.process(40).fd(3, pipe(7)).fd(4, pipe(8)).thread().polls_in({3}).on(4, false, true);

  EXPECT_EQ(describe_wait(b.build(), task(40)), "data or EOF on pipe:[7] or room in pipe:[8]");
}

TEST(DescribeWait, OfSeveralPipesSaysOnceWhatIsWantedOfThem) {
  Builder b;
  b.process(40)
      .fd(3, pipe(7))
      .fd(4, pipe(8))
      .fd(5, pipe(9))
      .thread()
      .polls_in({3, 4})
      .on(5, false, true);

  EXPECT_EQ(describe_wait(b.build(), task(40)),
            "data or EOF on pipe:[7], pipe:[8] or room in pipe:[9]");
}

TEST(DescribeWait, NamesAFifoThatNobodyHasOpenByThePathOfTheCall) {
  Builder b;
  b.process(40).thread().waits(WaitKind::OpenFifo, "openat").wait().detail = "path jobs/ff";

  EXPECT_EQ(describe_wait(b.build(), task(40)), "somebody to open the other side of jobs/ff");
}

TEST(DescribeWait, AListenerGivesAConnection) {
  Builder b;
  b.process(40).fd(3, inet_socket(9)).thread().polls_in({3});
  b.object(inet_socket(9)).socket->state = "listen";

  EXPECT_EQ(describe_wait(b.build(), task(40)), "a connection on " + b.object(inet_socket(9)).name);
}

TEST(DescribeWait, WhoLooksAtItsOwnMemoryWaitsForAnotherThread) {
  Builder b;
  b.process(40).thread().futex(0, LockKind::Unknown).asked();

  EXPECT_EQ(describe_wait(b.build(), task(40)), "something that another thread does");
}

TEST(DescribeWait, SaysWhenItCouldNotBeSeen) {
  Builder b;
  b.process(40).thread();

  EXPECT_EQ(describe_wait(b.build(), task(40)), "something that could not be seen");
  EXPECT_EQ(describe_wait(b.build(), task(99)), "something that could not be seen");
}

}  // namespace
}  // namespace ipcdoctor::diagnosis
