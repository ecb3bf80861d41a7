#pragma once

#include <string_view>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// What the variables of MPI's launchers, Slurm and torch say in an environment such as
/// /proc/PID/environ has it. No other variable is looked at.
snapshot::Rank parse_rank(std::string_view environment);

/// Fills in the ranks of all examined processes. They are in the target's own memory, so this comes
/// last.
void read_ranks(System& system);

}  // namespace ipcdoctor::collect
