#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "diagnosis/probe.h"
#include "snapshot/testing.h"

namespace ipcdoctor::diagnosis {
namespace {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder
using ::testing::ElementsAre;

extern const Probe kWeak, kStrong, kFallback, kAboutLive, kBlind;

Finding about_first_set(const Context& context, const Probe& probe, Strength strength) {
  Finding finding = start_finding(context, probe, 0);
  finding.strength = strength;
  return finding;
}

const Probe kWeak{
    "IPC901", "weak", "", [](const Context& c) {
      return Answer{Outcome::Found, {about_first_set(c, kWeak, Strength::Possible)}, {}};
    }};
const Probe kStrong{
    "IPC902", "strong", "", [](const Context& c) {
      return Answer{Outcome::Found, {about_first_set(c, kStrong, Strength::Read)}, {}};
    }};
const Probe kFallback{
    "IPC900", "fallback", "", [](const Context& c) {
      return Answer{Outcome::Found, {about_first_set(c, kFallback, Strength::None)}, {}};
    }};
const Probe kAboutLive{
    "IPC903", "live", "", [](const Context& c) {
      const std::array stuck = {task(40)};
      return Answer{Outcome::Found, {start_finding(c, kAboutLive, Verdict::Waiting, stuck)}, {}};
    }};
const Probe kBlind{"IPC904", "blind", "", [](const Context&) {
                     return Answer{Outcome::Inconclusive, {}, {Error{Cause::Denied, 13, "read x"}}};
                   }};

Diagnosis diagnosis_of(const Builder& b, std::vector<const Probe*> probes) {
  const Snapshot snapshot = b.build();
  const graph::WaitGraph graph(snapshot);
  return diagnose({snapshot, graph}, probes);
}

Builder deadlock() {
  Builder b;
  b.process(40).fd(3, pipe(7)).thread().at("/src/app.py", 9, "consume").reads(3);
  return b;
}

/// To blame for the first set: that process.
template <int kPid>
Answer blames(const Context& context, const Probe& probe, Strength strength) {
  Finding finding = about_first_set(context, probe, strength);
  finding.culprits.emplace_back().task = task(kPid);
  return Answer{Outcome::Found, {finding}, {}};
}
extern const Probe kBlamesRunner, kBlamesTest;
const Probe kBlamesRunner{"IPC905", "runner", "", [](const Context& c) {
                            return blames<40>(c, kBlamesRunner, Strength::Read);
                          }};
const Probe kBlamesTest{"IPC906", "test", "", [](const Context& c) {
                          return blames<42>(c, kBlamesTest, Strength::Possible);
                        }};

/// 40 runs tests and waits for the one in 41, which waits for its own child.
Snapshot runner_and_test() {
  Builder b;
  b.process(40).fd(3, pipe(7)).thread().reads(3);
  b.process(41).child_of(40).fd(4, pipe(7)).fd(5, pipe(8)).thread().reads(5);
  b.process(42).child_of(41).fd(6, pipe(8)).thread().futex(0x1000, LockKind::UnownedLock);
  Snapshot snapshot = b.build();
  snapshot.targets = {Pid{41}};
  return snapshot;
}

TEST(Diagnose, OfWhatIsOverdueACauseBelowItLeads) {
  Snapshot snapshot = runner_and_test();
  const graph::WaitGraph graph(snapshot);
  const std::array probes = {&kBlamesRunner, &kBlamesTest};
  ASSERT_EQ(diagnose({snapshot, graph}, probes).findings.at(0).slug, "runner");

  snapshot.overdue = true;

  EXPECT_EQ(diagnose({snapshot, graph}, probes).findings.at(0).slug, "test");
}

extern const Probe kGuesses;
const Probe kGuesses{"IPC907", "guess", "", [](const Context&) {
                       Finding finding;
                       finding.slug = "guess";
                       finding.verdict = Verdict::Waiting;
                       finding.unless = {"somebody helps"};
                       finding.stuck.emplace_back().task = task(40);
                       return Answer{Outcome::Found, {finding}, {}};
                     }};

TEST(Diagnose, OfWhatIsOverdueAGuessAboutItsCallersIsNotTold) {
  Snapshot snapshot = runner_and_test();
  const graph::WaitGraph graph(snapshot);
  const std::array probes = {&kGuesses};
  ASSERT_EQ(diagnose({snapshot, graph}, probes).findings.size(), 1U);

  snapshot.overdue = true;
  EXPECT_TRUE(diagnose({snapshot, graph}, probes).findings.empty());

  snapshot.targets = {Pid{40}};
  EXPECT_EQ(diagnose({snapshot, graph}, probes).findings.size(), 1U);
}

TEST(Diagnose, TheStrongestOfASetLeadsAndNamesTheOthers) {
  const Diagnosis result = diagnosis_of(deadlock(), {&kFallback, &kWeak, &kStrong});

  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].slug, "strong");
  EXPECT_THAT(result.findings[0].also, ElementsAre("weak"));
  EXPECT_EQ(result.verdict, Verdict::Deadlock);
  EXPECT_EQ(result.findings[0].grade, Grade::Proved);
}

TEST(Diagnose, AFindingOfASetHasStuckTasksAndEvidence) {
  const Finding finding = diagnosis_of(deadlock(), {&kWeak}).findings.at(0);

  ASSERT_EQ(finding.stuck.size(), 1U);
  EXPECT_EQ(finding.stuck[0].where, "app.py:9");
  EXPECT_EQ(finding.stuck[0].function, "consume");
  EXPECT_EQ(finding.stuck[0].waits_for, "data or EOF on pipe:[7]");
  ASSERT_FALSE(finding.evidence.empty());
  EXPECT_EQ(finding.evidence[0].source, "/proc/40/syscall");
}

TEST(Diagnose, WhatMerelyWaitsIsDroppedBesideADeadlock) {
  Builder b = deadlock();

  EXPECT_EQ(diagnosis_of(b, {&kStrong, &kAboutLive}).findings.size(), 1U);
  EXPECT_EQ(diagnosis_of(b, {&kAboutLive}).verdict, Verdict::Waiting);
}

TEST(Diagnose, KeepsEachMissingFactOnce) {
  EXPECT_EQ(diagnosis_of(deadlock(), {&kBlind, &kBlind}).inconclusive.size(), 1U);
}

TEST(Diagnose, WithoutFindingsATreeRunsWaitsOrWasNotSeen) {
  Builder running, waiting, unseen;
  running.process(40).thread().waits_for_child(41);
  running.process(41).child_of(40).thread().runs();
  waiting.process(40).thread().sleeps();
  unseen.process(40).thread().last().wait = Error{Cause::Denied, 13, "read /proc/40/syscall"};

  EXPECT_EQ(diagnosis_of(running, {}).verdict, Verdict::Running);
  EXPECT_EQ(diagnosis_of(waiting, {}).verdict, Verdict::Waiting);
  EXPECT_EQ(diagnosis_of(unseen, {}).verdict, Verdict::Inconclusive);
}

TEST(Culprit, StandsWhereItsFirstThreadStandsAndIsDeadWhenGone) {
  const Snapshot snapshot = deadlock().build();

  EXPECT_EQ(culprit(snapshot, {Pid{40}, Tid{0}}, 3, "why").where, "app.py:9");
  EXPECT_FALSE(culprit(snapshot, task(40), 3, "why").dead);
  EXPECT_TRUE(culprit(snapshot, task(77), -1, "why").dead);
}

}  // namespace
}  // namespace ipcdoctor::diagnosis
