#pragma once

#include <string>
#include <string_view>

namespace ipcdoctor::cmd {

/// Whether what we print is read by the runner of GitHub Actions ($GITHUB_ACTIONS).
bool in_github_actions();

/// `text` for its log: between two lines that stop workflow commands and begin them again, with a
/// random word that nobody could have known (docs.github.com, "Stopping and starting workflow
/// commands"), and with what looks like one broken.
std::string stop_commands(std::string_view text);

}  // namespace ipcdoctor::cmd
