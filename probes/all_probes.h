#pragma once

#include <span>
#include <vector>

#include "diagnosis/probe.h"

namespace ipcdoctor::probes {

/// Every class. Of causes that are equally sure the earlier leads: what one process did or left out
/// before what takes several, what a lock or queue tells before what only the waits do. The table
/// is explicit: self-registering objects vanish from static libraries.
std::span<const diagnosis::Probe* const> all_probes();

/// The same in the order of their codes, for people.
std::vector<const diagnosis::Probe*> probes_by_code();

}  // namespace ipcdoctor::probes
