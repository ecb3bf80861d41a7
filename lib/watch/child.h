#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

/// A command under our supervision.
namespace ipcdoctor::watch {

enum class Session { Ours, Own };

struct ChildOptions {
  Session session = Session::Ours;  ///< Own: setsid(2), so that all of it can be ended at once
  int in = -1, out = -1, err = -1;  ///< descriptors for 0, 1, 2; -1 = ours
  const sigset_t* mask = nullptr;   ///< the signal mask it starts with; nullptr = ours
  int death_signal = 0;  ///< what it gets when we are killed (PR_SET_PDEATHSIG); 0 = nothing
};

/// Starts argv[0], found by PATH. It inherits what we ignore.
/// @return the errno of execvp(3): Gone = no such command, else it cannot be executed
Result<Pid> start_child(const std::vector<std::string>& argv, const ChildOptions& options);

}  // namespace ipcdoctor::watch
