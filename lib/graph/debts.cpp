#include "graph/debts.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "snapshot/copies.h"

namespace ipcdoctor::graph {

bool is_channel(snapshot::ObjectKind kind) {
  using snapshot::ObjectKind;
  return kind == ObjectKind::Pipe || kind == ObjectKind::Fifo || kind == ObjectKind::UnixSocket ||
         kind == ObjectKind::InetSocket || kind == ObjectKind::MessageQueue;
}

namespace {

using snapshot::LockKind;
using snapshot::ObjectKind;
using snapshot::Operation;
using snapshot::Ownership;
using snapshot::Process;
using snapshot::Scope;
using snapshot::Thread;
using snapshot::Wait;
using snapshot::WaitKind;

std::optional<Debt::Kind> debt_of_operation(Operation operation) {
  switch (operation) {
    case Operation::Put:
    case Operation::Send:
      return Debt::Kind::Room;
    case Operation::Acquire:
      return Debt::Kind::Lock;
    case Operation::AwaitResult:
      return Debt::Kind::Work;
    case Operation::AwaitValue:
      return Debt::Kind::Result;
    case Operation::AwaitEnd:
      return Debt::Kind::End;
    case Operation::AwaitParties:
      return Debt::Kind::Parties;
    default:
      return std::nullopt;
  }
}

std::optional<Debt::Kind> debt_of_lock(const snapshot::Lock& lock, Operation operation) {
  // Who only stands by until another thread ends, as its runtime made it, awaits nothing of it.
  if (snapshot::is_join(lock.kind))
    return operation == Operation::Serve ? std::nullopt : std::optional(Debt::Kind::End);
  if (lock.kind == LockKind::Barrier) return Debt::Kind::Parties;
  // Those who wait for the same queue take turns: the lock between them is no debt.
  if (operation == Operation::Take || operation == Operation::Serve) return std::nullopt;
  const bool owner = lock.ownership == Ownership::Known || lock.ownership == Ownership::Dead ||
                     lock.ownership == Ownership::LeftInParent || !lock.likely_owners.empty();
  if (snapshot::has_owner(lock.kind) || (owner && lock.kind != LockKind::Condition))
    return Debt::Kind::Lock;
  return std::nullopt;
}

std::optional<Debt::Kind> debt_of_wait(const Thread& thread) {
  const Operation operation = thread.activity.operation;
  if (const auto debt = debt_of_operation(operation)) return debt;
  const Wait& wait = *thread.wait;
  switch (wait.kind) {
    case WaitKind::Write:
    case WaitKind::MqSend:
    case WaitKind::SysvSend:
    case WaitKind::Close:
    case WaitKind::Terminal:
      return Debt::Kind::Room;
    case WaitKind::OpenFifo:
    case WaitKind::Connect:
      return Debt::Kind::Open;
    case WaitKind::Child:
    case WaitKind::Vfork:
    case WaitKind::Exiting:
      return Debt::Kind::End;
    case WaitKind::FileLock:
      return Debt::Kind::Lock;
    case WaitKind::KernelService:
      return Debt::Kind::Result;
    case WaitKind::Futex:
      return debt_of_lock(wait.futex.lock, operation);
    default:
      return std::nullopt;
  }
}

/// What a claim under a condition may rest on. That somebody waits for what a helper may be working
/// for is no news; that a handler would have to give it is, or a main thread, which is nobody's
/// worker, once a client comes. Who waits for the end of one that a handler is known to wake is at
/// rest, but not who has a lock or a full buffer meanwhile; nor who waits for the end of one that
/// looks again and again, or that works for clients.
bool is_strong(Debt::Kind kind, const std::vector<Leaf>& unless) {
  switch (kind) {
    case Debt::Kind::Result:
      return false;
    case Debt::Kind::Work:
    case Debt::Kind::Answer:
      return std::ranges::all_of(unless, [](const Leaf& leaf) {
        return leaf.life == Life::Handler || leaf.life == Life::Server;
      });
    case Debt::Kind::End:
      return std::ranges::none_of(unless, [](const Leaf& leaf) {
        return leaf.life == Life::Steered || leaf.life == Life::Watched ||
               leaf.life == Life::Server || leaf.life == Life::Doubted;
      });
    default:
      return true;
  }
}

class Debts {
 public:
  Debts(const Snapshot& snapshot, const Gates& gates, const std::vector<Level>& levels)
      : snapshot_(snapshot), gates_(gates), levels_(levels) {
    index_unread();
  }

