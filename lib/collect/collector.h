#pragma once

#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "collect/collect.h"
#include "collect/progress.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// The whole collection, in the calling process; everything it reads of a target is marked in
/// `progress` first.
/// @param self    the process to leave out besides the calling one: our parent
/// @param draft   called with the snapshot as it is before the stacks, where the rest may not come
/// in time
/// @return Gone if no target is left.
Result<snapshot::Snapshot> collect_here(const std::vector<Pid>& targets, const Options& options,
                                        Pid self, Progress& progress,
                                        const std::function<void(snapshot::Snapshot)>& draft);

}  // namespace ipcdoctor::collect
