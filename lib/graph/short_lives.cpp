#include "graph/short_lives.h"

#include <algorithm>

namespace ipcdoctor::graph {

using snapshot::Number;

bool is_short_lived_worker(const snapshot::Snapshot& snapshot, const snapshot::Process& owner,
                           const snapshot::RuntimeObject& pool, const snapshot::Process& worker) {
  constexpr std::int64_t kMany = 5;             // times as many as places
  constexpr std::uint64_t kLongestLife = 1000;  // ticks: 10 s
  const std::int64_t places = pool.numbers.get_or(Number::Workers, 0);
  const std::int64_t started = pool.numbers.get_or(Number::StartedWorkers, 0);
  if (places == 0 || started < kMany * places || pool.numbers.contains(Number::TasksEach))
    return false;
  if (worker.ppid != owner.pid || worker.dead || worker.exited) return false;
  const bool is_later = std::ranges::any_of(owner.threads, [&](const snapshot::Thread& thread) {
    return thread.activity.operation == snapshot::Operation::Serve &&
           thread.activity.object.address == pool.address && thread.tid.value < worker.pid.value;
  });
  if (!is_later || snapshot.uptime_ticks < worker.start_ticks) return false;
  const std::uint64_t life = (snapshot.uptime_ticks - owner.start_ticks) *
                             static_cast<std::uint64_t>(places) /
                             static_cast<std::uint64_t>(started);
  return life <= kLongestLife && snapshot.uptime_ticks - worker.start_ticks <= 3 * life;
}

}  // namespace ipcdoctor::graph
