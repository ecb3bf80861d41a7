#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "runtime/native/disassembler.h"
#include "runtime/native/program.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::runtime::native {

/// Memory that a handler of a signal writes: begin and number of bytes of each variable.
using Written = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// What a thread does once a handler has ended its blocked call with EINTR.
enum class Outcome : std::uint8_t {
  Unknown,
  WaitsAgain,  ///< nothing, but that it waits for the same again
  Ends,        ///< that, or its process ends, and does nothing for others before
};

struct Interrupted {
  Outcome outcome = Outcome::Unknown;
  std::uint32_t mask = 0;  ///< snapshot::kReads and kWrites, of these descriptors on the way, such
                           ///< as an error message
  std::set<int> fds;
};

/// Runs the code behind the call, in a copy of what it sees: the call gave -1, errno is EINTR, and
/// nothing of memory has changed but what the handler writes. What is not known, such as that or
/// the result of a function, is taken both ways. Defined out: what another thread does meanwhile
/// (which is asked for itself), and a count of interruptions.
/// @param stack    with registers as they are known; its innermost frame is where the call returns
/// @param arguments  of the system call
/// @param leads    it is the main thread, whose end is its process's
/// @param budget   instructions; what is left is the caller's to use again
Interrupted read_interrupted(Program& program, Disassembler& disassembler,
                             const unwind::RawStack& stack,
                             const std::array<std::uint64_t, 6>& arguments, const Written& written,
                             bool leads, std::size_t& budget);

}  // namespace ipcdoctor::runtime::native
