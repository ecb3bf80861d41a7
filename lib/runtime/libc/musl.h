#pragma once

#include "runtime/libc/lock.h"

namespace ipcdoctor::runtime::libc {

/// Does the process run on musl (its loader or a libc.so in a musl folder is mapped)?
bool is_musl(const linux::AddressSpace& space);

/// Fills `lock` for a futex of musl 1.1.24 to 1.2.5. Its mutexes store an owner unless they are of
/// the normal type (type@0, lock@4, waiters@8; src/internal/pthread_impl.h); nothing else does.
void identify_musl_lock(const linux::AddressSpace& space, const FutexCall& call,
                        const FindTask& find_task, snapshot::Lock& lock);

}  // namespace ipcdoctor::runtime::libc
