#include "collect/collect.h"

#include <unistd.h>

#include <algorithm>

#include "collect/collector.h"
#include "collect/helper.h"
#include "collect/stacks.h"
#include "collect/targets.h"
#include "snapshot/codec.h"

namespace ipcdoctor::collect {

using snapshot::Snapshot;

namespace {

/// An answer that is not a snapshot: the error of the helper, cause first.
std::string encode_error(const Error& error) {
  return "!" + std::to_string(static_cast<int>(error.cause)) + " " + error.what;
}

Error decode_error(const std::string& bytes) {
  const std::size_t space = bytes.find(' ');
  return Error{static_cast<Cause>(std::atoi(bytes.c_str() + 1)), 0,
               bytes.substr(std::min(space + 1, bytes.size()))};
}

}  // namespace

Result<Snapshot> collect(const std::vector<Pid>& targets, const Options& options) {
  if (targets.empty()) return Error{Cause::Gone, 0, "no process was named"};
  for (const Pid target : targets) {
    const Status status = check_target(target);
    if (!status) return status.error();
  }
  const Pid self{::getpid()};
  const auto answer = run_in_helper(
      {options.deadline, options.patience}, [&](Progress& progress, const Send& send) {
        std::function<void(const Snapshot&)> draft;
        // a second helper knows that the target is difficult: it sends what it has before it goes
        // on
        if (!progress.skipped().empty())
          draft = [&](const Snapshot& early) { send(snapshot::encode(early)); };
        const auto collected = collect_here(targets, options, self, progress, draft);
        send(collected ? snapshot::encode(*collected) : encode_error(collected.error()));
      });
  if (!answer) return answer.error();
  if (answer->starts_with('!')) return decode_error(*answer);
  return snapshot::decode(*answer);
}

void symbolise(Snapshot& snapshot, const std::vector<snapshot::TaskRef>& tasks,
               std::chrono::milliseconds deadline) {
  const auto answer =
      run_in_helper({deadline, deadline}, [&](Progress& progress, const Send& send) {
        symbolise_here(snapshot, tasks, progress);
        send(snapshot::encode(snapshot));
      });
  if (!answer) return;
  auto named = snapshot::decode(*answer);
  if (named) snapshot = std::move(*named);
}

}  // namespace ipcdoctor::collect
