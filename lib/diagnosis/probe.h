#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "diagnosis/ends.h"
#include "diagnosis/finding.h"
#include "graph/wait_graph.h"

namespace ipcdoctor::diagnosis {

/// What a probe may look at: nothing else.
class Context {
 public:
  Context(const snapshot::Snapshot& of, const graph::WaitGraph& its_graph)
      : snapshot(of), graph(its_graph) {}

  const snapshot::Snapshot& snapshot;
  const graph::WaitGraph& graph;
  /// Made when first asked for.
  const Ends& ends() const {
    if (!ends_) ends_.emplace(snapshot);
    return *ends_;
  }

 private:
  mutable std::optional<Ends> ends_;
};

enum class Outcome { Found, NotFound, Inconclusive, NotApplicable };

/// Missing evidence never becomes NotFound: it becomes Inconclusive with the errors.
struct Answer {
  Outcome outcome = Outcome::NotApplicable;
  std::vector<Finding> findings;
  std::vector<Error> missing;
};

/// One yes/no question about one deadlock class, a pure function.
struct Probe {
  const char* code;  ///< permanent
  const char* slug;
  const char* summary;  ///< one line for `ipcdoctor probes`
  Answer (*run)(const Context& context);
};

/// A finding about stuck_sets()[set] with everything filled in that does not depend on the class:
/// verdict, grade, assumptions, stuck tasks (core, then behind), chain, evidence. The probe adds
/// title, explanation, fix, culprits, strength.
Finding start_finding(const Context& context, const Probe& probe, int set);

/// The same about live tasks that merely wait: verdict stuck or waiting, no set.
Finding start_finding(const Context& context, const Probe& probe, Verdict verdict,
                      std::span<const TaskRef> stuck);

/// With where and function filled in from its stack.
StuckTask stuck_task(const snapshot::Snapshot& snapshot, TaskRef task);

/// The wait of that task, or nullptr if it is not known.
const snapshot::Wait* wait_of(const snapshot::Snapshot& snapshot, TaskRef task);

/// "/proc/42/mem" as the source of a fact; "h2:/proc/42/mem" in a joined snapshot.
std::string proc_path(const snapshot::Snapshot& snapshot, Pid pid, const std::string& file);

/// "data or EOF on pipe:[7]", "the exit of 42", "mutex `m` in app".
std::string describe_wait(const snapshot::Snapshot& snapshot, TaskRef task);

/// The object's name as the report prints it: "pipe:[7]", a path; the kind where no name is known.
std::string object_name(const snapshot::Snapshot& snapshot, const snapshot::ObjectId& id);

/// What an open of a FIFO names: the FIFO where somebody has it open, else the path of the call.
std::string opened_path(const snapshot::Snapshot& snapshot, const snapshot::Wait& wait);

/// A culprit with where and function filled in from its stack.
Culprit culprit(const snapshot::Snapshot& snapshot, TaskRef task, int fd, std::string why);

struct Diagnosis {
  Verdict verdict = Verdict::Inconclusive;
  std::vector<Finding>
      findings;  ///< the worst first; one for each stuck set, then those about live tasks
  std::vector<Error> inconclusive;  ///< what probes lacked
};

/// Runs all probes and merges: one finding a stuck set, of which the slugs of the others become its
/// `also`. What frees its core leads, as the graph is asked, then the heaviest. Weight 0 is
/// the fallback that never shows beside another: unclassified-deadlock claims each deadlock with
/// it. A set of level Stuck that no probe claims is dropped: it merely waits. Where many tasks are
/// alike the probes see some of each kind (fold.h). Findings about live tasks that share a stuck
/// task are one finding too; those of verdict waiting are dropped where something worse was found.
Diagnosis diagnose(const Context& context, std::span<const Probe* const> probes);

}  // namespace ipcdoctor::diagnosis
