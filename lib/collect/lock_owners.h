#pragma once

#include <optional>

#include "collect/shared_memory.h"
#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// A thread by its id in the PID namespace of `near`. Empty: no such thread lives, and all those of
/// that namespace were looked through. @return why there may be one all the same: /proc hides it
/// (hidepid), or could not be read.
Result<std::optional<snapshot::TaskRef>> find_task(System& system, const ProcessEntry& near,
                                                   int ns_tid);

/// The owners of locks in shared memory once more, now that it is known who maps them. A thread
/// that does not map the lock is no owner but bears the same number; a number that nobody has means
/// a death only if none of those who may map the lock is numbered in another PID namespace. What is
/// doubtful becomes Ownership::Unreadable with Lock::unseen_owner, and unseen. Where merely nobody
/// can exclude a stranger of the same number, Lock::checked goes: then he is an assumption.
void check_shared_owners(System& system, const SharedAreas& areas);

}  // namespace ipcdoctor::collect
