#pragma once

#include <span>

#include "diagnosis/probe.h"

namespace ipcdoctor::probes {

/// Every class, by code. The table is explicit: self-registering objects vanish from static
/// libraries.
std::span<const diagnosis::Probe* const> all_probes();

}  // namespace ipcdoctor::probes
