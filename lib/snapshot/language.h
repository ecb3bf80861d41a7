#pragma once

#include <span>
#include <string_view>

#include "snapshot/process.h"

namespace ipcdoctor::snapshot {

/// What the program of a process is written in, as the pages of the classes name it: "Python",
/// "shell"; "C" where nothing tells another. By its runtime, else by its interpreter's name: for
/// words only.
std::string_view language_of(const Process& process);

/// A script that starts other programs.
bool is_shell(const Process& process);

/// A command of such a script, whose text its function is.
bool is_of_script(const Frame& frame);

/// An image of an interpreter that has frames of its own between those of its program.
bool is_of_interpreter(const Frame& frame);

/// All that language_of() may say.
std::span<const std::string_view> languages();

}  // namespace ipcdoctor::snapshot
