#include "snapshot/own_tree.h"

#include <algorithm>

namespace ipcdoctor::snapshot {

constexpr int kMaxGenerations = 1000;

bool is_of_own_tree(const Snapshot& snapshot, const Process& process) {
  const Process* at = &process;
  for (int i = 0; at != nullptr && at->scope == Scope::Related && i < kMaxGenerations; ++i) {
    at = find_process(snapshot, at->ppid);
    if (at != nullptr && at->scope == Scope::Self) return true;
  }
  return at != nullptr && at->scope != Scope::Related && is_of_tree(at->scope);
}

bool is_below_target(const Snapshot& snapshot, Pid pid) {
  for (int i = 0; i < kMaxGenerations; ++i) {
    if (std::ranges::find(snapshot.targets, pid) != snapshot.targets.end()) return true;
    const Process* process = find_process(snapshot, pid);
    if (process == nullptr || process->ppid == pid) return false;
    pid = process->ppid;
  }
  return false;
}

}  // namespace ipcdoctor::snapshot
