#pragma once

#include <vector>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

using SysvObjects = std::vector<snapshot::SysvObject>;

/// The System V semaphores and queues that somebody waits for, if they are of our own IPC
/// namespace.
SysvObjects read_sysv(System& system);

}  // namespace ipcdoctor::collect
