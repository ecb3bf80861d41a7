#include "runtime/cpython/line_table.h"

#include <algorithm>

namespace ipcdoctor::runtime::cpython {
namespace {

// Little-endian groups of 6 bits; bit 6 says that more follow. Used by co_linetable.
std::uint32_t read_varint(std::span<const std::uint8_t> table, std::size_t& at) {
  std::uint32_t value = 0;
  for (unsigned shift = 0; at < table.size(); shift += 6) {
    const std::uint8_t byte = table[at++];
    if (shift < 32) value |= static_cast<std::uint32_t>(byte & 63) << shift;
    if ((byte & 64) == 0) break;
  }
  return value;
}

std::int64_t read_signed_varint(std::span<const std::uint8_t> table, std::size_t& at) {
  const std::uint32_t value = read_varint(table, at);
  const auto magnitude = static_cast<std::int64_t>(value >> 1);
  return (value & 1) != 0 ? -magnitude : magnitude;
}

// Big-endian groups of 6 bits; bit 6 says that more follow, bit 7 marks an entry's start. Used by
// co_exceptiontable.
std::uint64_t read_big_varint(std::span<const std::uint8_t> table, std::size_t& at) {
  std::uint64_t value = 0;
  while (at < table.size()) {
    const std::uint8_t byte = table[at++];
    value = ((value << 6) | (byte & 63)) & 0xffffffff;
    if ((byte & 64) == 0) break;
  }
  return value;
}

// A line that a table of a hostile target may have driven anywhere.
int checked(std::int64_t line) {
  return line > 0 && line < 100'000'000 ? static_cast<int>(line) : 0;
}

}  // namespace

int line_in_lnotab(std::span<const std::uint8_t> table, int first_line, std::uint64_t offset) {
  std::uint64_t address = 0;
  std::int64_t line = first_line;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    address += table[i];
    if (address > offset) break;
    line += static_cast<std::int8_t>(table[i + 1]);
  }
  return checked(line);
}

int line_in_linetable_3_10(std::span<const std::uint8_t> table, int first_line,
                           std::uint64_t offset) {
  std::uint64_t end = 0;
  std::int64_t line = first_line;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    const auto delta = static_cast<std::int8_t>(table[i + 1]);
    end += table[i];
    if (delta != -128) line += delta;
    if (offset < end) return delta == -128 ? 0 : checked(line);
  }
  return 0;
}

int line_in_locations(std::span<const std::uint8_t> table, int first_line, std::uint64_t offset) {
  std::uint64_t end = 0;
  std::int64_t line = first_line;
  for (std::size_t at = 0; at < table.size();) {
    const std::uint8_t head = table[at++];
    const unsigned kind = (head >> 3) & 15;
    end += std::uint64_t{2} * ((head & 7U) + 1);
    switch (kind) {
      case 15:  // no location
        break;
      case 14:  // line, end line, columns
        line += read_signed_varint(table, at);
        (void)read_varint(table, at);
        (void)read_varint(table, at);
        (void)read_varint(table, at);
        break;
      case 13:  // line without columns
        line += read_signed_varint(table, at);
        break;
      case 10:
      case 11:
      case 12:  // line delta 0 to 2, two bytes of columns
        line += kind - 10;
        at += 2;
        break;
      default:  // same line, one byte of columns
        at += 1;
    }
    if (offset < end) return kind == 15 ? 0 : checked(line);
  }
  return 0;
}

std::optional<std::uint32_t> handler_depth(std::span<const std::uint8_t> table,
                                           std::uint64_t offset) {
  // Entries are sorted and do not overlap.
  for (std::size_t at = 0; at < table.size();) {
    const std::uint64_t start = 2 * read_big_varint(table, at);
    const std::uint64_t length = 2 * read_big_varint(table, at);
    (void)read_big_varint(table, at);  // target
    const std::uint64_t depth = read_big_varint(table, at) >> 1;
    if (offset < start) break;
    if (offset < start + length) return static_cast<std::uint32_t>(depth);
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::runtime::cpython
