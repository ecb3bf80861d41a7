#include "unwind/xz.h"

#include <lzma.h>

#include <algorithm>

namespace ipcdoctor::unwind {

Result<std::vector<std::byte>> unpack_xz(std::span<const std::byte> packed, std::size_t limit) {
  constexpr std::uint64_t kMaxDictionary = 64 << 20;
  std::vector<std::byte> out(std::min(limit, packed.size() * 4));
  std::uint64_t memory = kMaxDictionary;
  for (;;) {
    std::size_t in_at = 0, out_at = 0;
    const lzma_ret result = lzma_stream_buffer_decode(
        &memory, 0, nullptr, reinterpret_cast<const std::uint8_t*>(packed.data()), &in_at,
        packed.size(), reinterpret_cast<std::uint8_t*>(out.data()), &out_at, out.size());
    if (result == LZMA_OK) {
      out.resize(out_at);
      return out;
    }
    if (result == LZMA_BUF_ERROR && out.size() < limit) {
      out.resize(std::min(limit, std::max<std::size_t>(out.size(), 4096) * 2));
      continue;
    }
    const bool too_large = result == LZMA_BUF_ERROR || result == LZMA_MEMLIMIT_ERROR;
    return Error{too_large ? Cause::Limit : Cause::Malformed, 0, "unpack an xz stream"};
  }
}

}  // namespace ipcdoctor::unwind
