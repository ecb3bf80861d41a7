#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"
#include "linux/process_memory.h"

namespace ipcdoctor::linux {

/// The auxiliary vector: (AT_*, value) pairs up to AT_NULL, see getauxval(3).
using AuxVector = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// @return Malformed if it is cut within a pair or has no AT_NULL. Empty for a kernel thread or
/// zombie.
Result<AuxVector> parse_auxv(std::string_view bytes);
/// Needs PTRACE_MODE_READ.
Result<AuxVector> read_auxv(const ProcDir& process);
/// The value of one AT_* key. @return Gone if the vector has none.
Result<std::uint64_t> find_auxv(const AuxVector& auxv, std::uint64_t key);

/// What stays the same over fork and changes at exec: the 16 random bytes that the kernel put at
/// AT_RANDOM.
struct ImageStamp {
  RemoteAddr address;
  std::array<std::uint8_t, 16> random{};
};
/// @return Denied, Gone.
Result<ImageStamp> read_image_stamp(const ProcDir& process, const ProcessMemory& memory);
/// Whether this memory has it, too: its process was forked without exec since.
bool has_stamp(const ProcessMemory& memory, const ImageStamp& stamp);

}  // namespace ipcdoctor::linux
