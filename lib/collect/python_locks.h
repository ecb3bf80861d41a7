#pragma once

#include "collect/system.h"

namespace ipcdoctor::collect {

/// What one process alone cannot tell about its Python locks, once all processes have been read:
/// likely owners of a multiprocessing lock (SemLock objects on the same page that some process
/// acquired and did not release), and the thread of the parent that held a lock at a fork, of which
/// the child waits for its own copy.
void complete_python_locks(System& system);

}  // namespace ipcdoctor::collect
