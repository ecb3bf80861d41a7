#pragma once

#include <optional>
#include <string>

#include "linux/proc_dir.h"
#include "linux/proc_maps.h"

namespace ipcdoctor::linux {

/// Another name of a mapped file of which the kernel prints " (deleted)": sem_open(3) of glibc maps
/// a temporary file, links it to its final name and removes the first. It is looked for in the
/// directory of the old name, as the process sees it, among the first 65536 entries, by inode.
/// @return raw bytes; nullopt: there is none; an error: the directory cannot be read
Result<std::optional<std::string>> find_other_name(const ProcDir& process, const Mapping& mapping);

}  // namespace ipcdoctor::linux
