#pragma once

#include <string>

#include "snapshot/snapshot.h"

namespace ipcdoctor::report {

/// The stacks of all examined threads, equal ones of a process once with the threads that share
/// them. Innermost frame first; Python frames before the native ones that run them.
std::string stacks_text(const snapshot::Snapshot& snapshot);

}  // namespace ipcdoctor::report
