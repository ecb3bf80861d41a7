#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "snapshot/process.h"

/// What is known of widespread programs without reading their code: one table.
namespace ipcdoctor::snapshot {

/// Values of a bit mask.
enum Trait : unsigned {
  kAnswersAtTheEnd = 1U << 0,  ///< writes nothing before it has read everything
  kStartsJobs = 1U << 1,       ///< as many at once as -P or -j says
  kHasTokens = 1U << 2,        ///< its children take tokens for jobs from a pipe that it makes
  /// It catches every signal that would end it, to clean up, and sets no alarm itself (coreutils 9,
  /// sort.c, csplit.c).
  kCatchesAll = 1U << 3,
};

/// By the name that the kernel has of it.
bool has_trait(const Process& process, Trait trait);

/// The language that a program of that file name runs, whatever its version, as language.h names
/// it; "": none.
std::string_view interpreted_by(std::string_view program);

/// The handlers of signals that such a program installs, those of `caught` alone (bit n-1 =
/// signal n), by the file name of its image; empty for every other program.
///
/// Shells catch what would end them while they wait, to clean up; whether a script's own trap
/// stands behind it cannot be told, so of shells only SIGINT is known. Sources: coreutils 9
/// src/sort.c and src/csplit.c; make 4.3 src/commands.c, fatal_error_signal(); findutils 4.9
/// xargs.c; gzip 1.12 gzip.c; git 2.39 sigchain.c; gcc 12 gcc.cc, fatal_signal(); bash 5.2 sig.c;
/// Node 18 src/node.cc, SignalExit(); busybox 1.35 shell/ash.c, setsignal(), raise_interrupt().
std::vector<Handler> known_handlers(std::string_view exe, std::uint64_t caught);

/// Whether what the program of an interpreter asked for stands behind it, and not the interpreter's
/// own.
bool is_of_program(const Handler& handler);

/// What a handler of that name does in such a program, "FUNCTION in FILE": those of shells that
/// end the shell, by its own doing or for a trap on EXIT, and no trap of the script for that
/// signal.
std::optional<Effects> known_effects(std::string_view exe, std::string_view name);

}  // namespace ipcdoctor::snapshot
