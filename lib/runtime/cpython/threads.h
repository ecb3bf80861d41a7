#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/cpython/interpreter.h"
#include "runtime/cpython/objects.h"

namespace ipcdoctor::runtime::cpython {

/// Finds the native thread of a thread state.
///
/// By native_thread_id (3.11 and later), which is an id of the target's own PID namespace. Before
/// that, and where a fork left a stale id: by the id that glibc keeps in the thread's descriptor
/// (struct pthread begins with its own address, twice, and has the tid at 720 bytes on x86-64),
/// else by the stack pointer: a thread's descriptor is at the top of its stack's mapping.
Tid match_thread(const Remote& remote, const linux::AddressSpace& space,
                 std::span<const NativeThread> threads, std::uint64_t ident,
                 std::uint64_t native_id);

/// The names that `threading` gave to the threads, by ident (threading._active).
std::unordered_map<std::uint64_t, std::string> read_thread_names(const Objects& objects,
                                                                 Object modules);

/// A module's global; 0 if the module is not loaded or has none of that name.
Object module_global(const Objects& objects, Object modules, std::string_view module,
                     std::string_view name);

}  // namespace ipcdoctor::runtime::cpython
