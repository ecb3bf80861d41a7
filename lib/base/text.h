#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipcdoctor {

/// Makes any bytes of a target safe to print: C0, DEL, C1, bidi and other format
/// controls, line and paragraph separators and invalid UTF-8 become \xNN, byte by
/// byte. Idempotent: a backslash stays as it is. The result is valid UTF-8 of one line.
std::string escape_untrusted(std::string_view bytes);

/// Text that a log of GitHub Actions may hold: no line of it is a workflow command. The runner
/// takes one at the beginning of a line, behind white space ("::name::"), and an older kind
/// anywhere ("##[name]"): a space goes into those two (actions/runner, ActionCommand.cs, 2.300).
std::string break_workflow_commands(std::string_view text);

/// "a", "a and b", "a, b and c", "a, b, c and 4 more": the first `most` of them.
/// @param all  how many there are, if more than these
std::string enumerate(const std::vector<std::string>& parts, std::size_t most, std::size_t all = 0);

/// Whether any of the parts is in the text.
bool holds_any(std::string_view text, std::span<const std::string_view> parts);

}  // namespace ipcdoctor
