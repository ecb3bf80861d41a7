#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "collect/collect.h"
#include "graph/wait_graph.h"
#include "watch/tree.h"

namespace ipcdoctor::watch {

using Clock = std::chrono::steady_clock;

struct HangOptions {
  std::chrono::milliseconds stall{2000};  ///< between the two looks that a proof needs
  graph::Level enough = graph::Level::Proved;  ///< the weakest claim that counts
  bool fail_fast = false;                 ///< one look is enough
  collect::Options collect;
};

/// Decides when a tree of processes hangs. Nearly all looks are cheap (read_tree); a whole collection is made only
/// when everything stands still, or when a part has stood still for long, and then ever more seldom until something
/// moves. Neither wakes or stops anybody.
class HangWatch {
 public:
  HangWatch(std::vector<Pid> roots, HangOptions options);

  /// One look; call it about once a second.
  /// @return a snapshot that proves a deadlock, the second time that the same one was proved, `stall` apart; nothing
  /// while there is none. Gone when no root lives, else the Error of the collection.
  Result<std::optional<snapshot::Snapshot>> look(Clock::time_point now);

 private:
  using ThreadKey = std::pair<Pid, Tid>;
  struct Still {
    TreeThread last;
    Clock::time_point since;
  };
  /// A proof: the tasks of all dead cores with their switch counts, so that a new hang of the same tasks is another.
  using Proof = std::map<ThreadKey, std::uint64_t>;

  bool update(const std::vector<TreeThread>& threads, Clock::time_point now);
  bool is_time_for_a_deep_look(Clock::time_point now, bool all_still);
  Result<std::optional<snapshot::Snapshot>> deep_look(Clock::time_point now);

  std::vector<Pid> roots_;
  HangOptions options_;
  std::map<ThreadKey, Still> still_;
  bool moved_since_deep_look_ = true;
  Clock::time_point next_deep_look_{};
  std::chrono::milliseconds pause_{0};  ///< between deep looks while nothing changes
  Proof proof_;
  Clock::time_point proved_at_{};
};

}  // namespace ipcdoctor::watch
