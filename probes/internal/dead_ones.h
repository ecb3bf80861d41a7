#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probes/internal/set_members.h"

/// Processes that are over, as far as anybody still knows of them.
namespace ipcdoctor::probes {

struct DeadProcess {
  Pid pid;           ///< 0: unknown, but one is missing
  Pid parent;        ///< who started it; 0: unknown
  std::string name;  ///< "Process-1", "worker 2 of the Pool `pool`"
  /// How it ended, if known, as multiprocessing and subprocess tell it: -9 = killed by signal 9.
  std::optional<std::int64_t> code{};
  bool is_zombie = false;  ///< nobody has waited for it
};

/// Dead children of the processes that have a member in the set: zombies, what multiprocessing and
/// subprocess objects know to be over, the processes of pools and executors that no longer exist,
/// at most 256.
std::vector<DeadProcess> dead_children(const Context& context, const Members& members);

/// It is known to have been killed or to have ended with another exit code than 0.
bool failed(const DeadProcess& dead);

/// Those that failed if any did, else all.
std::vector<DeadProcess> most_suspect(std::vector<DeadProcess> dead);

/// How many children of a process are gone, known by pid or not: multiprocessing numbers those that
/// it starts, so where "Process-3" lives alone two others have ended.
std::size_t gone_children(const Context& context, const Members& members, Pid parent);

/// A pid as the target's process numbers it (numbers of Python objects), in ours; 0 if no such
/// process was seen.
Pid seen_pid(const Context& context, const Process& viewer, std::int64_t ns_pid);

/// The living process of that number, or nullptr. False friends are excluded: it must be in the
/// viewer's PID namespace.
const Process* living_process(const Context& context, const Process& viewer, std::int64_t ns_pid);

/// Names of the process's threading.Threads that are over.
std::vector<std::string> ended_threads(const Process& process);

/// "Process-1[42] (exit code 1)".
std::string describe(const Snapshot& snapshot, const DeadProcess& dead);

/// A culprit that is dead; only for a known pid.
diagnosis::Culprit dead_culprit(const DeadProcess& dead, std::string why);

}  // namespace ipcdoctor::probes
