#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collect/collect.h"
#include "collect/system.h"

namespace ipcdoctor::collect {

/// Splits /proc/PID/cmdline. Argv::Names: the program, the script of an interpreter and the names
/// of options; "..." stands for every other value. Argv::Values: all, but *** for what looks like a
/// secret by itself or by its option ("--password x", "-u me:x").
std::vector<std::string> parse_command_line(std::string_view bytes, Argv argv);

/// Fills in the arguments of all examined processes. They are in the target's own memory, so this
/// comes last.
void read_command_lines(System& system, Argv argv);

}  // namespace ipcdoctor::collect
