#pragma once

#include <string>

#include "probes/internal/ends.h"
#include "probes/internal/tasks.h"
#include "probes/pages.h"

/// Words that several probes share.
namespace ipcdoctor::probes {

/// What the page of the probe says is to do in the first of these situations that it has, in the
/// words of the task's language. {the process} and {place} are the task's.
std::string what_to_do(const Snapshot& snapshot, const diagnosis::Probe& probe, TaskRef task,
                       const std::vector<Situation>& situations, Values values = {});

/// "both", "all 3": of so many, more than one.
std::string all_of(std::size_t count);

/// "app.py:9 in consumer()" for the place where a thread stands; "" if it is not known.
std::string place(const Thread& thread);

/// " at app.py:9 in consumer()" for the place where a task stands; "" if it is not known.
std::string place(const Snapshot& snapshot, TaskRef task);

/// "waits for the exit of 42", "sleeps", "runs": what the task that stands for the process does.
std::string doing(const Snapshot& snapshot, TaskRef task);

/// "consumer()" of the innermost user frame, else `otherwise`.
std::string function_of(const Snapshot& snapshot, TaskRef task, const std::string& otherwise);

/// "a, b and 3 more" of the labels of these processes.
std::string names(const Snapshot& snapshot, const std::vector<Pid>& pids);

}  // namespace ipcdoctor::probes
