#pragma once

#include <optional>
#include <set>
#include <string>

#include "linux/address_space.h"
#include "runtime/cpython/layout.h"
#include "runtime/cpython/objects.h"

namespace ipcdoctor::runtime::cpython {

/// Where the interpreter's state is in a process, checked.
struct Runtime {
  std::uint64_t address = 0;                    ///< of _PyRuntime
  std::uint64_t interpreter = 0;                ///< of the main PyInterpreterState
  std::vector<std::uint64_t> sub_interpreters;  ///< newest first
  Layout layout;
  std::string version;  ///< "3.11.7", as sys.version says
};

/// The address of a dynamic symbol of the image whose first mapping begins at `start`, by the
/// tables that the dynamic loader uses, in the target's memory (DT_GNU_HASH; elf(5)); no file is
/// opened. 0 = it has none of that name.
std::uint64_t find_dynamic_symbol(const Remote& remote, std::uint64_t start, std::string_view name);

/// Finds _PyRuntime by its symbol in libpython or the executable (both export it), else by the
/// cookie that debug offsets begin with (3.13 and later); then tries layouts and takes the one
/// whose pointers lead back and whose sys.version says the same version.
/// @param known  addresses that are tried before all that
/// @return Unsupported: no CPython, or none that runs; Malformed: of no layout that is known.
Result<Runtime> find_runtime(const linux::AddressSpace& space,
                             const std::set<std::uint64_t>& known = {});

/// Bytes of _PyRuntime in which its parts are searched for, from 3.12 on.
inline constexpr std::size_t kRuntimeSearched = std::size_t{1} << 16;

/// Where _PyRuntime.preconfig is, from 3.12 on: neighbours move between patch releases, and no
/// debug offset tells of them. Found by its content (PyPreConfig of Include/cpython/initconfig.h,
/// as a program with the user's locale has it) and that of what follows: {open_code_hook 40, its
/// argument 48, audit_hooks {mutex 56, head 64}}. nullopt: not there, or more than one place looks
/// like it.
std::optional<std::uint64_t> find_preconfig(const Remote& remote, const Runtime& runtime);

/// Thread states of an interpreter, each checked by its pointer back; at most 4096.
struct ThreadStates {
  std::vector<std::uint64_t> addresses;
  bool complete = false;  ///< the list was read to its end
};
ThreadStates read_thread_states(const Remote& remote, const Layout& layout,
                                std::uint64_t interpreter);

}  // namespace ipcdoctor::runtime::cpython
