#include <gtest/gtest.h>

#include "probes/internal/ask.h"

namespace ipcdoctor::probes {

extern const diagnosis::Probe kUnsharedPrimitive;

namespace {

using namespace snapshot::testing;
using diagnosis::Outcome;
using snapshot::LockKind;
using testing::ask;
using testing::blamed;
using testing::made;

TEST(UnsharedPrimitive, FindsAThreadQueueThatChildrenWereMeantToFill) {
  Builder b;
  b.process(40)
      .python()
      .thread()
      .futex(0x1000, LockKind::Condition)
      .activity("queue.Queue.get", made("queue.Queue", "q"));
  b.process(42).child_of(40).zombie();

  const auto answer = ask(kUnsharedPrimitive, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(UnsharedPrimitive, AnEventThatAHandlerSetsIsForNoOtherProcess) {
  Builder b;
  auto event = made("threading.Event", "done");
  event.address = RemoteAddr{0x4000};
  b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  b.process(40).activity("threading.Event.wait", event);
  b.process(42).child_of(40).zombie();
  ASSERT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::Found);

  snapshot::Effects sets = snapshot::effects_of(snapshot::kReleases, "sets an event");
  sets.releases = {0x4000};
  b.process(40).process().handlers =
      std::vector<snapshot::Handler>{{17, false, false, "on_child", sets}};
  EXPECT_NE(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::Found);
}

TEST(UnsharedPrimitive, AWorkerOfANativePoolIsNotWhoShouldFillTheQueue) {
  Builder b;
  auto main = b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  main.activity("queue.Queue.get", made("queue.Queue", "q"));
  b.process(42).child_of(40).zombie();
  main.thread(41).futex(0x2000, LockKind::Condition);
  EXPECT_EQ(blamed(ask(kUnsharedPrimitive, b.build())), "40");

  main.thread(41).futex(0x2000, LockKind::Condition).activity("threading.Condition.wait");
  EXPECT_NE(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::Found);
}

TEST(UnsharedPrimitive, FindsAnEventThatTheParentHasAnotherCopyOf) {
  Builder b;
  b.process(40).python().thread().waits_for_child(42).activity("multiprocessing.Process.join");
  auto child = b.process(42).child_of(40).python().thread().futex(0x1000, LockKind::Condition);
  child.activity("threading.Event.wait", made("threading.Event", "go"));
  child.process().forked_copy = true;

  const auto answer = ask(kUnsharedPrimitive, b.build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Likely);

  child.process().interpreter.objects = {
      made("threading.Thread", "setter",
           {{snapshot::Number::Started, 1}, {snapshot::Number::Alive, 0}})};
  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).findings[0].strength, diagnosis::Strength::Possible);
}

/// A parent waits for an event of threads; its forked child serves clients.
Builder server_with_a_copy(int set_in_child) {
  Builder b;
  auto event = made("threading.Event", "up");
  event.address = RemoteAddr{0x7000};
  b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  b.process(40).activity("threading.Event.wait", event);
  b.process(42).child_of(40).python().fd(3, unix_socket(1)).thread().accepts(3);
  b.object(unix_socket(1)).socket->state = "listen";
  event.numbers.set(snapshot::Number::Set, set_in_child);
  b.process(42).process().forked_copy = true;
  b.process(42).process().interpreter.objects = {event};
  return b;
}

TEST(UnsharedPrimitive, FindsAnEventThatTheChildHasSetInItsOwnCopy) {
  const auto answer = ask(kUnsharedPrimitive, server_with_a_copy(1).build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(answer.findings[0].strength, diagnosis::Strength::Read);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(UnsharedPrimitive, AParkedParentOfAServerIsAtRest) {
  EXPECT_NE(ask(kUnsharedPrimitive, server_with_a_copy(0).build()).outcome, Outcome::Found);
}

TEST(UnsharedPrimitive, WhereAThreadHasEndedItMayHaveBeenMeantToPut) {
  Builder b;
  auto thread = made("threading.Thread", "collect");
  thread.numbers = {{snapshot::Number::Started, 1}, {snapshot::Number::Alive, 0}};
  auto parent = b.process(40).python().thread().futex(0x1000, LockKind::Condition);
  parent.activity("queue.Queue.get", made("queue.Queue", "q"));
  b.process(42).child_of(40).zombie();
  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).findings[0].strength, diagnosis::Strength::Likely);

  parent.process().interpreter.objects = {thread};
  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).findings[0].strength, diagnosis::Strength::Possible);
}

