#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/ruby/vm.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::ruby {

struct Frame {
  std::string function;    ///< "probe", "block in probe"; of C's methods "read"; raw
  std::string file;        ///< raw; of C's methods "", as they have none
  int line = 0;            ///< 0 if unknown
  bool is_c = false;       ///< a method that is written in C
  std::uint64_t self = 0;  ///< whose method it is
};

/// The control frames of an execution context, innermost first, at most 512.
std::vector<Frame> read_frames(const Vm& vm, std::uint64_t context);

/// As the snapshot has them: C's methods are at the line of their caller, as in Ruby's own
/// backtraces.
std::vector<snapshot::Frame> told(const std::vector<Frame>& frames);

}  // namespace ipcdoctor::runtime::ruby
