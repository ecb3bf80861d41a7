#pragma once

#include <string>
#include <vector>

#include "snapshot/snapshot.h"

namespace ipcdoctor::report {

/// Ranks of one parallel program that are in the same call at the same line.
struct RankGroup {
  std::vector<int> ranks;  ///< ascending
  Pid first;               ///< the process of the lowest
  std::string where;       ///< "all_reduce at train.py:7 in step"; "" if not known
  std::string state;       ///< "runs", "futex(...)"; "" for ranks that were not looked at
};

/// The roll call of one parallel program: the largest group first, at the end those that are in no
/// snapshot.
struct RollCall {
  int size = 0;
  std::vector<RankGroup> groups;
};

/// One for each program of which at least two ranks are known or there should be more. What a rank
/// is in is that of its main thread.
std::vector<RollCall> roll_calls(const snapshot::Snapshot& snapshot);

/// "2 of 3 ranks (0-1) are in all_reduce at train.py:7 in step; rank 2 is elsewhere: ..." as lines,
/// not wrapped. Safe to print.
std::vector<std::string> roll_call_lines(const snapshot::Snapshot& snapshot);

}  // namespace ipcdoctor::report
