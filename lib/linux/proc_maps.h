#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "linux/proc_dir.h"

namespace ipcdoctor::linux {

/// One line of /proc/PID/maps; see proc(5). Addresses in the target's memory, bytes.
struct Mapping {
  std::uint64_t start = 0, end = 0, offset = 0;
  bool readable = false, writable = false, executable = false;
  bool shared = false;    ///< MAP_SHARED
  std::uint64_t dev = 0;  ///< makedev(3) of the device; anonymous shared memory has that of shmem
  std::uint64_t ino = 0;  ///< 0 = private anonymous
  std::string path;       ///< raw; "[heap]", "[stack]", "" for anonymous; may end in " (deleted)"
};

/// Sorted by address. @return Malformed if a line does not parse.
Result<std::vector<Mapping>> parse_maps(std::string_view text);
Result<std::vector<Mapping>> read_maps(const ProcDir& process);

/// All mappings of a process.
struct Maps {
  std::vector<Mapping> all;  ///< sorted by address
  /// Those with a path, a name in brackets, or code: all but plain memory and the stacks of
  /// threads, of which there may be thousands.
  std::vector<std::uint32_t> notable;
  /// A text is parsed once for all that follow each other and have it: forked siblings do.
  static Result<std::shared_ptr<const Maps>> read(const ProcDir& process);
};

/// The mapping that holds the address, or nullptr. `maps` is sorted.
const Mapping* find_mapping(const std::vector<Mapping>& maps, RemoteAddr address);

}  // namespace ipcdoctor::linux
