#pragma once

#include "runtime/libc/lock.h"

namespace ipcdoctor::runtime::libc {

/// Does the process run on musl (its loader or a libc.so in a musl folder is mapped)?
bool is_musl(const linux::AddressSpace& space);

/// Fills `lock` for a futex of musl 1.1.24 to 1.2.5. Its mutexes store an owner unless they are of
/// the normal type (type@0, lock@4, waiters@8; src/internal/pthread_impl.h); nothing else does.
void identify_musl_lock(const linux::AddressSpace& space, const FutexCall& call,
                        const FindTask& find_task, snapshot::Lock& lock);

/// The parties of a process-shared barrier: {_b_lock 0, _b_waiters 4, _b_limit 8, _b_count 12},
/// whose waiters sleep on _b_count (musl 1.2, src/thread/pthread_barrier_wait.c). A private one
/// keeps its count in the stack of the first that came: no numbers then.
void read_musl_barrier(const linux::AddressSpace& space, const FutexCall& call,
                       snapshot::Lock& lock);

}  // namespace ipcdoctor::runtime::libc
