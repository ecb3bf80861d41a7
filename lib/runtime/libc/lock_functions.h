#pragma once

#include <string>
#include <string_view>

#include "snapshot/snapshot.h"

namespace ipcdoctor::runtime::libc {

/// What a function of libc or libstdc++ waits for when it blocks in futex(2): Mutex for
/// pthread_mutex_lock and its kin, LibcInternal for calls that take a lock nobody sees
/// ("localtime_r"). Unknown for all other functions. The internal spellings of a name
/// ("__GI___pthread_mutex_lock", "__new_sem_wait") count as the name.
snapshot::LockKind lock_kind_of_function(std::string_view function);

/// The same of Rust's std, whose mutexes, rwlocks and condition variables are futex words of its
/// own without an owner: library/std/src/sys/sync of Rust 1.62 to 1.95.
snapshot::LockKind lock_kind_of_rust(std::string_view function);

/// For a person: "mutex", "read lock", "thread", "lock of a stdio stream".
std::string_view noun_of(snapshot::LockKind kind);

}  // namespace ipcdoctor::runtime::libc
