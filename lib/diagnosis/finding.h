#pragma once

#include <string>
#include <vector>

#include "graph/wait_graph.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::diagnosis {

using snapshot::TaskRef;

/// The worst first; the order is that of the report's top verdict.
enum class Verdict { Deadlock, Stuck, Waiting, Running, Inconclusive };
enum class Grade { None, Proved, Assuming, Suspected };

/// How strongly what was read speaks for a cause. Of several causes of one hang the stronger leads,
/// then the one that comes first in the probes' table.
enum class Strength {
  None,         ///< nothing does: the fallback
  Consequence,  ///< it is true, and commonly follows from another mistake
  Guess,        ///< nothing speaks against it
  Possible,     ///< it fits the waits, as other causes may
  Likely,       ///< something beside the waits speaks for it
  Clear,        ///< these waits on these objects have no other usual cause
  Read,         ///< what cannot come was read: an owner that is dead, or is the waiter itself
};

std::string to_string(Verdict verdict);  ///< "deadlock" ...
std::string to_string(Grade grade);      ///< "proved" ...; "" for None

struct StuckTask {
  TaskRef task;
  std::string where;  ///< "app.py:9", "" if unknown
  std::string function;
  std::string waits_for;  ///< "data or EOF on socket:[9433]"
  bool serves = false;    ///< a library's helper that waits for work, not at a line of the user's
};

/// Somebody whose act or omission is the cause.
struct Culprit {
  TaskRef task;  ///< tid 0: the process as a whole
  int fd = -1;
  std::string where;
  std::string function;
  std::string why;  ///< "holds the write end, never writes: waits for 42 to exit"
  bool dead = false;
};

struct ChainLink {
  TaskRef from;
  TaskRef to;
  std::string by;
  std::string evidence;
};

struct Evidence {
  std::string fact;
  std::string source;  ///< "/proc/42/syscall"
};

/// What would let stuck tasks go on: all of its events together.
struct Repair {
  std::vector<graph::Event> events;
  std::string what;            ///< "fd 4 closed in app[40] and app[42]"
  std::vector<TaskRef> frees;  ///< of the set: who could go on then, as the graph was asked
  std::size_t of = 0;          ///< tasks in the set
  bool frees_core = false;     ///< all that wait for each other, not only those behind
  bool frees_all() const { return frees.size() == of; }
};

/// One thing that is wrong. All text is safe to print.
struct Finding {
  std::string code;  ///< "IPC101"
  std::string slug;  ///< "unclosed-write-end"
  std::vector<std::string> also;
  Verdict verdict = Verdict::Deadlock;
  Grade grade = Grade::None;
  std::vector<std::string> assumptions;
  /// Who could still help: not empty makes it a claim under that condition, of verdict waiting and
  /// grade suspected, which is never an alarm.
  std::vector<std::string> unless;
  std::string title;
  std::string explanation;
  std::string fix;  ///< lines, most useful first, in the words of the language at fault
  std::vector<StuckTask> stuck;
  std::vector<Culprit> culprits;
  std::vector<ChainLink> chain;
  std::vector<Evidence> evidence;
  std::vector<Repair> repairs;  ///< those that free everybody first
  int set = -1;  ///< index in WaitGraph::stuck_sets(); -1: about live tasks that merely wait
  /// Of several findings of one set that leads which is of what is overdue, then that with a repair
  /// that frees the core, then by `strength` and `place`; the others become its `also`.
  Strength strength = Strength::None;
  bool of_overdue = false;  ///< something is, and nobody else is to blame
  std::size_t place = 0;  ///< of its probe among those asked
};

}  // namespace ipcdoctor::diagnosis
