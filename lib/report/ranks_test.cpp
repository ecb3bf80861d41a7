#include "report/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "snapshot/testing.h"

namespace ipcdoctor::report {
namespace {

using snapshot::testing::Builder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Ranks 0, 1 and 3 of five at a barrier, rank 2 elsewhere, rank 4 on a host that nobody looked at.
Builder five_ranks() {
  Builder b;
  for (int rank = 0; rank < 4; ++rank) {
    auto process = b.process(40 + rank).thread();
    if (rank == 2)
      process.sleeps().at("train.py", 5, "load");
    else
      process.waits(snapshot::WaitKind::Futex, "futex").at("train.py", 7, "step");
    process.process().rank = {"job", rank, 5, "RANK"};
  }
  return b;
}

TEST(RollCall, GroupsRanksByWhereTheyAre) {
  EXPECT_THAT(
      roll_call_lines(five_ranks().build()),
      ElementsAre("3 of 5, ranks 0-1 3: train.py:7 in step: futex",
                  "rank 2, app[42]: train.py:5 in load: clock_nanosleep", "rank 4: not looked at"));
}

TEST(RollCall, NamesTheCallOfTheLibraryThatTheUsersLineIsIn) {
  Builder b = five_ranks();
  for (const int pid : {40, 41, 43}) {
    snapshot::Frame frame;
    frame.kind = snapshot::FrameKind::Interpreted;
    frame.function = "all_reduce";
    frame.file = "/usr/lib/python3/torch/distributed.py";
    frame.line = 2;
    auto& frames = *b.process(pid).last().interpreted;
    frames.insert(frames.begin(), frame);
  }

  EXPECT_EQ(roll_call_lines(b.build())[0],
            "3 of 5, ranks 0-1 3: all_reduce at train.py:7 in step: futex");
}

TEST(RollCall, TheLauncherOfARankIsNotTheRank) {
  Builder b;
  for (int rank = 0; rank < 2; ++rank) {
    b.process(40 + 10 * rank).thread().waits_for_child(41 + 10 * rank);
    b.process(41 + 10 * rank).child_of(40 + 10 * rank).thread().sleeps().at("a.py", 3, "f");
    b.process(42 + 10 * rank).child_of(41 + 10 * rank).thread().sleeps().at("b.py", 4, "worker");
    for (int i = 0; i < 3; ++i)
      b.process(40 + 10 * rank + i).process().rank = {"job", rank, 2, "RANK"};
  }

  EXPECT_THAT(roll_call_lines(b.build()),
              ElementsAre("2 of 2, ranks 0-1: a.py:3 in f: clock_nanosleep"));
}

TEST(RollCall, IsSilentWhereNobodyHasARank) {
  Builder b;
  b.process(40).thread().sleeps();

  EXPECT_THAT(roll_call_lines(b.build()), IsEmpty());
}

}  // namespace
}  // namespace ipcdoctor::report