  void add(StuckSet& set) const {
    std::vector<TaskRef> members = set.core;
    members.insert(members.end(), set.behind.begin(), set.behind.end());
    const auto owe = [&](Debt::Kind kind, TaskRef task) { set.debts.push_back({kind, task}); };
    for (const TaskRef& task : members) {
      const Thread* thread = snapshot::find_thread(snapshot_, task);
      if (thread == nullptr || !thread->wait) continue;
      const auto kind = debt_of_wait(*thread);
      if (kind && !(*kind == Debt::Kind::End && supervises(*thread->wait, set.level)))
        owe(*kind, task);
      const Process* process = snapshot::find_process(snapshot_, task.pid);
      if (process != nullptr && snapshot::find_signalled_copy(snapshot_, *process, *thread))
        owe(Debt::Kind::Result, task);
      if (unread_.contains(task.pid)) owe(Debt::Kind::Data, task);
      if (is_left_by_its_peer(task.pid, *thread->wait, set.level)) owe(Debt::Kind::Answer, task);
      if (waits_to_be_accepted(*thread->wait)) owe(Debt::Kind::Open, task);
      if (process != nullptr && takes_what_nobody_puts(*process, *thread))
        owe(Debt::Kind::Work, task);
    }
    if (await_each_other(set.core)) owe(Debt::Kind::Answer, set.core.front());
  }

  /// Whether of all the tree nobody lives at that level but those that reach nobody. An orphan of
  /// the session may be a stranger, but also the service that a parked program has started.
  bool is_all_dead(Level level) {
    const auto [known, is_new] = all_dead_.try_emplace(level);
    if (!is_new) return known->second;
    return known->second = std::ranges::all_of(snapshot_.processes, [&](const Process& process) {
             return process.dead || process.exited || !snapshot::is_of_tree(process.scope) ||
                    is_dead(process, level);
           });
  }

 private:
  bool is_dead(const Process& process, Level level) const {
    if (process.threads.empty()) return false;  // nothing is known of it
    return std::ranges::all_of(process.threads, [&](const Thread& thread) {
      const auto node = gates_.node_of_task.find({process.pid, thread.tid});
      return node == gates_.node_of_task.end() || levels_[node->second] >= level ||
             is_bystander(process, thread, node->second, level);
    });
  }

  /// It waits for children whose main threads go on by themselves, in loops without an end, or that
  /// only supervise others: nobody promised it theirs.
  bool supervises(const Wait& wait, Level level, int depth = 0) const {
    constexpr int kMaxDepth = 16;
    const auto goes_on = [&](Pid child) {
      const TaskRef main{child, Tid{child.value}};
      const auto node = gates_.node_of_task.find(main);
      if (node == gates_.node_of_task.end()) return false;
      if (levels_[node->second] < level) return true;
      const Thread* thread = snapshot::find_thread(snapshot_, main);
      return thread != nullptr && thread->wait && depth < kMaxDepth &&
             supervises(*thread->wait, level, depth + 1);
    };
    return wait.kind == WaitKind::Child && !wait.children.empty() &&
           std::ranges::all_of(wait.children, goes_on);
  }

  /// It reads from a connection of which the peer's host knows nothing, and does nothing else: of a
  /// server such a connection is at rest.
  bool is_left_by_its_peer(Pid pid, const Wait& wait, Level level) const {
    const Process* process = snapshot::find_process(snapshot_, pid);
    return wait.kind == WaitKind::Read && process != nullptr && is_dead(*process, level) &&
           std::ranges::any_of(wait.objects, [this](const snapshot::Awaited& awaited) {
             const snapshot::Object* object = snapshot::find_object(snapshot_, awaited.object);
             return object != nullptr && object->socket && object->socket->half_open;
           });
  }

  /// Items came to it before, and who put them has ended: of its memory it is the only thread left.
  /// Who only wants to be parked takes from what nobody has ever put into.
  static bool takes_what_nobody_puts(const Process& process, const Thread& thread) {
    return thread.activity.operation == Operation::Take && thread.wait->kind == WaitKind::Futex &&
           !thread.wait->futex.shared_memory && process.threads.size() == 1 &&
           thread.activity.object.numbers.get_or(snapshot::Number::Unfinished, 0) > 0;
  }

  /// Nobody has accepted its connection, for which a server that rests would have been woken.
  bool waits_to_be_accepted(const Wait& wait) const {
    return std::ranges::any_of(wait.objects, [this](const snapshot::Awaited& awaited) {
      const snapshot::Object* object = snapshot::find_object(snapshot_, awaited.object);
      return object != nullptr && object->socket && object->socket->peer_in_backlog;
    });
  }

