#include "collect/observe.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>

namespace ipcdoctor::collect {
namespace {

using Clock = Progress::Clock;
using std::chrono::milliseconds;

constexpr milliseconds kSlice{25};
constexpr milliseconds kBrief{1000};  // at least
constexpr int kRounds = 3;

/// What is seen of one thread over the window.
struct Sample {
  ProcessEntry* process = nullptr;
  ThreadEntry* thread = nullptr;
  std::uint64_t first_switches = 0, last_switches = 0;
  std::uint64_t first_ticks = 0, last_ticks = 0;
  linux::SyscallState call;  ///< the first that was seen
  int in_call = 0, looks = 0;
  int rounds = 0;      ///< how often it was seen to have woken since the look before
  bool moved = false;  ///< another call, or another place in the stack
};

std::string task_file(const Sample& sample, const char* name) {
  return "task/" + std::to_string(sample.thread->tid.value) + "/" + name;
}

bool read_counts(const Sample& sample, std::uint64_t& switches, std::uint64_t& ticks) {
  const auto status_text = sample.process->dir->read_record(task_file(sample, "status"));
  const auto stat_text = sample.process->dir->read_record(task_file(sample, "stat"));
  const auto status = status_text ? linux::parse_status(*status_text)
                                  : Result<linux::TaskStatus>(status_text.error());
  const auto stat =
      stat_text ? linux::parse_stat(*stat_text) : Result<linux::Stat>(stat_text.error());
  if (!status || !stat) return false;
  switches = status->switches();
  ticks = stat->utime_ticks + stat->stime_ticks;
  return true;
}

void look(Sample& sample) {
  const auto line = sample.process->dir->read_record(task_file(sample, "syscall"));
  const auto call = line ? linux::parse_syscall(*line) : Result<linux::SyscallState>(line.error());
  ++sample.looks;
  if (!call || call->kind != linux::SyscallState::Kind::InCall) return;
  if (sample.in_call++ == 0) sample.call = *call;
  // a timeout that is counted down stands in memory or in a register: only number, stack and place
  // must agree
  if (call->nr != sample.call.nr || call->sp != sample.call.sp || call->pc != sample.call.pc)
    sample.moved = true;
}

bool returns_to_its_call(const Sample& sample, milliseconds window) {
  const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::uint64_t used_ms = (sample.last_ticks - sample.first_ticks) * 1000 / ticks_per_second;
  const bool idle = used_ms * 5 <= static_cast<std::uint64_t>(window.count());
  return idle && !sample.moved && sample.in_call * 2 >= sample.looks && sample.in_call > 1;
}

/// It is no loop that waits for something with a timeout, or has come round often enough.
bool is_decided(const Sample& sample) {
  const auto& wait = sample.thread->out.wait;
  const bool waits = wait && !wait->untimed && snapshot::has_condition(*wait);
  return !waits || sample.moved || sample.rounds >= kRounds;
}

void count_round(Sample& sample) {
  const std::uint64_t before = sample.last_switches;
  if (read_counts(sample, sample.last_switches, sample.last_ticks) && sample.last_switches > before)
    ++sample.rounds;
}

}  // namespace

std::chrono::duration<double, std::milli> observe(System& system, const Options& options,
                                                  Clock::time_point latest) {
  const milliseconds window = options.observe;
  std::vector<Sample> samples;
  for (const auto& process : system.processes()) {
    for (ThreadEntry& thread : process->threads) {
      const bool blocked = thread.out.stable && thread.out.wait && thread.out.wait->untimed;
      if (blocked || thread.of_fiber) continue;
      Sample sample;
      sample.process = process.get();
      sample.thread = &thread;
      if (!read_counts(sample, sample.first_switches, sample.first_ticks)) continue;
      sample.last_switches = sample.first_switches;
      samples.push_back(sample);
    }
  }
  const auto begin = Clock::now();
  if (samples.empty()) return {};
  while (Clock::now() - begin < window && Clock::now() < latest) {
    for (Sample& sample : samples) look(sample);
    system.progress().step();
    if (options.observe_briefly) {
      std::ranges::for_each(samples, count_round);
      if (Clock::now() - begin >= kBrief && std::ranges::all_of(samples, is_decided)) break;
    }
    std::this_thread::sleep_for(std::min(kSlice, window));
  }
  const auto length = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
  for (Sample& sample : samples) {
    if (!read_counts(sample, sample.last_switches, sample.last_ticks)) continue;
    const bool woke = sample.last_switches > sample.first_switches ||
                      options.seen_waking.contains({sample.process->pid, sample.thread->tid});
    sample.thread->out.polls = woke && returns_to_its_call(sample, length);
  }
  return Clock::now() - begin;
}

}  // namespace ipcdoctor::collect
