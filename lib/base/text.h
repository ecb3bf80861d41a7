#pragma once

#include <string>
#include <string_view>

namespace ipcdoctor {

/// Makes any bytes of a target safe to print: C0, DEL, C1, bidi and other format
/// controls, line and paragraph separators and invalid UTF-8 become \xNN, byte by
/// byte. Idempotent: a backslash stays as it is. The result is valid UTF-8 of one line.
std::string escape_untrusted(std::string_view bytes);

/// Text that a log of GitHub Actions may hold: no line of it is a workflow command. The runner takes
/// one at the beginning of a line, behind white space ("::name::"), and an older kind anywhere
/// ("##[name]"): a space goes into those two (actions/runner, ActionCommand.cs, 2.300).
std::string break_workflow_commands(std::string_view text);

}  // namespace ipcdoctor