/// A spawned child waits for its event `go`; its parent has an event of that name, or of another.
Builder spawned_child(const std::string& name_in_parent) {
  Builder b;
  auto parent = b.process(40).python().thread().waits_for_child(42);
  parent.activity("multiprocessing.Process.join");
  parent.process().interpreter.objects = {made("threading.Event", name_in_parent)};
  auto child = b.process(42).child_of(40).python().thread().futex(0x1000, LockKind::Condition);
  child.activity("threading.Event.wait", made("threading.Event", "go"));
  child.process().forked_copy = false;
  return b;
}

TEST(UnsharedPrimitive, FindsAnEventThatASpawnedChildMadeAgain) {
  const auto answer = ask(kUnsharedPrimitive, spawned_child("go").build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "40");
}

TEST(UnsharedPrimitive, IgnoresAnEventOfAnotherNameInTheParent) {
  EXPECT_EQ(ask(kUnsharedPrimitive, spawned_child("done").build()).outcome, Outcome::NotFound);
}

TEST(UnsharedPrimitive, IgnoresAQueueBetweenThreads) {
  Builder b;
  auto p = b.process(40)
               .python()
               .thread()
               .futex(0x1000, LockKind::Condition)
               .activity("queue.Queue.get", made("queue.Queue", "q"));
  p.thread(41).futex(0x2000, LockKind::Condition).activity("threading.Event.wait");
  b.process(42).child_of(40).zombie();

  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::NotFound);
}

TEST(UnsharedPrimitive, IgnoresAProgramWithoutChildren) {
  Builder b;
  b.process(40)
      .python()
      .thread()
      .futex(0x1000, LockKind::Condition)
      .activity("queue.Queue.get", made("queue.Queue", "q"));

  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::NotFound);
}

TEST(UnsharedPrimitive, IgnoresASemaphoreThatTheHandlerOfSigchldPosts) {
  Builder b;
  auto p = b.process(40).thread().futex(0x1000, LockKind::Semaphore);
  b.process(42).child_of(40).zombie();
  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::Found);

  p.last().signals->caught = std::uint64_t{1} << 16U;
  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::NotFound);
}

/// Two processes share a mutex; the wait says whether it was made for that.
Builder mutex_in_shared_memory(std::int64_t pshared) {
  Builder b;
  b.process(40).thread().waits_for_child(42);
  b.process(42).child_of(40).thread().shared_futex(9, LockKind::Mutex);
  b.process(42).lock().numbers.set(snapshot::LockNumber::Pshared, pshared);
  b.area(9, {40, 42});
  return b;
}

TEST(UnsharedPrimitive, FindsAMutexInSharedMemoryThatWasMadeForThreads) {
  const auto answer = ask(kUnsharedPrimitive, mutex_in_shared_memory(0).build());

  ASSERT_EQ(answer.outcome, Outcome::Found);
  EXPECT_EQ(blamed(answer), "42 40");
}

TEST(UnsharedPrimitive, IgnoresOneThatWasMadeForProcesses) {
  EXPECT_EQ(ask(kUnsharedPrimitive, mutex_in_shared_memory(1).build()).outcome, Outcome::NotFound);
}

TEST(UnsharedPrimitive, IgnoresOneThatOnlyThreadsOfOneProcessMap) {
  Builder b = mutex_in_shared_memory(0);
  b.raw().shared_areas.clear();
  b.area(9, {42});

  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::NotFound);
}

TEST(UnsharedPrimitive, IsInconclusiveWhenTheFutexIsUnknown) {
  Builder b;
  b.process(40).thread().futex(0x1000);

  EXPECT_EQ(ask(kUnsharedPrimitive, b.build()).outcome, Outcome::Inconclusive);
}

}  // namespace
}  // namespace ipcdoctor::probes
