#pragma once

#include "runtime/libc/lock.h"

namespace ipcdoctor::runtime::libc {

/// Who the thread id in a lock is: fills ownership, owners, dead_owner and unseen_owner of `lock`.
///   Known         the thread lives in this address space, or anywhere if the lock is in shared
///                 memory: whether it maps the lock is for the caller to see
///   LeftInParent  a private copy over fork: the thread is an ancestor's, or it is gone and is
///                 older than this process
///   Dead          no such thread, or (private memory) the number was given to a process that
///                 cannot reach the lock
///   Unreadable    the number is out of range, or whether it lives could not be told: `evidence`
///                 then goes on with why
/// @param ns_tid  as the target's PID namespace numbers it; 0 or less leaves Ownership::Unreadable.
void find_owner(const linux::AddressSpace& space, const FutexCall& call, const FindTask& find_task,
                int ns_tid, snapshot::Lock& lock);

/// The thread id in a struct pthread of the target. @return Malformed if there is none at that
/// address; 0 = it has ended.
Result<int> read_pthread_tid(const linux::AddressSpace& space, RemoteAddr pthread);

}  // namespace ipcdoctor::runtime::libc
