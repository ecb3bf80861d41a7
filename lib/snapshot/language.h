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

/// All that language_of() may say.
std::span<const std::string_view> languages();

}  // namespace ipcdoctor::snapshot
