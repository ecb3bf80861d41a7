#pragma once

#include <span>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::native {

/// Whether a compiled program comes back to open the same file again, whatever it does in between:
/// some frame's function, from where its call returns, can reach that very call again, and hands it
/// a constant address each time, as that of a path. So does a service that opens its FIFO for each
/// client; not a tool that opens the files it was given one after the other. Other calls are
/// stepped over, indirect jumps lead nowhere.
/// @param frames  innermost first, without names
bool opens_in_loop(const linux::AddressSpace& space, unwind::Images& images,
                   std::span<const snapshot::Frame> frames);

}  // namespace ipcdoctor::runtime::native
