#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collect/system.h"

namespace ipcdoctor::collect {

/// Splits /proc/PID/cmdline and replaces what looks like a secret ("--password=x", "-p x",
/// "TOKEN=x", "user:x@host").
std::vector<std::string> parse_command_line(std::string_view bytes);

/// Fills in the arguments of all examined processes. They are in the target's own memory, so this
/// comes last.
void read_command_lines(System& system);

}  // namespace ipcdoctor::collect
