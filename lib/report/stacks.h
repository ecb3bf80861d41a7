#pragma once

#include <string>
#include <vector>

#include "snapshot/snapshot.h"

namespace ipcdoctor::report {

/// One stack of both languages, innermost first: where the interpreter's loop is on the native
/// stack, the Python frames that this call of it runs. Without such frames (no symbols) the Python
/// ones come before the native ones.
std::vector<snapshot::Frame> merged_stack(const snapshot::Thread& thread);

/// The stacks of all examined threads, equal ones of a process once with the threads that share
/// them.
std::string stacks_text(const snapshot::Snapshot& snapshot,
                        const std::vector<const snapshot::Process*>& of);

}  // namespace ipcdoctor::report
