#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "runtime/runtime.h"
#include "snapshot/snapshot.h"

/// The only place that touches a target, and all of it in one helper process that a watchdog may
/// kill: a read that never returns costs that one fact.
namespace ipcdoctor::collect {

enum class StopPolicy { Never, Auto, Always };
enum class Symbols { None, All };
/// Stacks: only the threads of the tree and where they are; no descriptors, objects or waits, so
/// nothing that could be diagnosed.
enum class Depth { Diagnosis, Stacks };

/// What is kept of the arguments of a program: names of options, or values too that look like no
/// secrets.
enum class Argv { Names, Values };

struct Options {
  StopPolicy stop = StopPolicy::Never;
  std::chrono::milliseconds deadline{10000};  ///< for everything
  std::chrono::milliseconds patience{1500};   ///< for one read of one fact
  bool overdue = false;                       ///< see Snapshot::overdue
  std::chrono::milliseconds observe{0};       ///< window in which polling loops are recognised
  /// Watch no longer than it takes to see each loop come round a few times; those that do are then
  /// a condition of a claim, not a part of it.
  bool observe_briefly = false;
  std::set<snapshot::TaskRef>
      seen_waking;  ///< by the caller, in the seconds before: need not in the window
  Symbols symbols = Symbols::None;  ///< All: names and lines for all stacks (save)
  Depth depth = Depth::Diagnosis;
  Argv argv = Argv::Names;
  /// Also what snapshots of other hosts ask for: Snapshot::place, the ranks of processes, and
  /// connections that nobody here waits for.
  bool place = false;
  std::string after;  ///< place only: Place::after
  /// Those that tell of threads by runtime/runtime.h.
  std::span<const runtime::Runtime> runtimes = runtime::runtimes();
  std::function<void()> tick = {};  ///< called again and again meanwhile, here; may be empty
};

/// Why the collection did not begin: no such process, a kernel thread, a zombie, ourselves or an
/// ancestor, no permission. The Error's text says what to do.
Result<snapshot::Snapshot> collect(const std::vector<Pid>& targets, const Options& options);

/// That nothing was looked for, or found, on this host: Snapshot::place and no process.
snapshot::Snapshot collect_place(const Options& options);

/// Adds functions and lines to the native stacks of these tasks (in a helper process, bounded by
/// `deadline`). Equal stacks are looked up once, and at most 256 different ones. What cannot be
/// named stays module+offset.
void symbolise(snapshot::Snapshot& snapshot, const std::vector<snapshot::TaskRef>& all,
               std::chrono::milliseconds deadline);

}  // namespace ipcdoctor::collect
