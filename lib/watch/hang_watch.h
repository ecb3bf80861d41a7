#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "collect/collect.h"
#include "diagnosis/probe.h"
#include "graph/wait_graph.h"
#include "watch/tree.h"

namespace ipcdoctor::watch {

using Clock = std::chrono::steady_clock;

/// The weakest claim that counts as a hang.
enum class Grade {
  Proved,
  /// Proved but for processes that could not be looked into: none of them holds what the tree made
  /// itself. Descriptors are inherited downwards, and only a program that passes them on
  /// (SCM_RIGHTS, pidfd_getfd) could make that wrong. Nor does anybody else know the names that
  /// Python's library draws at random, use the number of an IPC_PRIVATE object, or open a terminal
  /// whose master the tree keeps. What we have open ourselves, such as our standard input, came
  /// from outside: there it is not enough.
  Tree,
  /// Also what only somebody outside of the tree could help: who opens the FIFO or the name that
  /// the tree uses, continues what is stopped, sends the signal, ends the daemon. He gets half as
  /// much time again. Not where a thread waits for what came from outside itself.
  Stuck,
  /// Also under any other assumption that a report may name.
  Assuming,
  /// Also what only wakes up to look again, for as long as we have watched it.
  Suspected,
};

struct HangOptions {
  std::chrono::milliseconds stall{2000};  ///< between the two looks that a proof needs
  Grade enough = Grade::Proved;
  std::span<const diagnosis::Probe* const>
      probes{};  ///< which tell what is no proof: Grade::Stuck and Suspected, and what falls short
                 ///< of `enough`
  collect::Options collect;
};

struct Hang {
  snapshot::Snapshot snapshot;
  bool enough = true;  ///< for HangOptions::enough; else only an outsider could help (Grade::Stuck)
  bool conditional = false;  ///< it holds only unless what the report names helps: never enough
  bool of_a_root =
      false;  ///< the main thread of a root is part of it: the root cannot end any more
};

/// Decides when a tree of processes hangs. Nearly all looks are cheap (read_tree); a whole
/// collection is made only when everything stands still, when a thread has come to a stand, or when
/// a part has stood still for long, and then ever more seldom. Neither wakes or stops anybody, and
/// deep looks together take a small share of the time only.
class HangWatch {
 public:
  HangWatch(std::vector<Pid> roots, HangOptions options);

  /// When the next look is due: after a second, in a large tree later, or soon where everybody has
  /// just gone to sleep and one more look tells whether that lasts.
  Clock::duration pause() const;

  /// One look.
  /// @return the hang that was seen twice, `stall` apart; nothing while there is none. Gone when no
  /// root lives, else the Error of the collection.
  Result<std::optional<Hang>> look(Clock::time_point now);

  /// When the time of the tree is over: whatever is there, with a second more to tell which threads
  /// only poll.
  Result<snapshot::Snapshot> last_look() const;

  /// The same in haste: the looks so far tell which threads may poll.
  Result<snapshot::Snapshot> hasty_look(Clock::time_point now) const;

  /// Whether the tree has only waited, or looked for what it waits for, of late.
  bool is_calm() const { return calm_since_ && *calm_since_ < last_look_; }

 private:
  using ThreadKey = std::pair<Pid, Tid>;
  struct Still {
    TreeThread last;
    Clock::time_point since;
  };
  /// A task of a dead core, since when it was seen so, unmoved; one that only polls counts as that.
  struct Dead {
    std::uint64_t switches = 0;
    Clock::time_point since;
  };

  bool update(const std::vector<TreeThread>& threads, Clock::time_point now);
  Clock::duration deep_cost() const;
  bool can_afford_a_deep_look(Clock::time_point now) const;
  bool is_time_for_a_deep_look(Clock::time_point now, bool all_still) const;
  bool is_still_polling(Clock::time_point now, const Still& still) const;
  collect::Options with_pollers(Clock::time_point now) const;
  bool is_granted(const graph::Leaf& leaf, bool sends_descriptors) const;
  bool counts(const graph::StuckSet& set, bool sends_descriptors) const;
  bool waits_for_outside(const snapshot::Snapshot& snapshot, snapshot::TaskRef task) const;
  /// Those that a claim names.
  struct Named {
    std::vector<snapshot::TaskRef> tasks;
    bool conditional = false;
  };
  std::vector<Named> tasks_of_findings(const snapshot::Snapshot& snapshot,
                                       const graph::WaitGraph& graph) const;
  Result<std::optional<Hang>> deep_look(Clock::time_point now);

  std::vector<Pid> roots_;
  HangOptions options_;
  Result<linux::RecordFiles> files_ = Error{};
  std::map<ThreadKey, Still> still_;
  std::set<std::uint64_t>
      inherited_;  ///< inodes of the pipes, sockets and terminals that we have open ourselves
  bool moved_since_deep_look_ = true;
  Clock::time_point deep_look_at_{};
  Clock::time_point last_look_{}, moved_at_{};
  Clock::duration longest_stand_{0};     ///< after which something moved again
  std::optional<Clock::duration> cost_;  ///< of the last deep look
  Clock::duration look_cost_{0};         ///< processor time of the cheap looks, on average
  bool second_look_ = false;             ///< everybody has just gone to sleep: look again soon
  Clock::time_point second_look_at_{};
  Clock::duration pause_{0};  ///< between deep looks while nothing comes to a stand
  std::optional<Clock::time_point>
      calm_since_;  ///< nothing runs and what woke up used next to no processor time
  Clock::duration longest_calm_{0};              ///< after which it did more again
  std::map<ThreadKey, Dead> dead_;               ///< at the last deep look
  std::optional<Clock::time_point> second_due_;  ///< when one of them is to be seen again
};

}  // namespace ipcdoctor::watch