  /// It lives, but nothing of what it could do counts at that level. A main thread that lives is
  /// what its program does.
  bool is_bystander(const Process& process, const Thread& thread, Node node, Level level) const {
    if (thread.tid.value == process.pid.value) return false;
    const auto outputs = gates_.network.outputs(node);
    return !outputs.empty() && std::ranges::all_of(outputs, [&](const Network::Edge& edge) {
      return levels_[edge.node] >= level || is_shut(edge.node, level);
    });
  }

  /// A gate all of whose ways on are guarded by what does not count at that level.
  bool is_shut(Node node, Level level) const {
    const auto outputs = gates_.network.outputs(node);
    return !outputs.empty() && !gates_.is_task(node) &&
           std::ranges::all_of(outputs, [&](const Network::Edge& edge) {
             const Gate* gate = gates_.gate(edge.node);
             return gate != nullptr && gate->guard != Gate::kNoGuard &&
                    levels_[gate->guard] >= level;
           });
  }

  /// Processes that have the reading end of something in which data lies, when all who have it are
  /// dead.
  void index_unread() {
    std::map<ObjectId, std::vector<Pid>> readers;
    for (const snapshot::Object& object : snapshot_.objects) {
      if (!is_channel(object.id.kind)) continue;
      const bool socket = object.socket.has_value();
      const bool data = socket
                            ? object.socket->state != "listen" && object.socket->receive_queue > 0
                            : object.queued && *object.queued > 0;
      if (data) readers[object.id];
    }
    if (readers.empty()) return;
    for (const Process& process : snapshot_.processes) {
      if (!process.fds || process.dead || process.exited || process.scope == Scope::Self) continue;
      for (const snapshot::Fd& fd : *process.fds) {
        if (fd.access == snapshot::Access::Write) continue;
        if (const auto it = readers.find(fd.object); it != readers.end())
          it->second.push_back(process.pid);
      }
    }
    for (const auto& [object, pids] : readers) {
      const bool dead = std::ranges::all_of(pids, [&](Pid pid) {
        const Process* process = snapshot::find_process(snapshot_, pid);
        return process != nullptr && is_dead(*process, Level::Conditional);
      });
      if (dead) unread_.insert(pids.begin(), pids.end());
    }
  }

  /// Two processes or more of a core that are in a read of what another of them writes.
  bool await_each_other(const std::vector<TaskRef>& core) const {
    std::set<Pid> readers;
    for (const TaskRef& task : core) {
      const Thread* thread = snapshot::find_thread(snapshot_, task);
      if (thread == nullptr || !thread->wait) continue;
      const Wait& wait = *thread->wait;
      const bool reads = (wait.kind == WaitKind::Read || wait.kind == WaitKind::MqReceive ||
                          wait.kind == WaitKind::SysvReceive ||
                          (wait.kind == WaitKind::Poll && wait.objects.size() == 1)) &&
                         thread->activity.operation != Operation::Serve &&
                         thread->activity.operation != Operation::Take;
      if (reads) readers.insert(task.pid);
    }
    return readers.size() > 1;
  }

