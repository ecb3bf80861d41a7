#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "diagnosis/probe.h"

/// Small questions about tasks, waits and families that several probes ask.
namespace ipcdoctor::probes {

using diagnosis::Context;
using diagnosis::Strength;
using diagnosis::wait_of;
using snapshot::ObjectId;
using snapshot::Process;
using snapshot::Snapshot;
using snapshot::TaskRef;
using snapshot::Thread;
using snapshot::Wait;

/// SIGCHLD is 17: bit 16 of snapshot::SignalSets.
inline constexpr std::uint64_t kSigChld = std::uint64_t{1} << 16U;

/// core, then behind.
std::vector<TaskRef> members(const graph::StuckSet& set);
bool contains(const std::vector<TaskRef>& tasks, Pid pid);
/// The index of the stuck set that has this task; -1 if none has.
int set_of(const Context& context, TaskRef task);

/// Errors of facts that were needed about the members of the sets: what makes an answer
/// inconclusive.
std::vector<Error> missing_waits(const Context& context);

/// Found, or Inconclusive with missing_waits() where there are some, or NotFound.
diagnosis::Answer conclude(const Context& context, std::vector<diagnosis::Finding> findings);

/// What the objects of a wait are waited on for.
bool receives(const Wait& wait);  ///< data, EOF, a connection or a message, and nothing else
bool sends(const Wait& wait);     ///< room, and nothing else
/// splice(2) and its kin between two channels: they count as receiving, from a source that is
/// empty.
bool copies(const Wait& wait);
/// Bytes that somebody sent, to be read from a pipe or socket. The count of an eventfd is left
/// unread on purpose where it only wakes.
bool has_data(const snapshot::Object& object);

/// The objects that a receiving task waits on; those of an epoll set are resolved.
std::vector<ObjectId> received_objects(const Snapshot& snapshot, TaskRef task);
/// The objects that a sending task needs room in.
std::vector<ObjectId> sent_objects(const Snapshot& snapshot, TaskRef task);
/// The thread of an event loop whose task awaits that what it wrote is out; the loop watches for
/// more.
bool waits_until_sent(const Snapshot& snapshot, TaskRef task);

/// The processes whose exit ends this wait: children, pidfds, sentinels of Process.join.
std::vector<Pid> awaited_exits(const Snapshot& snapshot, TaskRef task);
/// The threads whose end it waits for.
std::vector<TaskRef> awaited_threads(const Snapshot& snapshot, TaskRef task);
/// Some thread of `waiter` waits for the exit of `process`, of an ancestor of it, or of one of its
/// threads.
bool waits_for_exit(const Snapshot& snapshot, Pid waiter, Pid process);

/// `older` is the parent of `younger`, or its parent's parent, ...
bool is_ancestor(const Snapshot& snapshot, Pid older, Pid younger);

/// A process of the target's tree or one that came from it.
bool is_of_tree(const Process& process);

/// It came from the tree but its parent ended: init, or a subreaper above the target, adopted it.
/// In doubt false. Its session tells: a child of the adopter would be of the adopter's session or
/// lead its own, and what leads its own must be younger than the target.
bool left_the_tree(const Snapshot& snapshot, const Process& process);

/// An orphan of which nothing tells that it is about to do something: no thread waits for a lock,
/// for what the tree may send it, or for a child that is not at rest itself, nor sleeps for a short
/// time that may be the first: that is how a helper ends that is merely slow. In doubt false.
bool is_at_rest(const Context& context, const Process& process);

/// The address on which a thread of it, or of its children, waits for connections; "" if none does.
std::string listens_on(const Snapshot& snapshot, Pid pid);

/// The descriptor was inherited over exec although no program expects it: above stderr, and the
/// process runs another program than its parent.
bool is_leaked_over_exec(const Process& process, int fd);

/// The task that best stands for a process in a set: a member of it, the lowest tid first; tid 0 if
/// none.
TaskRef task_of(const std::vector<TaskRef>& tasks, Pid pid);
/// That of each process among them.
std::map<Pid, TaskRef> first_of_each(const std::vector<TaskRef>& tasks);

/// "python3[42]"
std::string name(const Snapshot& snapshot, Pid pid);

/// Adds the tasks of the tree that only these, and those added before, could wake.
std::vector<TaskRef> with_those_behind(const Context& context, std::vector<TaskRef> stuck);

}  // namespace ipcdoctor::probes
