#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kLockOrderCycle;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::FileLock;
using snapshot::LockKind;
using snapshot::Ownership;
using testing::ask;
using testing::blamed;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::made;
using ::testing::Not;

constexpr std::uint64_t kWhole = ~std::uint64_t{0};  // to the end of the file

TEST(LockOrderCycle, FindsTwoThreadsThatHoldEachOthersMutex) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});

  const auto answer = ask(kLockOrderCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40 40");
}

TEST(LockOrderCycle, DoesNotTakeTwoLocksOfOneNameForTheSame) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40, 41)});
  p.wait().futex.lock.name = "a mutex on the heap";
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});
  p.wait().futex.lock.name = "a mutex on the heap";

  const diagnosis::Finding finding = ask(kLockOrderCycle, b.build()).findings.at(0);

  for (const diagnosis::Culprit& culprit : finding.culprits)
    EXPECT_THAT(culprit.why, EndsWith("holds a mutex on the heap and waits for another one"));
  EXPECT_THAT(finding.fix, Not(HasSubstr("for example")));
}

TEST(LockOrderCycle, BlamesTheClientsInWhoseNameAManagerWaits) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto p = b.process(40).fd(3, unix_socket(1)).thread(40).futex(0x1000, LockKind::Mutex);
  p.owned_by({task(40, 41)});
  p.as(snapshot::Part::Server);
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});
  p.as(snapshot::Part::Server);
  for (const int pid : {50, 51})
    b.process(pid).fd(3, unix_socket(2)).thread().reads(3).activity("Manager.call");

  EXPECT_EQ(blamed(ask(kLockOrderCycle, b.build())), "50 51");
}

TEST(LockOrderCycle, FindsTasksThatHoldEachOthersLocks) {
  Builder b;
  b.connect(unix_socket(1), unix_socket(2));
  auto loop = b.process(40).python().fd(3, unix_socket(1)).fd(4, unix_socket(2)).thread();
  loop.polls_in({3}).activity("asyncio.Lock.acquire",
                              made("asyncio.Lock", "a", {{snapshot::Number::Ring, 2}}));

  EXPECT_EQ(blamed(ask(kLockOrderCycle, b.build())), "40");

  loop.activity("asyncio.Lock.acquire", made("asyncio.Lock", "a"));
  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::NotFound);
}

TEST(LockOrderCycle, FindsTwoThatTookEachOthersSystemVSemaphore) {
  const auto waits_for = [](Builder& b, int pid, int number) {
    b.process(pid).waits(snapshot::WaitKind::SysvSem, "semop").wait().sysv = {3, {{number, -1}}};
  };
  Builder b;
  b.process(40).thread();
  b.process(41).child_of(40).thread();
  waits_for(b, 40, 1);
  waits_for(b, 41, 0);
  b.raw().sysv = {{"sem", 3, 0, {0, 0}, {Pid{40}, Pid{41}}, {Pid{40}, Pid{41}}}};

  const auto answer = ask(kLockOrderCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40 41");

  b.raw().sysv[0].last_pids = {Pid{40}, Pid{40}};  // one made both: a handshake
  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::NotFound);
}

TEST(LockOrderCycle, FindsScriptsWhoseCommandsWaitForEachOthersFileLock) {
  const snapshot::ObjectId first = file(8), second = file(9);
  Builder b;
  b.process(40).fd(8, first).fd(9, second).thread().waits_for_child(50);
  b.process(50).child_of(40).fd(8, first).fd(9, second).thread().file_lock(second, "flock");
  b.process(41).fd(8, first).fd(9, second).thread().waits_for_child(51);
  b.process(51).child_of(41).fd(8, first).fd(9, second).thread().file_lock(first, "flock");
  b.lock({first, "flock", true, 0, kWhole, Pid{48}, {{Pid{40}, 8}, {Pid{50}, 8}}});
  b.lock({second, "flock", true, 0, kWhole, Pid{49}, {{Pid{41}, 9}, {Pid{51}, 9}}});

  const auto answer = ask(kLockOrderCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "41 40");
}

TEST(LockOrderCycle, IgnoresACommandThatWaitsForTheOneLockOfItsScript) {
  const snapshot::ObjectId lock = file(8);
  Builder b;
  b.process(40).fd(8, lock).thread().waits_for_child(50);
  b.process(50).child_of(40).thread().file_lock(lock, "flock");
  b.lock({lock, "flock", true, 0, kWhole, Pid{40}, {{Pid{40}, 8}}});

  EXPECT_NE(ask(kLockOrderCycle, b.build()).outcome, Outcome::Found);
}

