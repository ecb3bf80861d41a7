#include "graph/build.h"
#include "graph/short_lives.h"

#include <algorithm>

namespace ipcdoctor::graph {

using snapshot::Fd;
using snapshot::Object;
using snapshot::Scope;

Gates build_gates(const Snapshot& snapshot, WaitGraph::Timed timed) {
  return Build(snapshot, timed).run();
}

Build::Build(const Snapshot& snapshot, WaitGraph::Timed timed)
    : snapshot_(snapshot), timed_(timed) {}

Gates Build::run() && {
  unreadable_tables_ = add_gate("unread-table");
  add_tasks();
  add_unseen_tasks();
  add_ends_of_namespaces();
  index_holders();
  for (const Process& process : snapshot_.processes) {
    for (const Thread& thread : process.threads) {
      if (gates_.node_of_task.contains({process.pid, thread.tid})) add_wait(process, thread);
    }
  }
  gates_.network.freeze();
  return std::move(gates_);
}

Node Build::add_gate(const char* by, const ObjectId& object, std::uint32_t need) {
  gates_.gates.push_back({by, object, Gate::kNoGuard});
  gates_.meanings.push_back(
      {Gates::Kind::Gate, static_cast<std::uint32_t>(gates_.gates.size() - 1)});
  return gates_.network.add(need);
}

Node Build::add_leaf(Life life, std::string text, const TaskRef& task, const ObjectId& object) {
  gates_.leaves.push_back({life, task, object, std::move(text)});
  gates_.meanings.push_back(
      {Gates::Kind::Leaf, static_cast<std::uint32_t>(gates_.leaves.size() - 1)});
  return gates_.network.add(0);
}

Node Build::unlisted_or(Life life, std::string text, const TaskRef& task, const ObjectId& object) {
  return snapshot_.processes_were_missed
             ? add_leaf(Life::NotSeen, "some processes were not looked at", task, object)
             : add_leaf(life, std::move(text), task, object);
}

Node Build::add_guarded(Node to, Node leaf) {
  const Node both = add_gate("", {}, Network::kAll);
  const Node inner = add_gate();
  gates_.gates[gates_.meanings[both].index].guard = leaf;
  gates_.network.connect(leaf, both);
  gates_.network.connect(inner, both);
  gates_.network.connect(both, to);
  return inner;
}

Node Build::group(std::map<Pid, Node>& groups, Pid key) {
  const auto [it, is_new] = groups.try_emplace(key);
  if (is_new) it->second = add_gate();
  return it->second;
}

/// A process that was not looked into: one task that stands for all of it and can do anything.
Node Build::outsider(const Process& process) {
  const auto [it, is_new] = outsiders_.try_emplace(process.pid);
  if (is_new) {
    const TaskRef task{process.pid, Tid{}};
    gates_.tasks.push_back(task);
    gates_.meanings.push_back(
        {Gates::Kind::Task, static_cast<std::uint32_t>(gates_.tasks.size() - 1)});
    it->second = gates_.network.add(1);
    gates_.node_of_task.emplace(task, it->second);
    gates_.network.connect(
        add_leaf(Life::NotSeen, snapshot::label(snapshot_, task) + " was not looked into", task),
        it->second);
  }
  return it->second;
}

/// What a process can do: as its threads, in its memory, with its descriptors, and end.
std::array<Node, 4> Build::groups_of(const Process& process) {
  return {group(thread_groups_, process.pid), group(memories_, snapshot::memory_of(process)),
          group(fd_groups_, snapshot::table_of(process)), group(exits_, process.pid)};
}

/// Workers that a pool only starts because the ones before them ended: whether one stays that
/// works, nobody knows.
const snapshot::RuntimeObject* Build::pool_of_short_lives(const Process& worker) const {
  const Process* owner = snapshot::find_process(snapshot_, worker.ppid);
  if (owner == nullptr || owner->dead) return nullptr;
  for (const Thread& thread : owner->threads)
    if (is_short_lived_worker(snapshot_, *owner, thread.activity.object, worker))
      return &thread.activity.object;
  return nullptr;
}

void Build::add_tasks() {
  for (const Process& process : snapshot_.processes) {
    const std::array<Node, 4> groups = groups_of(process);
    if (process.tracer.value != 0) tracees_.emplace(process.tracer, process.pid);
    if (process.dead || process.exited) continue;
    children_by_parent_.emplace(process.ppid, process.pid);
    if (process.scope == Scope::Outsider || process.scope == Scope::Self ||
        process.threads.empty()) {
      for (const Node to : groups) gates_.network.connect(outsider(process), to);
      continue;
    }
    if (const snapshot::RuntimeObject* pool = pool_of_short_lives(process); pool != nullptr) {
      const Node worker = add_leaf(Life::Replaced, "the next worker that " + pool->type + " starts",
                                   {process.ppid, Tid{process.ppid.value}});
      for (const Node to : groups) gates_.network.connect(worker, to);
      continue;
    }
    for (const Thread& thread : process.threads) {
      if (thread.carries) continue;
      // A table of its own that could not be read is one too. NotRead says that it shares the
      // process's.
      const bool has_own_table = thread.own_fds || thread.own_fds.error().cause != Cause::NotRead;
      add_task(process, thread, has_own_table);
      const Node node = gates_.node_of_task.at({process.pid, thread.tid});
      add_help(process, thread, node, groups[0], Reach::Anything);
      add_help(process, thread, node, groups[1], Reach::Memory);
      if (!has_own_table) add_help(process, thread, node, groups[2], Reach::Descriptors);
      add_help(process, thread, node, groups[3], Reach::Processes);
    }
  }
}

void Build::add_task(const Process& process, const Thread& thread, bool has_own_table) {
  const TaskRef task{process.pid, thread.tid};
  gates_.tasks.push_back(task);
  gates_.meanings.push_back(
      {Gates::Kind::Task, static_cast<std::uint32_t>(gates_.tasks.size() - 1)});
  const Node node = gates_.network.add(1);
  gates_.node_of_task.emplace(task, node);
  if (has_own_table && !thread.own_fds) gates_.network.connect(node, unreadable_tables_);
}

/// Threads that are known to exist but of which nothing was learned may do anything that their
/// process can.
void Build::add_unseen_tasks() {
  for (const snapshot::Unseen& unseen : snapshot_.unseen) {
    const Process* process = snapshot::find_process(snapshot_, unseen.pid);
    if (process == nullptr || process->dead || process->exited || unseen.tid.value == 0) continue;
    const TaskRef task{unseen.pid, unseen.tid};
    if (unseen.error.cause == Cause::Gone || snapshot::find_thread(snapshot_, task) != nullptr)
      continue;
    const Node leaf = add_leaf(Life::NotSeen, to_string(unseen.error), task);
    for (const Node to : groups_of(*process)) gates_.network.connect(leaf, to);
  }
}

/// With the first process of a PID namespace all in it end, and close what they have open
/// (zap_pid_ns_processes() of kernel/pid_namespace.c). Whoever waits for that within the namespace
/// ends with them, so that it only counts where the program has others, too.
void Build::add_ends_of_namespaces() {
  const auto is_looked_at = [](const Process& process) {
    return process.scope != Scope::Outsider && process.scope != Scope::Self && !process.dead &&
           !process.exited;
  };
  std::set<std::uint64_t> namespaces;
  for (const Process& process : snapshot_.processes)
    if (is_looked_at(process)) namespaces.insert(process.pid_ns);
  if (namespaces.size() < 2) return;
  std::map<std::uint64_t, Pid> first;
  for (const Process& process : snapshot_.processes)
    if (process.inits_pid_ns && is_looked_at(process)) first.emplace(process.pid_ns, process.pid);
  for (const Process& process : snapshot_.processes) {
    if (!is_looked_at(process)) continue;
    // One that is the first of its own namespace is in that of its parent.
    const Process* parent = snapshot::find_process(snapshot_, process.ppid);
    if (process.inits_pid_ns && parent == nullptr) continue;
    const auto init = first.find(process.inits_pid_ns ? parent->pid_ns : process.pid_ns);
    if (init == first.end() || init->second == process.pid) continue;
    for (const Node to : groups_of(process))
      gates_.network.connect(group(exits_, init->second), to);
  }
}

void Build::index_holders() {
  const auto add_table = [this](const std::vector<Fd>& fds, Node who, Pid pid) {
    for (const Fd& fd : fds) holders_.push_back({fd.object, fd.access, who, fd.fd, pid});
  };
  for (const Process& process : snapshot_.processes) {
    if (process.dead || process.exited || process.scope == Scope::Self) continue;
    const Node table = group(fd_groups_, snapshot::table_of(process));
    if (process.fds) {
      add_table(*process.fds, table, process.pid);
    } else if (process.scope != Scope::Outsider && process.fds.error().cause != Cause::Gone) {
      gates_.network.connect(table, unreadable_tables_);
    }
    for (const Thread& thread : process.threads) {
      const auto node = gates_.node_of_task.find({process.pid, thread.tid});
      if (thread.own_fds && node != gates_.node_of_task.end())
        add_table(*thread.own_fds, node->second, process.pid);
    }
  }
  std::ranges::stable_sort(holders_, {}, &Holder::object);
  for (const snapshot::FileLock& lock : snapshot_.file_locks)
    locks_of_file_.emplace(lock.file, &lock);
  for (const Object& object : snapshot_.objects) {
    for (const ObjectId& inner : object.in_flight) carriers_[inner].push_back(object.id);
    for (const ObjectId& inner : object.registered) carriers_[inner].push_back(object.id);
    if (!object.socket || object.socket->fds_in_flight <= object.in_flight.size()) continue;
    // Only who has either end, or had it, can have sent what the tree holds.
    const snapshot::Socket& socket = *object.socket;
    if (tree_reaches(object.id) || tree_reaches(socket.peer) || tree_reaches(socket.listener)) {
      unnamed_carriers_.push_back(object.id);
    } else {
      strange_carriers_ = true;
    }
  }
}

bool Build::tree_reaches(const ObjectId& id) const {
  const auto holders = holders_on(id);
  return std::ranges::any_of(holders, [&](const Holder& holder) {
    const Process* process = snapshot::find_process(snapshot_, holder.pid);
    return process != nullptr && process->scope != Scope::Outsider;
  });
}

Node Build::group_of(std::map<Pid, Node>& groups, Pid pid) {
  if (snapshot::find_process(snapshot_, pid) == nullptr && !groups.contains(pid)) {
    const Node node = group(groups, pid);
    gates_.network.connect(
        add_leaf(Life::NotSeen, "process " + snapshot::number_of(snapshot_, pid) + " was not seen",
                 {pid, Tid{}}),
        node);
  }
  return group(groups, pid);
}

Node Build::threads_of(Pid pid) {
  return group_of(thread_groups_, pid);
}

Node Build::ends_of(Pid pid) {
  return group_of(exits_, pid);
}

Node Build::users_of_memory(Pid pid) {
  const Process* process = snapshot::find_process(snapshot_, pid);
  if (process == nullptr) return threads_of(pid);
  return group(memories_, snapshot::memory_of(*process));
}

Node Build::tree() {
  if (tree_ != Gate::kNoGuard) return tree_;
  tree_ = add_gate();
  for (const Process& process : snapshot_.processes) {
    if (snapshot::is_of_tree(process.scope)) gates_.network.connect(threads_of(process.pid), tree_);
  }
  return tree_;
}

Node Build::children_of(Pid pid) {
  const auto [it, is_new] = children_.try_emplace(pid);
  if (is_new) {
    const Node gate = it->second = add_gate();
    const auto [begin, end] = children_by_parent_.equal_range(pid);
    for (auto child = begin; child != end; ++child)
      gates_.network.connect(ends_of(child->second), gate);
  }
  return it->second;
}

void Build::add_task_event(Node to, const TaskRef& task) {
  const auto node = gates_.node_of_task.find(task);
  if (node != gates_.node_of_task.end()) {
    gates_.network.connect(node->second, to);
    return;
  }
  const Process* process = snapshot::find_process(snapshot_, task.pid);
  if (process != nullptr && (process->scope == Scope::Outsider || process->threads.empty()) &&
      !process->dead && !process->exited) {
    gates_.network.connect(outsider(*process), to);
    return;
  }
  gates_.network.connect(
      add_leaf(Life::NotSeen, snapshot::label(snapshot_, task) + " was not seen", task), to);
}

}  // namespace ipcdoctor::graph
