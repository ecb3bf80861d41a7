#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ipcdoctor::runtime::cpython {

/// The line of the instruction at a byte offset of a code object's instructions; 0 = the table
/// gives it none. All three stop at the end of the table, whatever its bytes are.

/// co_lnotab of 3.8 and 3.9: pairs (bytes, signed lines); Objects/lnotab_notes.txt.
int line_in_lnotab(std::span<const std::uint8_t> table, int first_line, std::uint64_t offset);

/// co_linetable of 3.10: pairs (bytes, signed lines), -128 = no line; Objects/lnotab_notes.txt.
int line_in_linetable_3_10(std::span<const std::uint8_t> table, int first_line,
                           std::uint64_t offset);

/// co_linetable from 3.11: variable-length entries; Objects/locations.md.
int line_in_locations(std::span<const std::uint8_t> table, int first_line, std::uint64_t offset);

/// How many slots of a frame's value stack are surely live at an instruction: the depth that the
/// innermost handler which covers it would unwind to, by co_exceptiontable (3.11 and later;
/// Objects/exception_handling_notes.txt). Within a `with` block the bound __exit__ is below that
/// depth. nullopt = no handler covers it.
std::optional<std::uint32_t> handler_depth(std::span<const std::uint8_t> table,
                                           std::uint64_t offset);

}  // namespace ipcdoctor::runtime::cpython
