#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// What code can do next, read from the code without running it.
namespace ipcdoctor::snapshot {

/// What one run of it may do to somebody else. Values of a bit mask.
enum Effect : std::uint32_t {
  kReleases = 1U << 0,    ///< wakes a futex: unlocks, posts, notifies, sets an event, puts into a
                          ///< queue in memory
  kReads = 1U << 1,       ///< takes from a descriptor: read, recv, accept
  kWrites = 1U << 2,      ///< puts into a descriptor: write, send, connect
  kCloses = 1U << 3,      ///< close, dup2 or shutdown of a descriptor
  kExits = 1U << 4,       ///< ends its process
  kEndsThread = 1U << 5,  ///< returns from the function that its thread began with, or pthread_exit
  kForks = 1U << 6,       ///< makes a process or a thread, or executes a program
  kSignals = 1U << 7,     ///< sends a signal
  kRaises = 1U << 8,      ///< an exception or longjmp leaves the interrupted code another way
  kUnknown = 1U << 9,     ///< something that was not understood: may be any of the others
  kLeaves = 1U << 10,     ///< asks its program to end, by an exception that the language has for
                          ///< that: its frames are left one by one
  kFinishes = 1U << 11,   ///< ends its thread, and all that comes of it is among the other effects
};

/// An over-approximation: what is not in the mask cannot happen.
struct Effects {
  std::uint32_t mask = kUnknown;
  /// Of kReads, kWrites and kCloses: the descriptors, where all of them are known; else empty.
  std::vector<int> fds;
  /// Of kReleases: what those who are woken wait for, where all of it is known; else empty: a
  /// futex, or the address of the lock.
  std::vector<std::uint64_t> releases;
  std::string summary;  ///< for a person, in the third person: "sleeps", "sleeps and counts"
  std::string unknown;  ///< what was not understood: "calls through a pointer at app+0x12"

  bool may(std::uint32_t effects) const { return (mask & (effects | kUnknown)) != 0; }
};

/// Of what is known without reading it.
inline Effects effects_of(std::uint32_t mask, std::string_view summary) {
  return {mask, {}, {}, std::string(summary), ""};
}

/// A handler of a signal that the program installed.
struct Handler {
  int signal = 0;
  bool restarts = false;  ///< SA_RESTART: an interrupted call that can go on does
  /// Runs on whatever thread the signal comes to. false: only the language's main thread runs the
  /// program's own part of it, between two of its instructions.
  bool any_thread = true;
  std::string name;  ///< "on_term in app.py:9", "note in libnoise.so"; "" if unknown
  Result<Effects> effects = Error{};
  /// All that the signal does is to interrupt calls, which are made again: the runtime's own,
  /// behind which nothing of the program stands, or one that only takes note.
  bool idle = false;
};

}  // namespace ipcdoctor::snapshot
