#pragma once

#include <vector>

#include "collect/collect.h"

namespace ipcdoctor::cmd {

/// collect::collect(). Where standard error is a terminal and it takes longer than a second, it
/// tells there for how long it has been at it, and takes that back at the end.
Result<snapshot::Snapshot> look_at(const std::vector<Pid>& pids, collect::Options options);

}  // namespace ipcdoctor::cmd
