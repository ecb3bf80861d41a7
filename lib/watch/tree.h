#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/record_files.h"

namespace ipcdoctor::watch {

/// A thread of the tree as one cheap look sees it, which wakes nobody.
struct TreeThread {
  Pid pid;
  Tid tid;
  std::uint64_t start_ticks = 0;  ///< of the process: tells a reused pid
  std::uint64_t ran =
      0;  ///< grows whenever it runs: nanoseconds of /proc/TID/schedstat, or its switches
  bool runs = false;  ///< its process was in state R
  friend auto operator<=>(const TreeThread&, const TreeThread&) = default;
};

/// All threads of `roots` and their descendants, sorted by pid and tid; zombies left out. Processes
/// that come or go meanwhile may be missed. @return the Error of /proc itself
/// @param files  of /proc, kept from look to look
Result<std::vector<TreeThread>> read_tree(const std::vector<Pid>& roots, linux::RecordFiles& files);

/// Sends `signal` to each process of the tree but the excluded one. Gone ones are skipped. @return
/// how many got it
int signal_tree(const std::vector<Pid>& roots, int signal, Pid except);

}  // namespace ipcdoctor::watch
