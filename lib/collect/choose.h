#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "collect/collect.h"

namespace ipcdoctor::collect {

/// Processes by what they are, as their numbers differ from host to host. Each that is given must
/// fit.
struct Choice {
  std::string program;  ///< name of the executable, of the process, or of the script of an
                        ///< interpreter
  std::vector<std::pair<std::string, std::string>> variables;  ///< of its environment

  bool is_empty() const { return program.empty() && variables.empty(); }
};

/// Never ourselves, an ancestor of ours, or one that collect() would refuse; ascending. None is no
/// error. @return TimedOut, or Denied where all that fit are somebody else's
Result<std::vector<Pid>> find_targets(const Choice& choice, const Options& options);

}  // namespace ipcdoctor::collect
