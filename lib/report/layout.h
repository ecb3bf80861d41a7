#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Lines of text for a terminal of a given width.
namespace ipcdoctor::report {

/// Columns that valid UTF-8 takes, one a code point.
std::size_t columns_of(std::string_view text);

/// `text` broken at spaces so that no line is longer than `width` columns, where words allow. The
/// first line starts with `first`, the others with `rest`; every line ends in a newline.
std::string wrap(std::string_view text, std::size_t width, std::string_view first,
                 std::string_view rest);

/// `left` and `right` on one line, `right` at the margin; at least two spaces apart.
std::string justify(std::string_view left, std::string_view right, std::size_t width);

}  // namespace ipcdoctor::report
