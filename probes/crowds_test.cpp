#include <gtest/gtest.h>

#include <set>

#include "diagnosis/probe.h"
#include "probes/all_probes.h"
#include "probes/internal/crowds_for_tests.h"

/// What is said of a thousand alike tasks is what is said of a few.
namespace ipcdoctor::probes::testing {
namespace {

using diagnosis::Diagnosis;
using diagnosis::Finding;

Diagnosis diagnosis_of(const Snapshot& snapshot) {
  const graph::WaitGraph graph(snapshot);
  return diagnosis::diagnose({snapshot, graph}, all_probes());
}

template <class List>
std::size_t tasks_in(const List& list) {
  std::set<snapshot::TaskRef> tasks;
  for (const auto& entry : list) tasks.insert(entry.task);
  return tasks.size();
}

void expect_the_same(const Snapshot& few, const Snapshot& many, std::size_t more) {
  const Diagnosis small = diagnosis_of(few), large = diagnosis_of(many);
  ASSERT_EQ(small.findings.size(), 1U);
  ASSERT_EQ(large.findings.size(), 1U);
  const Finding &a = small.findings.front(), &b = large.findings.front();
  EXPECT_EQ(b.code, a.code);
  EXPECT_EQ(b.also, a.also);
  EXPECT_EQ(b.grade, a.grade);
  EXPECT_EQ(b.fix, a.fix);
  EXPECT_EQ(tasks_in(b.stuck), tasks_in(a.stuck) + more);
  EXPECT_EQ(b.stuck.size(), tasks_in(b.stuck));
  EXPECT_EQ(b.culprits.size(), tasks_in(b.culprits));
}

TEST(Crowds, ReadersOfAPipe) {
  expect_the_same(readers_of_a_pipe(40), readers_of_a_pipe(1000), 960);
}

TEST(Crowds, ThreadsAtAMutex) {
  expect_the_same(threads_at_a_mutex(40), threads_at_a_mutex(1000), 960);
}

TEST(Crowds, ConsumersOfAQueue) {
  expect_the_same(consumers_of_a_queue(40), consumers_of_a_queue(1000), 960);
}

TEST(Crowds, EachOfManyKindsHasItsFinding) {
  const Diagnosis diagnosis = diagnosis_of(many_kinds(1000, 10));

  ASSERT_EQ(diagnosis.findings.size(), 10U);
  for (const Finding& finding : diagnosis.findings) EXPECT_EQ(tasks_in(finding.culprits), 100U);
}

}  // namespace
}  // namespace ipcdoctor::probes::testing