  const Snapshot& snapshot_;
  const Gates& gates_;
  const std::vector<Level>& levels_;
  std::set<Pid> unread_;
  std::map<Level, bool> all_dead_;
};

bool is_overdue(const Snapshot& snapshot, const StuckSet& set) {
  const auto is_main_thread = [&](const TaskRef& task) {
    return task.tid.value == task.pid.value &&
           std::ranges::find(snapshot.targets, task.pid) != snapshot.targets.end();
  };
  return snapshot.overdue && (std::ranges::any_of(set.core, is_main_thread) ||
                              std::ranges::any_of(set.behind, is_main_thread));
}

/// Parked, as far as can be seen, until somebody ends its program by a signal for which there is a
/// handler.
bool is_parked(const Snapshot& snapshot, const Leaf& leaf) {
  const Thread* thread = snapshot::find_thread(snapshot, leaf.task);
  if (leaf.life != Life::EndingHandler || thread == nullptr || !thread->wait) return false;
  const Operation operation = thread->activity.operation;
  const bool takes_any = operation == Operation::None || operation == Operation::Receive;
  return operation == Operation::AwaitSignal ||
         (takes_any && thread->wait->kind == WaitKind::Futex);
}

const Wait* open_of_fifo(const Snapshot& snapshot, const TaskRef& task) {
  const Thread* thread = snapshot::find_thread(snapshot, task);
  const bool opens = thread != nullptr && thread->wait && thread->wait->kind == WaitKind::OpenFifo;
  return opens && !thread->wait->objects.empty() ? &*thread->wait : nullptr;
}

std::string opened_fifo(const Snapshot& snapshot, const TaskRef& task) {
  const snapshot::Object* fifo =
      snapshot::find_object(snapshot, open_of_fifo(snapshot, task)->objects[0].object);
  return fifo == nullptr || fifo->name.empty() ? "the FIFO" : fifo->name;
}

/// Those who wait in each other's FIFO have opened them in different orders.
bool opens_several_fifos(const Snapshot& snapshot) {
  std::set<ObjectId> fifos;
  for (const Process& process : snapshot.processes) {
    if (!snapshot::is_of_tree(process.scope)) continue;
    for (const Thread& thread : process.threads)
      if (const Wait* wait = open_of_fifo(snapshot, {process.pid, thread.tid}))
        fifos.insert(wait->objects[0].object);
  }
  return fifos.size() > 1;
}

/// One of those is known to have the lock that the task waits for.
bool wants_lock_of(const Snapshot& snapshot, const TaskRef& waiter,
                   const std::vector<Leaf>& those) {
  const Thread* thread = snapshot::find_thread(snapshot, waiter);
  if (thread == nullptr || !thread->wait || thread->wait->kind != WaitKind::Futex) return true;
  const snapshot::Lock& lock = thread->wait->futex.lock;
  const std::vector<TaskRef>& owners = lock.owners.empty() ? lock.likely_owners : lock.owners;
  return std::ranges::any_of(those, [&](const Leaf& leaf) {
    return std::ranges::find(owners, leaf.task) != owners.end();
  });
}

/// It opens a FIFO to read from it, and nobody waits for more than what it will hand on, or for his
/// turn to wait for that: so does a service of commands before the first of them.
bool may_await_first_client(const Snapshot& snapshot, const StuckSet& set) {
  const auto reads = [&](const TaskRef& task) {
    const Wait* wait = open_of_fifo(snapshot, task);
    return wait != nullptr && wait->objects[0].in;
  };
  const auto is_for_client = [&](const Debt& debt) {
    return debt.kind == Debt::Kind::Answer || (debt.kind == Debt::Kind::Open && reads(debt.task)) ||
           (debt.kind == Debt::Kind::Lock && !wants_lock_of(snapshot, debt.task, set.causes));
  };
  return set.level == Level::Stuck && !set.causes.empty() &&
         std::ranges::all_of(set.causes,
                             [&](const Leaf& leaf) {
                               return leaf.life == Life::PeerlessOpen && reads(leaf.task);
                             }) &&
         std::ranges::all_of(set.debts, is_for_client);
}

bool is_hang(const Snapshot& snapshot, const StuckSet& set, Debts& debts) {
  if (set.level == Level::Conditional) {
    if (std::ranges::any_of(set.debts,
                            [&](const Debt& debt) { return is_strong(debt.kind, set.unless); }))
      return true;
    // What a handler may do is what a service at rest waits for, and so is the next round of a
    // loop.
    if (std::ranges::any_of(set.unless, [](const Leaf& leaf) {
          return leaf.life == Life::Handler || leaf.life == Life::Steered ||
                 leaf.life == Life::Watched || leaf.life == Life::Doubted;
        }))
      return false;
  } else if (!set.debts.empty()) {
    return true;
  }
  if (std::ranges::any_of(set.assumed, [&](const Leaf& leaf) { return is_parked(snapshot, leaf); }))
    return false;
  // Claims of a weaker level elsewhere do not keep this one from being the whole.
  return debts.is_all_dead(std::min(set.level, Level::Stuck));
}

}  // namespace

std::vector<StuckSet> take_out_rest(const Snapshot& snapshot, const Gates& gates,
                                    std::vector<Level>& levels, std::vector<StuckSet>& sets) {
  Debts debts(snapshot, gates, levels);
  for (StuckSet& set : sets) debts.add(set);
  const bool crossed = opens_several_fifos(snapshot);
  for (StuckSet& set : sets) {
    if (crossed || is_overdue(snapshot, set) || !may_await_first_client(snapshot, set)) continue;
    set.level = Level::Conditional;
    for (Leaf& cause : set.causes) {
      cause.life = Life::Client;
      cause.text = "a client that writes into " + opened_fifo(snapshot, cause.task);
    }
    set.unless = std::move(set.causes);
    set.causes.clear();
    for (const TaskRef& task : set.core) levels[gates.node_of_task.at(task)] = set.level;
    for (const TaskRef& task : set.behind) levels[gates.node_of_task.at(task)] = set.level;
  }
  std::vector<StuckSet> kept, rest;
  for (StuckSet& set : sets)
    (is_overdue(snapshot, set) || is_hang(snapshot, set, debts) ? kept : rest)
        .push_back(std::move(set));
  sets = std::move(kept);
  return rest;
}

}  // namespace ipcdoctor::graph
