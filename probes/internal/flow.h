#pragma once

#include <optional>
#include <string>
#include <vector>

#include "probes/internal/ends.h"
#include "probes/internal/tasks.h"

/// Which way data would have to flow for a wait to end.
namespace ipcdoctor::probes {

enum class Way { None, Receive, Send };

/// One waiting task as a party of data flow. partners = processes that could end the wait: senders
/// of what it receives, receivers of what it sends; its own process too if it has the other end.
struct Flow {
  TaskRef task;
  Way way = Way::None;
  std::vector<ObjectId> objects;
  std::vector<Pid> partners;
};

Flow flow_of(const Context& context, const Ends& ends, TaskRef task);

/// Of each task; those that wait for something else have Way::None.
std::vector<Flow> flows_of(const Context& context, const Ends& ends,
                           const std::vector<TaskRef>& tasks);

bool is_partner(const Flow& flow, Pid pid);

/// Of a copy that came by fork and that nobody thought of: the ancestor that waits for its holder's
/// end and has the same descriptor still, so that it is the one to use it. @param holders  of the
/// same end
std::optional<Pid> keeper_of(const Snapshot& snapshot, const std::vector<Holder>& holders,
                             const Holder& copy);

/// Of many, the one that is an ancestor of all others: whoever started them decides the order in
/// which all act. Of two and where nobody is, all.
std::vector<Pid> those_who_decide(const Snapshot& snapshot, std::vector<Pid> pids);

/// "pipe:[7] (65536 of 65536 bytes)" as far as it is known.
std::string filled(const Snapshot& snapshot, const ObjectId& object);

}  // namespace ipcdoctor::probes
