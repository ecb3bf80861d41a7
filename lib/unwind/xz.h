#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::unwind {

/// What an .xz stream holds; see xz(1). Takes at most 64 MiB of memory for its dictionary.
/// @param limit  most bytes of the result. @return Malformed, Limit.
Result<std::vector<std::byte>> unpack_xz(std::span<const std::byte> packed, std::size_t limit);

}  // namespace ipcdoctor::unwind
