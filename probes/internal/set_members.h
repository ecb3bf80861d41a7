#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "diagnosis/probe.h"
#include "diagnosis/repairs.h"
#include "probes/internal/advice.h"

/// What every probe about a stuck set does first: look at its members, and say what is missing
/// about them.
namespace ipcdoctor::probes {

using diagnosis::Answer;
using diagnosis::Context;
using diagnosis::Finding;
using diagnosis::Probe;
using graph::StuckSet;
using snapshot::End;
using snapshot::LockNumber;
using snapshot::Number;
using snapshot::Process;
using snapshot::TaskRef;
using snapshot::Text;
using snapshot::Thread;
using snapshot::Wait;
using snapshot::WaitKind;

/// One task of a stuck set. thread and process are never null: what the snapshot does not hold is
/// left out.
struct Member {
  TaskRef task;
  const Process* process = nullptr;
  const Thread* thread = nullptr;
  bool core = false;
  const Snapshot* snapshot = nullptr;  ///< of those that members_of() gives
};

using Members = std::vector<Member>;

/// The tasks of a set, its core first, then those behind it.
Members members_of(const Context& context, const StuckSet& set);

/// The call that a member is blocked in, or nullptr if it could not be read.
const Wait* wait_of(const Member& member);
const Wait* wait_of(const Thread& thread);

bool waits_in(const Member& member, WaitKind kind);
bool is_member(std::span<const Member> members, TaskRef task);
bool has_process(std::span<const Member> members, Pid pid);

/// A repair: each of them gets what it waits for.
void add_wakes(Finding& finding, const Members& members);

/// How many these are, with those that are alike and not in the snapshot.
std::size_t count_of(const Context& context, std::span<const Member> members);

/// One member a process: its leader if that is one of them.
Members one_a_process(std::span<const Member> members);

/// Judges one set; empty: it is not this mistake.
using Examine = std::function<std::optional<Finding>(const Context&, int set, const Members&)>;
/// What would have to be known about a set to say that it is not this mistake.
using Blind = std::function<std::vector<Error>(const Members&)>;

/// Runs `examine` on every set of at least `lowest` (Level::Suspected: deadlocks only,
/// Level::Stuck: also those that something outside can end). @return Inconclusive with the errors
/// of `blind` where nothing was found for want of facts.
Answer examine_sets(const Context& context, graph::Level lowest, const Examine& examine,
                    const Blind& blind);

/// Members in a futex wait of which it is not known what they wait for or who holds it.
std::vector<Error> unknown_locks(const Members& members);

/// Members that run Python of which the stack could not be read.
std::vector<Error> unknown_stacks(const Members& members);

/// Both of the above.
std::vector<Error> unknown_locks_or_stacks(const Members& members);

/// "app.py:12 in worker()", "worker() in app", "" if nothing is known.
std::string place(const Member& member);

/// " (app.py:12 in worker())", or "".
std::string place_in_brackets(const Thread& thread);

}  // namespace ipcdoctor::probes
