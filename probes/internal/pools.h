#pragma once

#include <string>
#include <vector>

#include "probes/internal/set_members.h"

/// Pools and executors: who works for whom, and who is idle.
namespace ipcdoctor::probes {

/// A pool or executor in whose results somebody of the set waits.
struct Pool {
  const Process* owner =
      nullptr;  ///< the process that waits; after fork not the one whose threads serve it
  const snapshot::RuntimeObject* object = nullptr;
  std::vector<const Process*> workers;  ///< processes; empty for a pool of threads
  std::vector<const Thread*>
      threads;  ///< worker threads of a pool of threads, as their activity tells
  bool of_threads = false;
  std::string name;  ///< "the Pool `pool`", "the ProcessPoolExecutor"
};

/// The pool whose result or end this task waits for, or nothing.
std::optional<Pool> awaited_pool(const Context& context, const Member& waiter);

bool is_pool(const snapshot::RuntimeObject& object);

/// For a result of a pool, or for its end, whether or not it is known of which.
bool waits_for_a_pool(const snapshot::Activity& activity);

/// Every worker that is seen is idle: it waits for the next task in the library's own loop. False
/// if none is seen, or one is in the user's code or cannot be told.
bool all_idle(const Pool& pool);

/// Every worker that is seen is blocked in the user's code, and has a member in the set.
bool all_busy_and_stuck(const Pool& pool, const Members& members);

/// A worker process's thread that does the work: the one whose activity is of a worker, else its
/// leader.
const Thread* working_thread(const Process& worker);

}  // namespace ipcdoctor::probes
