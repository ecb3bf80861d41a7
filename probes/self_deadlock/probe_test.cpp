#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kSelfDeadlock;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(SelfDeadlock, FindsAThreadThatOwnsTheMutexItWaitsFor) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(42)});

  const auto answer = ask(kSelfDeadlock, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42");
}

TEST(SelfDeadlock, FindsAFileLockOfItsOwnBesideOneWhoOnlySleeps) {
  Builder b;
  b.process(40).fd(3, file(9)).fd(4, file(9)).thread().file_lock(file(9), "flock");
  b.process(40).wait().file_lock.fd = 4;
  b.process(40).thread(41).sleeps();
  b.process(40).last().next = snapshot::effects_of(0, "sleeps");
  snapshot::FileLock held;
  held.file = file(9);
  held.type = "flock";
  held.exclusive = true;
  held.holders = {{Pid{40}, 3}};
  b.lock(held);

  const auto answer = ask(kSelfDeadlock, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(SelfDeadlock, FindsATaskThatAwaitsTheLockThatItHolds) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto loop = b.process(40).python().fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread();
  loop.polls_in({3}).activity("asyncio.Lock.acquire",
                              made("asyncio.Lock", "a", {{snapshot::Number::Ring, 1}}));

  const auto answer = ask(kSelfDeadlock, b.build());
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_EQ(answer.findings.at(0).fix.find("RLock"), std::string::npos) << "asyncio has none";

  loop.activity("asyncio.Lock.acquire", made("asyncio.Lock", "a", {{snapshot::Number::Ring, 2}}));
  EXPECT_EQ(ask(kSelfDeadlock, b.build()).outcome, Outcome::NotFound);
}

TEST(SelfDeadlock, FindsAShutdownInsideTheLoopThatItWaitsFor) {
  Builder b;
  auto p = b.process(42)
               .python()
               .thread()
               .futex(0x1000, LockKind::Condition)
               .activity("socketserver.shutdown");
  p.at("/app/app.py", 12, "handle");
  p.last().activity.object.texts.set(snapshot::Text::Enclosing,
                                     "serve_forever() of socketserver.py");

  const auto answer = ask(kSelfDeadlock, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].where, "app.py:12");
}

TEST(SelfDeadlock, IgnoresAShutdownFromAnotherThread) {
  Builder b;
  auto p = b.process(42)
               .python()
               .thread()
               .futex(0x1000, LockKind::Condition)
               .activity("socketserver.shutdown");
  p.at("/app/app.py", 12, "stop");

  EXPECT_EQ(ask(kSelfDeadlock, b.build()).outcome, Outcome::NotFound);
}

TEST(SelfDeadlock, IgnoresAForkedCopyThatCannotHaveTakenTheLock) {
  Builder b;
  auto child = b.process(42).thread().futex(0x1000, LockKind::UnownedLock);
  child.process().forked_copy = true;

  EXPECT_EQ(ask(kSelfDeadlock, b.build()).outcome, Outcome::NotFound);
}

TEST(SelfDeadlock, FindsTwoReadersThatBothWaitToWrite) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::RwlockWrite);
  p.lock().address = RemoteAddr{0x1000};
  p.lock().numbers = {{snapshot::LockNumber::Readers, 2}};
  p.thread(41).futex(0x1000, LockKind::RwlockWrite);
  p.lock().address = RemoteAddr{0x1000};
  p.lock().numbers = {{snapshot::LockNumber::Readers, 2}};

  const auto answer = ask(kSelfDeadlock, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_NE(answer.findings[0].title.find("of which it is itself the reader"), std::string::npos);
}

TEST(SelfDeadlock, IsLessSureOfAnUpgradeBesideOneThatMayBeTheReader) {
  const auto answer_beside = [](LockKind kind) {
    Builder b;
    auto p = b.process(40).thread().futex(0x1000, LockKind::RwlockWrite);
    p.lock().address = RemoteAddr{0x1000};
    p.lock().numbers = {{snapshot::LockNumber::Readers, 1}};
    p.thread(41).futex(0x2000, kind);
    return ask(kSelfDeadlock, b.build());
  };

  const auto idle = answer_beside(LockKind::Condition);
  ASSERT_EQ(idle.outcome, Outcome::Found);
  EXPECT_LT(idle.findings[0].strength, diagnosis::Strength::Read);
  EXPECT_EQ(answer_beside(LockKind::Semaphore).outcome, Outcome::NotFound);
}

TEST(SelfDeadlock, ThreadsOfALibraryReadUnderNoLockOfTheProgram) {
  const auto answer_beside = [](bool user_code) {
    Builder b;
    auto p = b.process(40).thread().futex(0x1000, LockKind::RwlockWrite);
    p.lock().address = RemoteAddr{0x1000};
    p.lock().numbers = {{snapshot::LockNumber::Readers, 1}};
    p.fd(3, pipe(1), snapshot::Access::Read).fd(4, pipe(1), snapshot::Access::Write);
    p.thread(41).reads(3);
    snapshot::Frame frame;
    frame.function = "io.Copy";
    frame.user_code = user_code;
    p.last().native = std::vector{frame};
    return ask(kSelfDeadlock, b.build());
  };

  EXPECT_EQ(answer_beside(false).outcome, Outcome::Found);
  EXPECT_EQ(answer_beside(true).outcome, Outcome::NotFound);
}

TEST(SelfDeadlock, IsLessSureOfALockThatAnEndedThreadMayHaveTaken) {
  Builder b;
  auto waiter = b.process(42).python().thread().futex(0x1000, LockKind::UnownedLock);
  waiter.lock().ownership = snapshot::Ownership::NotStored;
  waiter.at("/app/app.py", 6, "main");
  waiter.process().interpreter.ended_threads = 0;
  const auto alone = ask(kSelfDeadlock, b.build()).findings.at(0).strength;

  waiter.process().interpreter.ended_threads = 1;
  EXPECT_LT(ask(kSelfDeadlock, b.build()).findings.at(0).strength, alone);
}

TEST(SelfDeadlock, IsInconclusiveWhenTheFutexIsUnknown) {
  Builder b;
  b.process(42).thread().futex(0x1000);

  EXPECT_EQ(ask(kSelfDeadlock, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
