#pragma once

#include <functional>
#include <string>
#include <vector>

#include "watch/hang_watch.h"

namespace ipcdoctor::watch {

struct RunOptions {
  std::chrono::milliseconds timeout{0};  ///< for the whole command; 0 = none
  std::chrono::milliseconds kill_after{5000};
  bool keep = false;       ///< report a hang, but do not end the command, even if we are killed
  bool fail_fast = false;  ///< end it for the first hang of any part
  HangOptions hang;
  /// Told once, if the tree may not be looked into, so that nobody can say whether it hangs; may be
  /// empty.
  std::function<void(const Error& why)> on_refusal = {};
};

/// What became of a command.
struct RunOutcome {
  bool ended_by_us = false;
  int wait_status = 0;  ///< of waitpid(2), for the command itself
};

enum class Why {
  Hangs,      ///< the command itself cannot end any more
  PartHangs,  ///< a part of its tree; the command goes on, and may still end
  MayHang,    ///< unless what the report names helps; told once, and never ended for it
  NeedsHelp,  ///< only somebody outside could help, which is less than RunOptions::hang asks for
  TimeIsOver,
  ToldToEnd,  ///< a signal that ends programs was sent to us, while nothing in the tree worked
};

/// Called with what was seen then.
using OnHang = std::function<void(Why why, snapshot::Snapshot)>;

/// Runs a command with our standard streams, terminal and signals, and watches its tree. Signals
/// that are sent to us are passed on to it; those of the terminal reach it anyway. We become the
/// reaper of its orphans, so that the tree stays whole; what it leaves behind when it ends of its
/// own accord is left alone. Should we be killed, it gets TERM, unless RunOptions::keep.
/// @return the errno of execvp(3): Gone = no such command; Denied or other: it cannot be executed
Result<RunOutcome> run(const std::vector<std::string>& argv, const RunOptions& options,
                       const OnHang& on_hang);

}  // namespace ipcdoctor::watch
