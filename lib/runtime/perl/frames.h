#pragma once

#include <vector>

#include "linux/address_space.h"
#include "runtime/runtime.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::perl {

/// The subroutines that the main thread of a Perl program is in, innermost first, with the lines
/// that they are at; the last one is the program itself. Perl 5.32 to 5.42, with and without
/// threads. Sources: intrpvar.h, cop.h, op.h, cv.h, gv.h, hv.h; caller() in pp_ctl.c.
/// @return Unsupported: no Perl; Malformed: what was read is no state of a version that is known.
Result<std::vector<snapshot::Frame>> read_frames(const linux::AddressSpace& space,
                                                 unwind::Images& images);

/// Whether it is inside a `while`, `until` or `for (;;)`, be it of a caller. false where it cannot
/// be told.
bool is_in_loop(const linux::AddressSpace& space, unwind::Images& images);

/// The same, of its main thread.
Result<std::vector<Told>> read(const Target& target);

}  // namespace ipcdoctor::runtime::perl
