#include "snapshot/rounds.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "snapshot/join.h"

namespace ipcdoctor::snapshot {
namespace {

/// Containers of one kernel are hosts of their own; so are clones of one machine under two names.
auto host_key(const Snapshot& snapshot) {
  const Place& place = snapshot.place;
  return std::tuple(snapshot.host, place.boot_id, place.machine_id, place.pid_ns);
}

bool holds(const Result<std::vector<Fd>>& table, const ObjectId& id) {
  return table && std::ranges::find(*table, id, &Fd::object) != table->end();
}

bool holds(const Process& process, const ObjectId& id) {
  return holds(process.fds, id) || std::ranges::any_of(process.threads, [&](const Thread& thread) {
           return holds(thread.own_fds, id);
         });
}

/// The kernel reads and writes for it while no thread of it runs.
bool has_ring(const Process& process) {
  return process.fds && std::ranges::any_of(*process.fds, [](const Fd& fd) {
           return fd.object.kind == ObjectKind::IoUring;
         });
}

bool is_dead(const Process& process) {
  return process.dead || process.exited;
}

bool same_wait(const Thread& a, const Thread& b) {
  if (!a.wait || !b.wait || a.wait->kind != b.wait->kind || a.wait->call != b.wait->call)
    return false;
  return std::ranges::equal(
      a.wait->objects, b.wait->objects, [](const Awaited& x, const Awaited& y) {
        return x.fd == y.fd && x.object == y.object && x.in == y.in && x.out == y.out;
      });
}

/// It wakes every 5 ms and goes on waiting while the owner keeps the lock.
bool waits_for_same_gil(const Thread& a, const Thread& b) {
  if (!a.wait || !b.wait) return false;
  const Lock& first = a.wait->futex.lock;
  const Lock& last = b.wait->futex.lock;
  return first.kind == LockKind::InterpreterLock && last.kind == LockKind::InterpreterLock && first.checked &&
         last.checked && !first.owners.empty() && first.owners == last.owners;
}

/// All that its code could do from the first look on, whatever it did, reaches none of these
/// descriptors, and makes nobody who could.
bool reaches_none(const Thread& first, const std::vector<int>& fds) {
  if (!first.next || first.next->may(kExits | kForks)) return false;
  if (!first.next->may(kReads | kWrites | kCloses)) return true;
  return !first.next->fds.empty() && std::ranges::none_of(first.next->fds, [&](int fd) {
    return std::ranges::find(fds, fd) != fds.end();
  });
}

bool was_still(const Thread& first, const Thread& last, const std::vector<int>& fds) {
  if (waits_for_same_gil(first, last)) return true;
  const bool slept = first.stable && last.stable && first.switches == last.switches &&
                     first.state != 'R' && last.state != 'R' && same_wait(first, last);
  return slept || reaches_none(first, fds);
}

std::vector<int> fds_of(const Process& process, const ObjectId& id) {
  std::vector<int> fds;
  const auto add = [&](const Result<std::vector<Fd>>& table) {
    if (!table) return;
    for (const Fd& fd : *table)
      if (fd.object == id) fds.push_back(fd.fd);
  };
  add(process.fds);
  for (const Thread& thread : process.threads) add(thread.own_fds);
  return fds;
}

std::string name_of(const Process& process) {
  return process.comm + "[" + std::to_string(process.pid.value) + "]";
}

/// "" if no thread of it can have acted on those descriptors.
std::string acted(const Process& first, const Process& last, const std::vector<int>& fds) {
  const std::string name = name_of(last);
  if (first.start_ticks != last.start_ticks) return name + " is another process now";
  if (first.threads.empty() || last.threads.empty()) return name + " was not looked into";
  if (has_ring(first) || has_ring(last)) return name + " has an io_uring";
  if (first.threads.size() != last.threads.size()) return name + " has other threads now";
  for (std::size_t i = 0; i < first.threads.size(); ++i) {
    if (first.threads[i].tid != last.threads[i].tid) return name + " has other threads now";
    if (!was_still(first.threads[i], last.threads[i], fds)) return name + " ran between two looks";
  }
  return "";
}

}  // namespace

bool belong_together(const std::vector<Snapshot>& snapshots) {
  std::map<decltype(std::pair(host_key(Snapshot{}), std::string())), std::vector<const Snapshot*>>
      looks;
  for (const Snapshot& snapshot : snapshots) {
    if (snapshot.place.id.empty()) return false;
    if (!snapshot.targets.empty())
      looks[{host_key(snapshot), snapshot.place.after}].push_back(&snapshot);
  }
  return std::ranges::all_of(looks, [](const auto& of_host) {
    const std::vector<Pid>& targets = of_host.second.front()->targets;
    return std::ranges::all_of(of_host.second, [&](const Snapshot* other) {
      return std::ranges::any_of(other->targets,
                                 [&](Pid pid) { return std::ranges::binary_search(targets, pid); });
    });
  });
}

std::vector<Looks> looks_of(std::vector<Snapshot>& snapshots) {
  std::vector<Snapshot> first_round;
  for (const Snapshot& snapshot : snapshots)
    if (snapshot.place.after.empty()) {
      first_round.emplace_back();
      first_round.back().place.id = snapshot.place.id;
    }
  const std::string token = token_of(first_round);
  std::map<decltype(host_key(Snapshot{})), std::vector<Snapshot*>> by_host;
  for (Snapshot& snapshot : snapshots) by_host[host_key(snapshot)].push_back(&snapshot);
  std::vector<Looks> all;
  for (auto& [key, looks] : by_host) {
    const auto rank = [](const Snapshot* look) {
      return std::tuple(!look->place.after.empty(), look->place.end_ms, look->place.id);
    };
    std::ranges::sort(looks, {}, rank);
    Looks one{looks.back(), nullptr};
    const bool has_token = !token.empty() && one.last->place.after == token;
    std::vector<const Snapshot*> before;
    for (const Snapshot* look : looks)
      if (look->place.after.empty() &&
          (before.empty() || before.back()->place.id != look->place.id))
        before.push_back(look);
    if (has_token && before.size() == 1) one.first = before.front();
    all.push_back(one);
  }
  return all;
}

std::string who_acted(const Looks& looks, const ObjectId& socket) {
  for (const Process& first : looks.first->processes) {
    if (is_dead(first) || !holds(first, socket)) continue;
    const Process* last = find_process(*looks.last, first.pid);
    if (last == nullptr || is_dead(*last)) return name_of(first) + " has gone";
    std::vector<int> fds = fds_of(first, socket);
    const std::vector<int> now = fds_of(*last, socket);
    if (now != fds) return name_of(first) + " has opened or closed it";
    std::string who = acted(first, *last, fds);
    if (!who.empty()) return who;
  }
  for (const Process& last : looks.last->processes) {
    if (is_dead(last) || !holds(last, socket)) continue;
    const Process* first = find_process(*looks.first, last.pid);
    if (first == nullptr || is_dead(*first) || !holds(*first, socket))
      return name_of(last) + " was not seen before";
  }
  return "";
}

}  // namespace ipcdoctor::snapshot
