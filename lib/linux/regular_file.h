#pragma once

#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::linux {

/// Opens for reading what an O_PATH descriptor stands for, if it is a regular file: nobody's open()
/// runs before that is known, so FIFOs, devices and terminals feel nothing (open(2)).
/// @return Unsupported for anything else; Denied, Gone
Result<UniqueFd> reopen_regular(const UniqueFd& handle);

}  // namespace ipcdoctor::linux
