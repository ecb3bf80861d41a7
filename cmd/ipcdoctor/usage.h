#pragma once

#include <string>

namespace CLI {
class App;
}

namespace ipcdoctor::cmd {

/// The subcommand of that name; nullptr if there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name);

/// "no command NAME", with what was probably meant.
std::string unknown_command(const CLI::App& app, const std::string& name);

/// The help of a command, at most 80 columns wide.
std::string help_of(const CLI::App& app);

/// What is wrong with the command or the names of the options, in one line and with what was
/// probably meant; "" if all are known. CLI11 tells of it only what it cannot make of the rest.
std::string unknown_names(const CLI::App& app, int argc, const char* const* argv);

}  // namespace ipcdoctor::cmd
