#include "collect/collect.h"

#include <unistd.h>

#include "collect/collector.h"
#include "collect/helper.h"
#include "collect/stacks.h"
#include "collect/targets.h"
#include "linux/capabilities.h"
#include "snapshot/bytes.h"

namespace ipcdoctor::collect {

using snapshot::Snapshot;

namespace {

/// Read once: `run` and `watch` look often, and neither Yama's scope nor our rights change for
/// that.
bool only_ancestors_may_look() {
  static const bool only = [] {
    const auto rights = linux::read_own_rights();
    return rights && rights->ptrace_scope == 1 && !rights->can_ptrace();
  }();
  return only;
}

}  // namespace

Result<Snapshot> collect(const std::vector<Pid>& targets, const Options& options) {
  if (targets.empty()) return Error{Cause::Gone, 0, "no process was named"};
  for (const Pid target : targets) {
    const Status status = check_target(target);
    if (!status) return status.error();
  }
  const Pid self{::getpid()};
  const auto answer =
      run_in_helper({options.deadline, options.patience, only_ancestors_may_look()},
                    [&](Progress& progress, const Send& send) {
                      std::function<void(const Snapshot&)> draft;
                      // a second helper knows that the target is difficult: it sends what it has
                      // before it goes on
                      if (!progress.skipped().empty())
                        draft = [&](const Snapshot& early) { send(snapshot::encode(early)); };
                      send(snapshot::encode(collect_here(targets, options, self, progress, draft)));
                    });
  if (!answer) return answer.error();
  return snapshot::decode(*answer);
}

void symbolise(Snapshot& snapshot, const std::vector<snapshot::TaskRef>& tasks,
               std::chrono::milliseconds deadline) {
  const auto answer = run_in_helper(
      {deadline, deadline, only_ancestors_may_look()}, [&](Progress& progress, const Send& send) {
        send(snapshot::encode(symbolise_here(snapshot, tasks, progress)));
      });
  if (!answer) return;  // they stay without names
  auto stacks = snapshot::decode_stacks(*answer);
  if (!stacks) return;
  for (snapshot::NamedStack& stack : *stacks) {
    snapshot::Thread* thread = snapshot::find_thread(snapshot, stack.task);
    if (thread != nullptr) thread->native = std::move(stack.frames);
  }
}

}  // namespace ipcdoctor::collect
