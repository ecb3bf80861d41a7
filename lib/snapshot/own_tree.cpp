#include "snapshot/own_tree.h"

namespace ipcdoctor::snapshot {

bool is_of_own_tree(const Snapshot& snapshot, const Process& process) {
  constexpr int kMaxGenerations = 1000;
  const Process* at = &process;
  for (int i = 0; at != nullptr && at->scope == Scope::Related && i < kMaxGenerations; ++i) {
    at = find_process(snapshot, at->ppid);
    if (at != nullptr && at->scope == Scope::Self) return true;
  }
  return at != nullptr && at->scope != Scope::Related && is_of_tree(at->scope);
}

}  // namespace ipcdoctor::snapshot
