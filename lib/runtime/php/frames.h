#pragma once

#include <vector>

#include "linux/address_space.h"
#include "runtime/runtime.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::php {

/// The functions that a PHP program is in, innermost first, with the lines that they are at; PHP
/// 7.4 to 8.4 without thread safety, as distributions build it. Sources: Zend/zend_globals.h,
/// zend_compile.h, zend_types.h.
/// @return Unsupported: no PHP; Malformed: it runs something, and what was read of that makes no
/// sense.
Result<std::vector<snapshot::Frame>> read_frames(const linux::AddressSpace& space,
                                                 unwind::Images& images);

/// The same, of its main thread.
Result<std::vector<Told>> read(const Target& target);

}  // namespace ipcdoctor::runtime::php
