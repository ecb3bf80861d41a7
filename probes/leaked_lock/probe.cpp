#include <algorithm>

#include "diagnosis/repairs.h"
#include "probes/all_probes.h"
#include "probes/internal/advice.h"

namespace ipcdoctor::probes {
namespace {

diagnosis::Answer run(const Context& context);

}  // namespace

extern const diagnosis::Probe kLeakedLock{
    "IPC207", "leaked-lock", "A file lock lives on in a daemon that inherited the descriptor", run};

namespace {

using diagnosis::Finding;

using snapshot::FileLock;
using snapshot::WaitKind;

/// It may have been given the descriptor on purpose (SCM_RIGHTS).
bool has_unix_socket(const Process& process) {
  return process.fds && std::ranges::any_of(*process.fds, [](const snapshot::Fd& fd) {
           return fd.object.kind == snapshot::ObjectKind::UnixSocket;
         });
}

/// All who have the lock now inherited it and do not know: the taker is gone and they are orphans,
/// or the taker closed its own copy and waits for its own lock.
bool is_leaked(const Snapshot& snapshot, const FileLock& lock, Pid waiter) {
  if (lock.type == "posix" || lock.holders.empty()) return false;  // posix locks are not inherited
  return std::ranges::all_of(lock.holders, [&](const auto& holder) {
    const Process* process = snapshot::find_process(snapshot, holder.first);
    if (process == nullptr || holder.first == lock.taker) return false;
    return left_the_tree(snapshot, *process) ||
           (waiter == lock.taker && is_ancestor(snapshot, waiter, holder.first) &&
            !has_unix_socket(*process));
  });
}

bool holders_are_at_rest(const Context& context, const FileLock& lock) {
  return std::ranges::all_of(lock.holders, [&](const auto& holder) {
    const Process* process = snapshot::find_process(context.snapshot, holder.first);
    return process != nullptr && is_at_rest(context, *process);
  });
}

struct Leak {
  TaskRef waiter;
  const FileLock* lock = nullptr;
};

std::vector<Leak> leaks_of(const Context& context) {
  std::vector<Leak> leaks;
  for (const Process& process : context.snapshot.processes) {
    if (!is_of_tree(process)) continue;
    for (const Thread& thread : process.threads) {
      if (!thread.wait || thread.wait->kind != WaitKind::FileLock || !thread.wait->untimed)
        continue;
      for (const FileLock& lock : context.snapshot.file_locks)
        if (snapshot::is_in_the_way(context.snapshot, lock, thread.wait->file_lock, process.pid) &&
            is_leaked(context.snapshot, lock, process.pid))
          leaks.push_back({{process.pid, thread.tid}, &lock});
    }
  }
  return leaks;
}

Finding describe(const Context& context, const Leak& leak, int set) {
  const Snapshot& snapshot = context.snapshot;
  Finding finding = set >= 0
                        ? diagnosis::start_finding(context, kLeakedLock, set)
                        : diagnosis::start_finding(context, kLeakedLock, diagnosis::Verdict::Stuck,
                                                   with_those_behind(context, {leak.waiter}));
  std::vector<Pid> pids;
  for (const auto& [pid, fd] : leak.lock->holders)
    if (std::ranges::find(pids, pid) == pids.end()) pids.push_back(pid);
  const std::string file = diagnosis::object_name(snapshot, leak.lock->file);
  finding.title = snapshot::label(snapshot, leak.waiter) + " waits for the lock on " + file +
                  ", which " + names(snapshot, pids) + " inherited and never releases";
  finding.explanation =
      "A " + leak.lock->type + " lock lives as long as any copy of the descriptor.";
  if (leak.lock->taker.value != 0)
    finding.explanation +=
        " Process " + std::to_string(leak.lock->taker.value) +
        (leak.lock->taker == leak.waiter.pid ? " took it itself and closed only its own copy."
                                             : " took it and is gone.");
  for (const auto& [pid, fd] : leak.lock->holders) {
    const std::string why = "has fd " + std::to_string(fd) + " of the locked file, inherited; it " +
                            doing(snapshot, {pid, Tid{0}});
    finding.explanation += "\n" + name(snapshot, pid) + " " + why + ".";
    finding.culprits.push_back(diagnosis::culprit(snapshot, {pid, Tid{0}}, fd, why));
  }
  const auto& [holder, its_fd] = leak.lock->holders.front();
  finding.fix =
      what_to_do(snapshot, kLeakedLock, {holder, Tid{}}, {}, {{"FD", std::to_string(its_fd)}});
  std::vector<graph::Event> closes;
  for (const auto& [pid, fd] : leak.lock->holders)
    closes.push_back({graph::Event::Kind::Closes, {pid, Tid{0}}, fd});
  diagnosis::add_repair(finding, std::move(closes));
  finding.strength = Strength::Clear;
  return finding;
}

diagnosis::Answer run(const Context& context) {
  std::vector<Finding> findings;
  for (const Leak& leak : leaks_of(context)) {
    const int set = set_of(context, leak.waiter);
    if (set >= 0 || holders_are_at_rest(context, *leak.lock))
      findings.push_back(describe(context, leak, set));
  }
  return conclude(context, std::move(findings));
}

}  // namespace
}  // namespace ipcdoctor::probes
