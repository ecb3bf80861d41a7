#pragma once

#include <string>
#include <string_view>

namespace ipcdoctor {

/// Makes any bytes of a target safe to print: C0, DEL, C1, bidi and other format
/// controls, line and paragraph separators and invalid UTF-8 become \xNN, byte by
/// byte. Idempotent: a backslash stays as it is. The result is valid UTF-8 of one line.
std::string escape_untrusted(std::string_view bytes);

}  // namespace ipcdoctor
