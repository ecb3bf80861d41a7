#pragma once

#include <string>

#include "probes/internal/ends.h"
#include "probes/internal/tasks.h"

/// Words that several probes share.
namespace ipcdoctor::probes {

enum class Language { C, Python, Shell, Go };

/// The language that the process is written in: by its interpreter or runtime, else C.
Language language_of(const Snapshot& snapshot, Pid pid);

enum class Mistake { KeepsEndOpen, WaitsBeforeReading, ReadsOneOfSeveral };

/// How it is mended in the language of that process, on a line of its own; "" where it is none of
/// those that get the advice for C and have words of their own.
std::string idiom(const Snapshot& snapshot, Pid pid, Mistake mistake);

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
