#pragma once

#include <string>
#include <vector>

#include "diagnosis/ends.h"
#include "diagnosis/probe.h"

/// What would end a hang. A probe says which events it thinks of, the graph whom they would free.
namespace ipcdoctor::diagnosis {

/// `task` gets what it waits for: an item, room, the lock, a signal.
graph::Event wakes(TaskRef task);

/// Who has it open closes it; for what is in flight to a socket, the socket.
graph::Event closes(const Holder& holder);

/// A repair of one event or of several that are all needed; nothing for none.
void add_repair(Finding& finding, std::vector<graph::Event> events);

/// That each of them gets what it waits for: a repair of as many events.
void add_wakes(Finding& finding, const std::vector<TaskRef>& tasks);

/// Fills in whom each repair of a finding frees, and drops those that free nobody.
void check_repairs(const Context& context, Finding& finding);

/// Some repair frees all of the core: what frees only those behind it is no cause.
bool frees_the_core(const Finding& finding);

/// "fd 4 closed in app[40] and app[42]", "an item of the Queue `jobs` for app[42]".
std::string describe(const Snapshot& snapshot, const std::vector<graph::Event>& events);

/// What is done: "close", or what `task` gets: "exit", "message", "room", "release", "signal",
/// "continue", "open" or "wake".
std::string action_of(const Snapshot& snapshot, const graph::Event& event);

}  // namespace ipcdoctor::diagnosis
