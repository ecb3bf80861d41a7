#include "watch/hang_watch.h"

#include <algorithm>

namespace ipcdoctor::watch {
namespace {

using namespace std::chrono_literals;

constexpr auto kPartIsStill = 5s;   // a part that stands still so long deserves a look while the rest goes on
constexpr auto kFirstPause = 2s;
constexpr auto kLongestPause = 60s;

}  // namespace

HangWatch::HangWatch(std::vector<Pid> roots, HangOptions options)
    : roots_(std::move(roots)), options_(std::move(options)) {}

/// Takes over a cheap look. @return whether every thread stands still since the look before
bool HangWatch::update(const std::vector<TreeThread>& threads, Clock::time_point now) {
  std::map<ThreadKey, Still> next;
  bool all_still = !threads.empty();
  for (const TreeThread& thread : threads) {
    const ThreadKey key{thread.pid, thread.tid};
    const auto before = still_.find(key);
    const bool same = before != still_.end() && before->second.last == thread && !thread.runs;
    all_still = all_still && same;
    next.emplace(key, Still{thread, same ? before->second.since : now});
  }
  if (!all_still || next.size() != still_.size()) moved_since_deep_look_ = true;
  still_ = std::move(next);
  return all_still;
}

bool HangWatch::is_time_for_a_deep_look(Clock::time_point now, bool all_still) {
  if (!proof_.empty()) return now - proved_at_ >= options_.stall;
  if (all_still && moved_since_deep_look_) {
    pause_ = 0ms;  // a new standstill: look at once
    return true;
  }
  const bool part_still = std::ranges::any_of(
      still_, [&](const auto& entry) { return now - entry.second.since >= kPartIsStill; });
  return part_still && now >= next_deep_look_;
}

Result<std::optional<snapshot::Snapshot>> HangWatch::look(Clock::time_point now) {
  const Result<std::vector<TreeThread>> threads = read_tree(roots_);
  if (!threads) return threads.error();
  if (threads->empty()) return Error{Cause::Gone, 0, "watch " + std::to_string(roots_.front().value)};
  const bool all_still = update(*threads, now);
  if (!is_time_for_a_deep_look(now, all_still)) return std::optional<snapshot::Snapshot>();
  return deep_look(now);
}

Result<std::optional<snapshot::Snapshot>> HangWatch::deep_look(Clock::time_point now) {
  moved_since_deep_look_ = false;
  pause_ = std::clamp<std::chrono::milliseconds>(pause_ * 2, kFirstPause, kLongestPause);
  next_deep_look_ = now + pause_;
  Result<snapshot::Snapshot> snapshot = collect::collect(roots_, options_.collect);
  if (!snapshot) return snapshot.error();
  const graph::WaitGraph graph(*snapshot);
  Proof proof;
  for (const graph::StuckSet& set : graph.stuck_sets()) {
    if (set.level < options_.enough) continue;
    for (const snapshot::TaskRef& task : set.core) {
      const snapshot::Thread* thread = snapshot::find_thread(*snapshot, task);
      if (thread != nullptr) proof.emplace(ThreadKey{task.pid, task.tid}, thread->switches);
    }
  }
  // What was proved before must be in it still, unmoved; more may have hung since.
  const bool again = !proof_.empty() && std::ranges::includes(proof, proof_);
  const bool proved = !proof.empty() && (options_.fail_fast || again);
  proof_ = std::move(proof);
  if (!again) proved_at_ = now;
  if (!proved) return std::optional<snapshot::Snapshot>();
  return std::optional<snapshot::Snapshot>(*std::move(snapshot));
}

}  // namespace ipcdoctor::watch
