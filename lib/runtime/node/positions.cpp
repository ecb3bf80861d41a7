#include "runtime/node/positions.h"

namespace ipcdoctor::runtime::node {
namespace {

std::optional<std::int64_t> read_number(std::span<const std::uint8_t>& bytes) {
  std::uint64_t bits = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const std::uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    bits |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0)
      return static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> position_of(std::span<const std::uint8_t> table, std::int64_t offset,
                                        std::int64_t size) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // of a sum: no overflow
  std::int64_t at = 0, raw = 0;
  std::optional<std::int64_t> found;
  while (!table.empty()) {
    const auto step = read_number(table), by = read_number(table);
    if (!step || !by || *step > kMost || *step < -kMost || *by > kMost || *by < -kMost)
      return std::nullopt;
    at += *step >= 0 ? *step : -(*step + 1);
    raw += *by;
    const std::int64_t position = (raw >> 1) - 1;  // bit 0: not JavaScript
    if (at > kMost || position < 0 || position > size) return std::nullopt;
    if (at == offset) found = position;
  }
  return found;
}

}  // namespace ipcdoctor::runtime::node
