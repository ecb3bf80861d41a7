#pragma once

#include <chrono>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "report/report.h"

namespace ipcdoctor::report {

/// A process below its parent, or alike ones of alike parents. All text is safe to print.
struct TreeLine {
  struct Threads {
    std::vector<snapshot::TaskRef> tasks;
    std::string where;  ///< "app.py:9 in f"; may be empty
    std::string does;   ///< "waits for data or EOF on pipe:[7]", "runs", of the first
    graph::Level level = graph::Level::Live;
    bool is_stuck = false, is_culprit = false;  ///< a finding says so
  };
  std::size_t depth = 0;
  std::vector<Pid> pids;
  std::string label;  ///< "python3[42]", "python3[42] and 9 more"
  std::string state;  ///< "dead", or empty
  std::vector<Threads> threads;
};

enum class Likeness { Folded, Each };

/// All that was looked into, parents first. Alike: the same program at the same places, waiting for
/// the same kind of thing, with alike children.
std::vector<TreeLine> tree_lines(const Report& report, Likeness likeness);

struct TreeText {
  std::size_t width = 80;  ///< columns
  Likeness likeness = Likeness::Folded;
  /// Since how many seconds, at least, a thread has not run; may be empty.
  std::map<snapshot::TaskRef, std::chrono::seconds> still = {};
};

/// A line a process, with what its main thread waits for, and one for each other thread.
void write_tree(std::ostream& out, const Report& report, const TreeText& options);

/// "3-5 9": the numbers in order; "3-5 ..." where they are more than `most` bytes.
std::string ranges_of(std::vector<int> numbers, std::size_t most = std::string::npos);

}  // namespace ipcdoctor::report
