#pragma once

#include <optional>

#include "linux/address_space.h"
#include "snapshot/effects.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::shell {

/// What bash's own handler of a signal for which a script has a trap comes to. While bash waits for
/// a command it runs traps only when that has ended; builtins run them at once, by `wait` the
/// script then goes on, and by `read` it reads on (execute_cmd.c, trap.c, lib/sh/zread.c, bash 5.0
/// to 5.3). Read of a trap's text is what ends the shell, sets variables or prints.
/// @param in_wait  it is in the builtin `wait`
/// @return nullopt: it is no bash, or its trap says more than is read.
std::optional<snapshot::Effects> read_trap(const linux::AddressSpace& space, unwind::Images& images,
                                           int signal, bool in_wait);

}  // namespace ipcdoctor::runtime::shell
