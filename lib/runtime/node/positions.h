#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ipcdoctor::runtime::node {

/// Where in its source the instruction of a bytecode is, by a table of V8: pairs of differences as
/// zigzag numbers with seven bits a byte; the sign of the first one tells statements from
/// expressions. Source: V8, src/codegen/source-position-table.cc, src/codegen/source-position.h.
/// @param offset  of an instruction that calls; it has an entry of its own
/// @param size    of the source: no position is behind it
/// @return nullopt: it has none, or this is no such table.
std::optional<std::int64_t> position_of(std::span<const std::uint8_t> table, std::int64_t offset,
                                        std::int64_t size);

}  // namespace ipcdoctor::runtime::node
