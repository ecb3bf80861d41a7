#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// Programs that start a command on several hosts and bring back what it prints.
namespace ipcdoctor::cmd {

using Words = std::vector<std::string>;

/// One command to start here.
struct Start {
  std::string host;  ///< "" where the engine itself goes to all of them
  Words words;
};

/// The words of a command line, as a shell splits them: at blanks that are neither quoted nor after
/// a backslash; nothing is expanded. @return Malformed for an open quote or no word.
Result<Words> split_words(std::string_view text);

/// As a shell has to read it: in quotes where that is needed.
std::string quoted_words(const Words& words);

/// How to start `command` by an engine such as "clush -w h[1-3]". The last word of ssh and kubectl
/// is a list of hosts or pods with commas between them, each of which is a start of its own.
/// mpirun, srun and ansible write files into `folder`, the others to their standard output.
std::vector<Start> starts_of(const Words& via, const Words& command, const std::string& folder);

}  // namespace ipcdoctor::cmd
