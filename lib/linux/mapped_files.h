#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::linux {

/// Files that a process maps, as (device, inode) of makedev(3) and stat(2); ascending, each once.
using MappedFiles = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

/// Of a /proc/PID/maps no more than that: of strangers nothing else is asked, and the paths and the
/// order that parse_maps() gives take most of its time. @return Malformed if a line does not parse.
Result<MappedFiles> parse_mapped_files(std::string_view maps);

}  // namespace ipcdoctor::linux
