#pragma once

#include "linux/address_space.h"

namespace ipcdoctor::runtime::shell {

/// Whether the command that a dash runs stands in a loop (`while`, `until`, `for`) of the same
/// function: `loopnest` of eval.c counts them. Debian's dash has no symbols. But its table of
/// builtins names each function (builtins.c), and what the one of `break` reads first of dash's own
/// variables is that count, by which it bounds its argument. false where it cannot be told.
bool is_in_dash_loop(const linux::AddressSpace& space);

/// Whether its program is dash, which waits for a job (`wait`) by sigsuspend(2), for nothing else:
/// waitproc() of jobs.c, since 0.5.11.
bool is_dash(const linux::AddressSpace& space);

/// Whether its program is one of the shells whose loops are read.
bool is_read(const linux::AddressSpace& space);

/// Whether it is another shell by its name.
bool is_other(const linux::AddressSpace& space);

}  // namespace ipcdoctor::runtime::shell
