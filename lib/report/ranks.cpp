#include "report/ranks.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/text.h"
#include "report/stacks.h"
#include "report/tree.h"
#include "report/words.h"
#include "snapshot/language.h"

namespace ipcdoctor::report {
namespace {

using snapshot::Process;
using snapshot::Snapshot;
using snapshot::Thread;

constexpr int kMaxSize = 1 << 24;
constexpr std::size_t kMaxGroups = 8;

const Thread* main_thread(const Process& process) {
  const auto it = std::ranges::find(process.threads, process.pid.value,
                                    [](const Thread& thread) { return thread.tid.value; });
  return it == process.threads.end() ? nullptr : &*it;
}

/// The function of a library that the user's own innermost line is in, and that line.
std::string place_of(const Thread& thread) {
  const std::vector<snapshot::Frame> frames = merged_stack(thread);
  const snapshot::Frame* user = snapshot::user_frame(thread);
  const std::string line = place_words(thread);
  if (user == nullptr || line.empty()) return line;
  auto at = std::ranges::find_if(frames, [&](const snapshot::Frame& frame) {
    return frame.user_code && frame.line == user->line && frame.file == user->file;
  });
  if (at == frames.end()) return line;
  while (at != frames.begin())
    if (--at; !at->function.empty() && !snapshot::is_of_interpreter(*at))
      return escape_untrusted(at->function) + " at " + line;
  return line;
}

/// Launchers such as shells have the variables of the rank that they start.
bool only_waits_for(const Process& process, const std::vector<const Process*>& others) {
  const Thread* thread = main_thread(process);
  const bool waits =
      thread != nullptr && thread->wait && thread->wait->kind == snapshot::WaitKind::Child;
  return waits && std::ranges::any_of(
                      others, [&](const Process* other) { return other->ppid == process.pid; });
}

/// Of the processes with one rank, which inherit its variables, the one that is it.
const Process* bearer(const std::vector<const Process*>& processes) {
  const Process* top = nullptr;
  for (const Process* one : processes) {
    const bool has_parent = std::ranges::any_of(processes, [&](const Process* other) {
      return other->pid == one->ppid && !only_waits_for(*other, processes);
    });
    if (has_parent || only_waits_for(*one, processes)) continue;
    if (top == nullptr) top = one;
  }
  return top == nullptr ? processes.front() : top;
}

using Ranks = std::map<int, std::vector<const Process*>>;

RollCall roll_call(const Ranks& ranks, int size) {
  RollCall call;
  call.size = size;
  std::map<std::pair<std::string, std::string>, RankGroup> groups;
  for (const auto& [rank, processes] : ranks) {
    const Process& process = *bearer(processes);
    const Thread* thread = main_thread(process);
    const std::string where = thread == nullptr ? "" : place_of(*thread);
    std::string state = thread == nullptr ? "has no main thread" : state_words(*thread);
    RankGroup& group = groups[{where, where.empty() ? without_numbers(state) : ""}];
    if (group.ranks.empty()) group = {{}, process.pid, where, std::move(state)};
    group.ranks.push_back(rank);
  }
  for (auto& [key, group] : groups) call.groups.push_back(std::move(group));
  std::ranges::stable_sort(call.groups, [](const RankGroup& a, const RankGroup& b) {
    return std::tuple(b.ranks.size(), a.ranks) < std::tuple(a.ranks.size(), b.ranks);
  });
  RankGroup absent;
  for (int rank = 0; rank < size; ++rank)
    if (!ranks.contains(rank)) absent.ranks.push_back(rank);
  if (!absent.ranks.empty()) call.groups.push_back(std::move(absent));
  return call;
}

/// "ranks 0-3 7", "rank 2".
std::string ranks_words(const std::vector<int>& ranks) {
  constexpr std::size_t kMost = 60;
  return (ranks.size() == 1 ? "rank " : "ranks ") + ranges_of(ranks, kMost);
}

std::string group_words(const Snapshot& snapshot, const RollCall& call, const RankGroup& group) {
  if (group.state.empty()) return ranks_words(group.ranks) + ": not looked at";
  std::string who = ranks_words(group.ranks);
  if (group.ranks.size() > 1)
    who = std::to_string(group.ranks.size()) + " of " + std::to_string(call.size) + ", " + who;
  else
    who += ", " + escape_untrusted(snapshot::label(snapshot, {group.first, Tid{}}));
  return who + ": " + (group.where.empty() ? "" : group.where + ": ") + group.state;
}

}  // namespace

std::vector<RollCall> roll_calls(const Snapshot& snapshot) {
  std::map<std::string, std::pair<Ranks, int>> jobs;
  for (const Process* process : examined(snapshot)) {
    if (process->rank.number < 0 || !snapshot::is_of_tree(process->scope)) continue;
    if (process->rank.number >= kMaxSize || process->rank.size > kMaxSize) continue;
    auto& [ranks, size] = jobs[process->rank.job];
    ranks[process->rank.number].push_back(process);
    size = std::max({size, process->rank.size, process->rank.number + 1});
  }
  std::vector<RollCall> calls;
  for (const auto& [job, of] : jobs)
    if (of.second > 1) calls.push_back(roll_call(of.first, of.second));
  return calls;
}

std::vector<std::string> roll_call_lines(const Snapshot& snapshot) {
  std::vector<std::string> lines;
  for (const RollCall& call : roll_calls(snapshot)) {
    for (std::size_t i = 0; i < std::min(call.groups.size(), kMaxGroups); ++i)
      lines.push_back(group_words(snapshot, call, call.groups[i]));
    if (call.groups.size() > kMaxGroups)
      lines.push_back("and " + std::to_string(call.groups.size() - kMaxGroups) + " groups more");
  }
  return lines;
}

}  // namespace ipcdoctor::report
