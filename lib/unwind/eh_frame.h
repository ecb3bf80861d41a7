#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace ipcdoctor::unwind {

/// One row of a binary search table over frame descriptions, as .eh_frame_hdr has it: both relative
/// to the address at which the table claims to lie. See the LSB, "Exception Frames".
struct FrameEntry {
  std::int32_t start = 0;        ///< first address of the function
  std::int32_t description = 0;  ///< its FDE
};

/// The sorted table of a .eh_frame section, for images that have no .eh_frame_hdr (static ones of
/// Debian's gcc).
/// @param address  of the section at link time; also what the rows are relative to.
/// @return Malformed when nothing could be used; a damaged tail is dropped.
Result<std::vector<FrameEntry>> build_frame_table(std::span<const std::byte> section,
                                                  std::uint64_t address);

/// Where the table of an .eh_frame_hdr begins and how many rows it has; only the encoding that
/// every linker writes (sorted, relative to the header, 4 bytes each).
struct FrameTableHeader {
  std::uint64_t table_offset = 0;  ///< in bytes from the start of the header
  std::uint64_t rows = 0;
};
std::optional<FrameTableHeader> parse_frame_table_header(std::span<const std::byte> header);

}  // namespace ipcdoctor::unwind
