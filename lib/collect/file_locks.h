#pragma once

#include <vector>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// All locks of the files that somebody waits to lock, with everybody who can release them, from
/// the holders' fdinfo. A lock that /proc/locks knows and no descriptor shows (kept by a mapping,
/// or in flight) has no holders.
std::vector<snapshot::FileLock> read_file_locks(System& system);

}  // namespace ipcdoctor::collect
