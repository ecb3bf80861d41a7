#include "watch/hang_watch.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

namespace ipcdoctor::watch {
namespace {

using namespace std::chrono_literals;

constexpr auto kInterval = 1s;
constexpr auto kSecondLook = 250ms;
constexpr auto kPartIsStill =
    5s;  // a part that stands still so long deserves a look while the rest goes on
constexpr auto kFirstPause = 2s;
constexpr Clock::duration kLongestPause = 60s;
constexpr auto kPollsWithin =
    5s;  // a loop that polls more seldom is taken for a program that sleeps
constexpr std::chrono::milliseconds kPollingWindow = 300ms, kLastWindow = 1s;
constexpr int kCalmShare = 5;  // of a processor, at most: it waits more than it works
// What the looks may cost, as parts of the time, while something moves: together less than half a
// percent of a processor.
constexpr int kLookShare = 500, kSecondLookShare = 2000, kDeepShare = 700;
constexpr auto kDeepCostOfAThread = 1ms;  // until the first is measured
constexpr Clock::duration kCheap = 40ms;  // so much for once is not to be seen
constexpr Clock::duration kLongestInterval = 5s;

/// Of the pipes, sockets and terminals that we, and so the command, got from outside.
std::set<std::uint64_t> own_channels() {
  std::set<std::uint64_t> inodes;
  const auto close = [](DIR* dir) { (void)::closedir(dir); };
  const std::unique_ptr<DIR, decltype(close)> dir(::opendir("/proc/self/fd"));
  if (!dir) return inodes;
  while (const dirent* entry = ::readdir(dir.get())) {
    struct stat status {};
    if (::fstatat(::dirfd(dir.get()), entry->d_name, &status, 0) != 0) continue;
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ||
        (S_ISCHR(status.st_mode) && ::isatty(std::atoi(entry->d_name)) != 0))
      inodes.insert(status.st_ino);
  }
  return inodes;
}

/// The processor time of this thread.
std::chrono::nanoseconds time_used() {
  timespec time{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

HangWatch::HangWatch(std::vector<Pid> roots, HangOptions options)
    : roots_(std::move(roots)),
      options_(std::move(options)),
      inherited_(own_channels()),
      deep_look_at_(Clock::now()) {}

/// Takes over a cheap look. @return whether every thread stands still since the look before
bool HangWatch::update(const std::vector<TreeThread>& threads, Clock::time_point now) {
  std::map<ThreadKey, Still> next;
  bool all_still = !threads.empty(), calm = all_still;
  for (const TreeThread& thread : threads) {
    const ThreadKey key{thread.pid, thread.tid};
    const auto before = still_.find(key);
    const bool same = before != still_.end() && before->second.last == thread && !thread.runs;
    all_still = all_still && same;
    calm = calm && before != still_.end() && !thread.runs &&
           thread.start_ticks == before->second.last.start_ticks &&
           std::chrono::nanoseconds(thread.ran - before->second.last.ran) * kCalmShare <=
               now - last_look_;
    next.emplace(key, Still{thread, same ? before->second.since : now});
  }
  if (!all_still || next.size() != still_.size()) moved_since_deep_look_ = true;
  if (!all_still) {
    longest_stand_ = std::max(longest_stand_, last_look_ - moved_at_);
    moved_at_ = now;
  }
  if (!calm && calm_since_) {
    longest_calm_ = std::max(longest_calm_, last_look_ - *calm_since_);
    calm_since_.reset();
  }
  last_look_ = now;
  if (calm && !calm_since_) calm_since_ = now;
  const bool asleep = !all_still && std::ranges::none_of(threads, &TreeThread::runs);
  // seldom for a program that wakes often: it is looked at once a second
  second_look_ = asleep && !second_look_ && now - second_look_at_ >= kSecondLookShare * look_cost_;
  if (second_look_) second_look_at_ = now;
  still_ = std::move(next);
  return all_still;
}

Clock::duration HangWatch::pause() const {
  if (second_look_) return kSecondLook;
  return std::clamp<Clock::duration>(kLookShare * look_cost_, kInterval, kLongestInterval);
}

/// What a deep look costs, as far as is known.
Clock::duration HangWatch::deep_cost() const {
  return cost_.value_or(static_cast<int>(still_.size()) * kDeepCostOfAThread);
}

/// Whether one more deep look now keeps them a small part of the time.
bool HangWatch::can_afford_a_deep_look(Clock::time_point now) const {
  return now - deep_look_at_ >= kDeepShare * deep_cost();
}

/// Whether the thread has woken up lately, more than once since all is calm.
bool HangWatch::is_still_polling(Clock::time_point now, const Still& still) const {
  return calm_since_ && still.since > *calm_since_ && now - still.since <= kPollsWithin;
}

bool HangWatch::is_time_for_a_deep_look(Clock::time_point now, bool all_still) const {
  if (second_due_) return now >= *second_due_;
  // a program that wakes up every few seconds stands still in between, and goes on as before
  const bool longer_than_ever = now - moved_at_ > longest_stand_;
  const bool long_enough = deep_cost() <= kCheap || now - moved_at_ >= kInterval;
  if (all_still && moved_since_deep_look_ && longer_than_ever && long_enough) return true;
  const auto is_polling = [&](const auto& entry) { return is_still_polling(now, entry.second); };
  if (options_.enough >= Grade::Stuck && std::ranges::any_of(still_, is_polling) &&
      *calm_since_ > deep_look_at_ && now - *calm_since_ > longest_calm_ && deep_cost() <= kCheap)
    return true;
  if (!can_afford_a_deep_look(now)) return false;
  if (all_still && moved_since_deep_look_) return true;
  const bool came_to_a_stand = std::ranges::any_of(still_, [&](const auto& entry) {
    return entry.second.since > deep_look_at_ && entry.second.since < now;
  });
  if (came_to_a_stand) return true;
  const bool waits_long = std::ranges::any_of(still_, [&](const auto& entry) {
    return now - entry.second.since >= kPartIsStill || is_polling(entry);
  });
  return waits_long && now - deep_look_at_ >= pause_;
}

/// Watches those that may poll for a moment.
collect::Options HangWatch::with_pollers(Clock::time_point now) const {
  collect::Options options = options_.collect;
  for (const auto& [key, still] : still_)
    if (is_still_polling(now, still)) options.seen_waking.insert({key.first, key.second});
  if (!options.seen_waking.empty()) options.observe = std::max(options.observe, kPollingWindow);
  return options;
}

Result<snapshot::Snapshot> HangWatch::last_look() const {
  collect::Options options = options_.collect;
  options.observe = std::max(options.observe, kLastWindow);
  return collect::collect(roots_, options);
}

Result<snapshot::Snapshot> HangWatch::hasty_look(Clock::time_point now) const {
  return collect::collect(roots_, with_pollers(now));
}

/// @param sends_descriptors  a socket near the tree has descriptors in its queue
bool HangWatch::is_granted(const graph::Leaf& leaf, bool sends_descriptors) const {
  if (leaf.life == graph::Life::PrivateName) return true;
  if (inherited_.contains(leaf.object.ino)) return options_.enough >= Grade::Assuming;
  switch (leaf.life) {
    case graph::Life::UnseenHolder:
      return true;
    case graph::Life::FdsInFlight:
      return !sends_descriptors || options_.enough >= Grade::Stuck;
    case graph::Life::NamedObject:
    case graph::Life::SysvStranger:
    case graph::Life::ServerLoop:
      return options_.enough >= Grade::Stuck;
    case graph::Life::Polling:
      return false;  // whether that is what a thread does, its finding tells
    case graph::Life::ReadHelper:
    case graph::Life::ReadPolling:
    case graph::Life::ReadHandler:
    case graph::Life::EndingHandler:
      return true;  // by its own code it helps nobody
    default:
      return options_.enough >= Grade::Assuming;
  }
}

/// Whether a set is enough to be called a hang.
bool HangWatch::counts(const graph::StuckSet& set, bool sends_descriptors) const {
  if (set.level == graph::Level::Proved) return true;
  if (set.level <= graph::Level::Stuck || options_.enough == Grade::Proved) return false;
  return !set.assumed.empty() && std::ranges::all_of(set.assumed, [&](const graph::Leaf& leaf) {
    return is_granted(leaf, sends_descriptors);
  });
}

bool HangWatch::waits_for_outside(const snapshot::Snapshot& snapshot,
                                  snapshot::TaskRef task) const {
  const snapshot::Thread* thread = snapshot::find_thread(snapshot, task);
  return thread != nullptr && thread->wait &&
         std::ranges::any_of(thread->wait->objects, [&](const snapshot::Awaited& awaited) {
           return inherited_.contains(awaited.object.ino);
         });
}

/// Those that each finding of verdict stuck and each claim under a condition names, for
/// Grade::Suspected those of every claim. A set of that level which no finding claims is a program
/// that merely waits.
std::vector<HangWatch::Named> HangWatch::tasks_of_findings(const snapshot::Snapshot& snapshot,
                                                           const graph::WaitGraph& graph) const {
  std::vector<Named> found;
  for (const auto& finding : diagnosis::diagnose({snapshot, graph}, options_.probes).findings) {
    const bool claim =
        finding.verdict == diagnosis::Verdict::Stuck || !finding.unless.empty() ||
        (finding.verdict == diagnosis::Verdict::Deadlock && options_.enough == Grade::Suspected);
    if (!claim) continue;
    // Who looks again and again, and may be helped besides: that is two doubts.
    const bool polls =
        finding.set >= 0 && !finding.unless.empty() &&
        std::ranges::any_of(graph.stuck_sets()[static_cast<std::size_t>(finding.set)].assumed,
                            [](const graph::Leaf& leaf) {
                              return leaf.life == graph::Life::Polling ||
                                     leaf.life == graph::Life::ReadPolling;
                            });
    if (polls) continue;
    std::vector<snapshot::TaskRef> tasks;
    for (const diagnosis::StuckTask& stuck : finding.stuck) tasks.push_back(stuck.task);
    const bool outside = std::ranges::any_of(
        tasks, [&](snapshot::TaskRef task) { return waits_for_outside(snapshot, task); });
    if (!outside || options_.enough >= Grade::Assuming)
      found.push_back({std::move(tasks), !finding.unless.empty()});
  }
  return found;
}

Result<std::optional<Hang>> HangWatch::look(Clock::time_point now) {
  if (!files_) files_ = linux::RecordFiles::open_system();
  if (!files_) return files_.error();
  const auto before = time_used();
  const Result<std::vector<TreeThread>> threads = read_tree(roots_, *files_);
  if (!threads) return threads.error();
  if (threads->empty())
    return Error{Cause::Gone, 0,
                 "process " + std::to_string(roots_.front().value) +
                     (still_.empty() ? " does not exist" : " has ended")};
  const bool all_still = update(*threads, now);
  look_cost_ = (3 * look_cost_ + (time_used() - before)) / 4;
  if (!is_time_for_a_deep_look(now, all_still)) return std::optional<Hang>();
  return deep_look(now);
}

Result<std::optional<Hang>> HangWatch::deep_look(Clock::time_point now) {
  moved_since_deep_look_ = false;
  pause_ = std::clamp<Clock::duration>(pause_ * 2, kFirstPause, kLongestPause);
  deep_look_at_ = now;
  const auto begin = Clock::now();
  Result<snapshot::Snapshot> snapshot = collect::collect(
      roots_, options_.enough == Grade::Suspected ? with_pollers(now) : options_.collect);
  if (!snapshot) return snapshot.error();
  const graph::WaitGraph graph(*snapshot);
  const bool sends_descriptors = std::ranges::any_of(snapshot->objects, [](const auto& object) {
    return object.socket && object.socket->fds_in_flight > 0;
  });
  std::map<ThreadKey, Dead> dead;
  second_due_.reset();
  // Whether all of them were seen like that before, and have not moved since; more may have hung
  // meanwhile.
  const auto seen_twice = [&](const std::vector<snapshot::TaskRef>& tasks,
                              const std::vector<graph::Leaf>& assumed, Clock::duration stall) {
    bool twice = !tasks.empty();
    for (const snapshot::TaskRef& task : tasks) {
      const snapshot::Thread* thread = snapshot::find_thread(*snapshot, task);
      if (thread == nullptr) continue;
      const ThreadKey key{task.pid, task.tid};
      const bool serves = std::ranges::any_of(assumed, [&](const graph::Leaf& leaf) {
        return leaf.life == graph::Life::ServerLoop && leaf.task == task;
      });
      const bool polls = thread->polls || (thread->wait && thread->wait->asked);
      Dead is{polls || serves ? 0 : thread->switches, now};
      const auto was = dead_.find(key);
      if (was != dead_.end() && was->second.switches == is.switches) is.since = was->second.since;
      dead.insert_or_assign(key, is);
      const auto due = is.since + stall;
      if (now >= due) continue;
      twice = false;
      second_due_ = std::min(second_due_.value_or(due), due);
    }
    return twice;
  };
  const auto has_main_of_a_root = [&](const std::vector<snapshot::TaskRef>& tasks) {
    return std::ranges::any_of(roots_, [&](Pid root) {
      return std::ranges::find(tasks, snapshot::TaskRef{root, Tid{root.value}}) != tasks.end();
    });
  };
  Hang hang;
  bool is_hang = false, counted = false;
  for (const graph::StuckSet& set : graph.stuck_sets()) {
    if (!counts(set, sends_descriptors)) continue;
    counted = true;
    if (!seen_twice(set.core, set.assumed, options_.stall)) continue;
    is_hang = true;
    hang.of_a_root =
        hang.of_a_root || has_main_of_a_root(set.core) || has_main_of_a_root(set.behind);
  }
  hang.enough = counted || options_.enough >= Grade::Stuck;
  if (!counted || options_.enough >= Grade::Stuck) {
    for (const Named& named : tasks_of_findings(*snapshot, graph)) {
      if (!seen_twice(named.tasks, {}, options_.stall * 3 / 2)) continue;
      if (named.conditional && options_.enough != Grade::Suspected) {
        hang.conditional = true;
        continue;
      }
      is_hang = true;
      hang.of_a_root = hang.of_a_root || has_main_of_a_root(named.tasks);
    }
  }
  dead_ = std::move(dead);
  cost_ = Clock::now() - begin - std::chrono::milliseconds(static_cast<int>(snapshot->observed_ms));
  hang.conditional = hang.conditional && !is_hang;
  if (!is_hang && !hang.conditional) return std::optional<Hang>();
  hang.snapshot = *std::move(snapshot);
  return std::optional<Hang>(std::move(hang));
}

}  // namespace ipcdoctor::watch