TEST(LockOrderCycle, NamesASharedLockAsEachOfThemKnowsIt) {
  Builder b;
  const auto add = [&b](int pid, std::uint64_t held, std::uint64_t wanted) {
    auto p = b.process(pid).python().thread().at("/src/app.py", 9, "mover");
    p.shared_futex(wanted, LockKind::SharedSemaphore)
        .lock()
        .numbers.set(snapshot::LockNumber::Max, 1);
    p.wait().futex.lock.likely_owners = {task(pid == 40 ? 41 : 40)};
    p.activity("multiprocessing.Lock.acquire",
               made("multiprocessing.Lock", "b", testing::Numbers{}));
    snapshot::RuntimeObject outer = made("multiprocessing.Lock", "a", testing::Numbers{}),
                            inner = outer;
    inner.type = "multiprocessing.SemLock";
    inner.name = "a._semlock";
    inner.numbers = {{snapshot::Number::PageDev, 1},
                     {snapshot::Number::PageIno, static_cast<int>(held)},
                     {snapshot::Number::PageOffset, 0}};
    p.process().interpreter.objects = {outer, inner};
  };
  add(40, 7, 8);
  add(41, 8, 7);
  b.process(41).child_of(40);
  b.area(7, {40, 41}).area(8, {40, 41});

  const auto answer = ask(kLockOrderCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].culprits[0].why,
            "most likely holds multiprocessing.Lock `a` and waits for multiprocessing.Lock `b`");
  EXPECT_NE(answer.findings[0].fix.find("given the same locks in different orders"),
            std::string::npos);
}

TEST(LockOrderCycle, FindsARingOfFileLocksAndNamesOnlyItsMembers) {
  Builder b;
  b.process(40).thread().waits_for_children({41, 42, 43});
  for (int i = 0; i < 3; ++i) {
    b.lock(FileLock{file(100 + static_cast<unsigned>(i)),
                    "posix",
                    true,
                    0,
                    ~std::uint64_t{0},
                    Pid{41 + i},
                    {{Pid{41 + i}, -1}}});
    b.object(file(100 + static_cast<unsigned>(i)));
    b.process(41 + i).child_of(40).thread().file_lock(
        file(100 + static_cast<unsigned>((i + 1) % 3)), "posix");
  }

  const auto answer = ask(kLockOrderCycle, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "41 42 43");
}

TEST(LockOrderCycle, TellsAnUpgradeOfSharedLocksFromPartsOfOneFile) {
  const auto fix_of_two_with = [](bool exclusive) {
    Builder b;
    b.object(file(100));
    for (const int pid : {41, 42}) {
      const std::uint64_t start = exclusive && pid == 42 ? 10 : 0;
      b.lock(FileLock{file(100), "posix", exclusive, start, start + 9, Pid{pid}, {{Pid{pid}, -1}}});
      b.process(pid).thread().file_lock(file(100), "posix");
    }
    return ask(kLockOrderCycle, b.build()).findings.at(0).fix;
  };

  EXPECT_THAT(fix_of_two_with(false), HasSubstr("release the shared lock"));
  EXPECT_THAT(fix_of_two_with(true), HasSubstr("Lock the parts of the file in the same order"));
}

TEST(LockOrderCycle, FindsASecondReadBehindAWaitingWriter) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::RwlockRead);
  p.lock().numbers = {{snapshot::LockNumber::Readers, 1}};
  p.thread(41).futex(0x100c, LockKind::RwlockWrite);
  p.lock().address = RemoteAddr{0x1000};

  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::Found);
}

TEST(LockOrderCycle, FindsAReaderAndAWriterThoughReadersAreOnlyCounted) {
  const auto with_readers = [](int readers) {
    Builder b;
    auto p = b.process(40).thread().futex(0x2000, LockKind::Mutex).owned_by({task(40, 41)});
    p.thread(41).futex(0x100c, LockKind::RwlockWrite);
    p.lock().address = RemoteAddr{0x1000};
    p.lock().numbers = {{snapshot::LockNumber::Readers, readers}};
    return ask(kLockOrderCycle, b.build());
  };

  const auto answer = with_readers(1);

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40 40");
  EXPECT_NE(answer.findings[0].title.find("most likely"), std::string::npos);
  EXPECT_EQ(with_readers(0).outcome, Outcome::NotFound);
}

TEST(LockOrderCycle, IgnoresATaskThatWaitsForItself) {
  Builder b;
  b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40)});

  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::NotFound);
}

TEST(LockOrderCycle, IgnoresALockWhoseHolderJoinsTheWaiter) {
  Builder b;
  auto p = b.process(40).thread().futex(0x3000, LockKind::ThreadJoin).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).owned_by({task(40)});

  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::NotFound);
}

TEST(LockOrderCycle, IsInconclusiveWhenAnOwnerCannotBeRead) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::Mutex).owned_by({task(40, 41)});
  p.thread(41).futex(0x2000, LockKind::Mutex).lock().ownership = Ownership::Unreadable;

  EXPECT_EQ(ask(kLockOrderCycle, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
