// Packed symbols.
#include <span>

#include "unwind/xz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)ipcdoctor::unwind::unpack_xz(std::as_bytes(std::span(data, size)), 1 << 20);
  return 0;
}
