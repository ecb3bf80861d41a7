#include "diagnosis/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/renumber.h"
#include "snapshot/testing.h"

namespace ipcdoctor::diagnosis {
namespace {

using namespace snapshot;           // NOLINT: the words of a hand-made snapshot
using namespace snapshot::testing;  // NOLINT: its builder
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr int kFirst = 1000;

/// A parent and `count` children, each of which reads a pipe; `pipe_of` says which.
template <class PipeOf>
Builder readers(int count, const PipeOf& pipe_of) {
  Builder b;
  std::vector<int> children;
  for (int i = 1; i <= count; ++i) children.push_back(kFirst + i);
  b.process(kFirst).comm("parent").thread().waits_for_children(children);
  for (const int pid : children) {
    const ObjectId id = pipe(static_cast<std::uint64_t>(pipe_of(pid - kFirst)));
    b.process(pid).comm("reader").child_of(kFirst).fd(3, id, Access::Read).thread().reads(3);
    b.process(pid).fd(4, id, Access::Write);
  }
  return b;
}

/// What was kept, with the snapshot and the graph that it refers to.
struct Folded {
  explicit Folded(const Builder& b) : snapshot(b.build()), graph(snapshot) {}
  Snapshot snapshot;
  graph::WaitGraph graph;
  std::optional<Fold> fold = diagnosis::fold({snapshot, graph});
};

TEST(Fold, LeavesASmallProgramWhole) {
  EXPECT_FALSE(Folded(readers(40, [](int) { return 7; })).fold);
}

TEST(Fold, KeepsSomeOfTheReadersOfOnePipe) {
  const Folded folded(readers(500, [](int) { return 7; }));

  ASSERT_TRUE(folded.fold);
  EXPECT_LT(folded.fold->snapshot->processes.size(), 80U);
  EXPECT_EQ(folded.fold->graph->stuck_sets().size(), 1U);
}

TEST(Fold, ReadersOfAPipeEachAreAlikeToo) {
  const Folded folded(readers(500, [](int i) { return 10 + i; }));

  ASSERT_TRUE(folded.fold);
  EXPECT_LT(folded.fold->snapshot->processes.size(), 80U);
}

TEST(Fold, WhoHasALockIsKept) {
  Builder b = readers(500, [](int) { return 7; });
  auto odd = b.process(kFirst + 400);
  odd.thread(5000).futex(0x4000, LockKind::Mutex).owned_by({task(kFirst + 400)});

  const Folded folded(b);

  ASSERT_TRUE(folded.fold);
  EXPECT_NE(find_thread(*folded.fold->snapshot, task(kFirst + 400)), nullptr);
  EXPECT_NE(find_thread(*folded.fold->snapshot, task(kFirst + 400, 5000)), nullptr);
}

TEST(Fold, TheOneWhoLivesIsKeptAndSoAllLive) {
  Builder b = readers(500, [](int) { return 7; });
  b.process(kFirst + 499).last().wait->kind = WaitKind::Sleep;

  const Folded folded(b);

  ASSERT_TRUE(folded.fold);
  EXPECT_EQ(folded.fold->graph->level(task(kFirst + 1)), graph::Level::Live);
  EXPECT_NE(find_process(*folded.fold->snapshot, Pid{kFirst + 499}), nullptr);
}

TEST(Fold, TheOnlyWriterIsKept) {
  Builder b = readers(500, [](int) { return 7; });
  for (int i = 1; i <= 500; ++i)
    if (i != 444) b.process(kFirst + i).process().fds->pop_back();

  const Folded folded(b);

  ASSERT_TRUE(folded.fold);
  EXPECT_NE(find_process(*folded.fold->snapshot, Pid{kFirst + 444}), nullptr);
}

TEST(Fold, AThousandEqualDeadlocksAreAFewSetsAndTheirLike) {
  Builder b;
  b.process(kFirst).comm("parent").thread().runs();
  for (int i = 1; i <= 2000; i += 2) {
    const ObjectId to = pipe(static_cast<std::uint64_t>(i)),
                   from = pipe(5000U + static_cast<std::uint64_t>(i));
    b.process(kFirst + i)
        .comm("a")
        .child_of(kFirst)
        .fd(3, to, Access::Read)
        .fd(4, from, Access::Write)
        .thread()
        .reads(3);
    b.process(kFirst + i + 1)
        .comm("b")
        .child_of(kFirst)
        .fd(3, from, Access::Read)
        .fd(4, to, Access::Write)
        .thread()
        .reads(3);
  }

  const Folded folded(b);

  EXPECT_THAT(folded.graph.stuck_sets(), SizeIs(1000));
  ASSERT_TRUE(folded.fold);
  std::size_t sets = folded.fold->whole_set_of.size();
  for (const auto& alike : folded.fold->alike_sets) sets += alike.size();
  EXPECT_EQ(sets, 1000U);
  EXPECT_LT(folded.fold->whole_set_of.size(), 40U);
}

TEST(Fold, HostsThatHangAlikeAreAFewSetsAndTheirLike) {
  Builder b;
  std::vector<Host> hosts;
  for (int h = 0; h < 200; ++h) {
    const int first = kFirstJoined + 10 * h;
    const auto tag = static_cast<std::uint64_t>(h + 1) << kPlaceBits;
    const ObjectId id = pipe(static_cast<std::uint64_t>(h + 1));
    b.process(first).comm("parent").thread().waits_for_children({first + 1});
    b.process(first + 1).comm("reader").child_of(first).fd(3, id, Access::Read);
    b.process(first + 1).fd(4, id, Access::Write).thread().reads(3);
    b.process(first).process().scope = Scope::Target;
    for (const int pid : {first, first + 1}) {
      b.process(pid).process().pid_ns = tag + 7;
      b.process(pid).process().ns_pid = 42 + pid - first;
    }
    Host host;
    host.name = "h" + std::to_string(h);
    host.first = first;
    host.numbers = {42, 43};
    hosts.push_back(host);
    b.raw().targets.push_back(Pid{first});
  }
  b.raw().hosts = hosts;

  const Folded folded(b);

  EXPECT_THAT(folded.graph.stuck_sets(), SizeIs(200));
  ASSERT_TRUE(folded.fold);
  EXPECT_LT(folded.fold->snapshot->processes.size(), 80U);
  for (const Pid pid : folded.fold->snapshot->targets)
    EXPECT_NE(find_process(*folded.fold->snapshot, pid), nullptr);
  EXPECT_THAT(folded.fold->snapshot->left_out, Not(IsEmpty()));
}

TEST(CountWithLeftOut, CountsAKindWholeOfWhichMostAreNamed) {
  const Folded folded(readers(500, [](int) { return 7; }));
  ASSERT_TRUE(folded.fold);
  const Snapshot& few = *folded.fold->snapshot;
  std::vector<Pid> readers;
  for (const Process& process : few.processes)
    if (process.comm == "reader") readers.push_back(process.pid);

  EXPECT_EQ(count_with_left_out(few, readers), 500U);
  EXPECT_EQ(count_with_left_out(few, std::vector<Pid>{readers.front()}), 1U);
}

}  // namespace
}  // namespace ipcdoctor::diagnosis
