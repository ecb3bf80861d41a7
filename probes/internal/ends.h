#pragma once

#include <functional>
#include <optional>

#include "diagnosis/ends.h"
#include "diagnosis/probe.h"
#include "diagnosis/repairs.h"

namespace ipcdoctor::probes {

using diagnosis::Ends;
using diagnosis::Hold;
using diagnosis::Holder;
using diagnosis::pids_of;
using snapshot::ObjectId;
using snapshot::Snapshot;

/// A repair: all of these are closed.
void add_closes(diagnosis::Finding& finding, const std::vector<Holder>& holders);

/// Asks about every deadlocked set (a level above Stuck); `set` is its index in stuck_sets(). The
/// answers come together in conclude().
using AskAboutDeadlock = std::function<std::optional<diagnosis::Finding>(
    const Ends& ends, int set, const graph::StuckSet& deadlock)>;
diagnosis::Answer ask_about_deadlocks(const diagnosis::Context& context,
                                      const AskAboutDeadlock& ask);

}  // namespace ipcdoctor::probes
