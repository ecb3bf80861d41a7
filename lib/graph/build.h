#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "graph/reduction.h"
#include "graph/wait_graph.h"

/// Snapshot -> gates. One gate for each kernel object and each side of it, one for the tasks of
/// each process, fd table and address space: never an edge for each pair of a reader and a writer.
namespace ipcdoctor::graph {

/// A condition. `by` names the kind of help for those who come through it; "" for mere groups.
struct Gate {
  const char* by = "";
  ObjectId object;
  /// A leaf without which nothing may come through, kNoGuard if there is none. The gate needs both
  /// it and one of the others.
  static constexpr Node kNoGuard = ~Node{0};
  Node guard = kNoGuard;
};

/// What a Network's nodes stand for.
struct Gates {
  enum class Kind : std::uint8_t { Task, Gate, Leaf };
  struct Meaning {
    Kind kind = Kind::Gate;
    std::uint32_t index = 0;  ///< in the vector of that kind
  };

  Network network;
  std::vector<Meaning> meanings;
  std::vector<TaskRef> tasks;
  std::vector<Gate> gates;
  std::vector<Leaf> leaves;
  std::map<TaskRef, Node> node_of_task;

  bool is_task(Node node) const { return meanings[node].kind == Kind::Task; }
  const TaskRef& task(Node node) const { return tasks[meanings[node].index]; }
  const Gate* gate(Node node) const {
    return meanings[node].kind == Kind::Gate ? &gates[meanings[node].index] : nullptr;
  }
  const Leaf* leaf(Node node) const {
    return meanings[node].kind == Kind::Leaf ? &leaves[meanings[node].index] : nullptr;
  }
};

Gates build_gates(const Snapshot& snapshot, WaitGraph::Timed timed);

/// What somebody who lives may act on.
/// Processes: the end of its own, or a new one.
enum class Reach { Memory, Descriptors, Processes, Anything };

/// Those who hold a side of an object.
enum class Side { Readers, Writers, All };

/// The names that multiprocessing makes are random, and known to its own children only
/// (Lib/multiprocessing/synchronize.py, SemLock._make_name()).
inline bool has_random_name(const snapshot::SharedArea& area) {
  return area.path.find("/sem.mp-") != std::string::npos;
}

/// Whatever ends its wait, it comes back to wait for the next one, as its code was read: that it
/// ends, nobody has reason to expect.
inline bool goes_on_for_ever(const snapshot::Thread& thread) {
  return thread.next &&
         !thread.next->may(snapshot::kExits | snapshot::kEndsThread | snapshot::kFinishes |
                           snapshot::kRaises | snapshot::kLeaves);
}

/// It waits for a semaphore of a System V set as for a slot or a job; not until one is zero.
inline bool takes_from_set(const snapshot::Wait& wait) {
  return std::ranges::any_of(wait.sysv.ops, [](const auto& op) { return op.second < 0; });
}

/// Whether who has it open so is one of them.
inline bool is_on(Side side, snapshot::Access access) {
  using snapshot::Access;
  switch (side) {
    case Side::Readers:
      return access == Access::Read || access == Access::Both;
    case Side::Writers:
      return access == Access::Write || access == Access::Both;
    case Side::All:
      return true;
  }
  return true;
}

/// The state of a build. Functions named x_event connect to `to` everything that may cause x.
class Build {
 public:
  Build(const Snapshot& snapshot, WaitGraph::Timed timed);
  Gates run() &&;

 private:
  using Process = snapshot::Process;
  using Thread = snapshot::Thread;
  struct Waiter {
    const Process& process;
    const Thread& thread;
    const snapshot::Wait& wait;
    TaskRef task;
    Node node;
  };
  struct Holder {
    ObjectId object;
    snapshot::Access access;
    Node who;
    int fd;
    Pid pid;
  };

  // build.cpp: nodes and groups of tasks
  Node add_gate(const char* by = "", const ObjectId& object = {}, std::uint32_t need = 1);
  Node add_leaf(Life life, std::string text, const TaskRef& task = {}, const ObjectId& object = {});
  /// That leaf; NotSeen where processes came and went unlisted, as then one of them is likely.
  Node unlisted_or(Life life, std::string text, const TaskRef& task = {},
                   const ObjectId& object = {});
  /// An alternative of `to` that only counts as long as the leaf is on; the caller connects it.
  Node add_guarded(Node to, Node leaf);
  const snapshot::RuntimeObject* pool_of_short_lives(const Process& worker) const;
  void add_tasks();
  void add_task(const Process& process, const Thread& thread, bool has_own_table);
  void add_unseen_tasks();
  std::array<Node, 4> groups_of(const Process& process);
  void add_ends_of_namespaces();
  void index_holders();
  Node group(std::map<Pid, Node>& groups, Pid key);
  Node group_of(std::map<Pid, Node>& groups, Pid pid);  ///< lives if there is no such process
  Node threads_of(Pid pid);                             ///< of a thread group, whatever they do
  Node ends_of(Pid pid);                                ///< the same, but only to end it
  Node users_of_memory(Pid pid);                        ///< all that share its address space
  Node tree();                                          ///< all of the programs looked at
  Node children_of(Pid pid);
  Node outsider(const Process& process);
  void add_task_event(Node to, const TaskRef& task);
  bool tree_reaches(const ObjectId& id) const;

  // build_helpers.cpp: what those who live can do for others
  /// @param except  the one whose own wait does not count; TaskRef{}: everybody's does
  bool is_awaited(const Process& process, const std::vector<int>& fds, const TaskRef& except = {});
  void add_help(const Process& process, const Thread& thread, Node node, Node to, Reach reach);
  bool is_server(const Process& process, const Thread& thread) const;
  std::optional<Life> doubt_about(const Process& process, const Thread& thread) const;
  bool only_accepts(const Thread& thread) const;
  const std::vector<Node>& acceptors_of(const ObjectId& listener);
  std::string describe_helper(const Thread& thread, const TaskRef& task,
                              const std::string& how = "") const;
  void add_handlers(const Process& process, const Thread& thread, Node node);
  void helped_by(const snapshot::Handler& handler, const Process& process);
  void wakes_others(const Process& process, const Thread& thread, Node node);
  std::vector<TaskRef> those_who_wait_for(const std::vector<std::uint64_t>& released,
                                          const Process& process) const;
  std::string steered_by(const Waiter& waiter) const;
  bool opens_again(const Waiter& waiter) const;

  // build_objects.cpp: descriptors
  Node holders(const ObjectId& id, Side side);
  void connect_unseen(Node to, const ObjectId& id);
  void holders_event(Node to, const char* by, const ObjectId& id, Side side);
  auto holders_on(const ObjectId& id) const {
    return std::ranges::equal_range(holders_, id, {}, &Holder::object);
  }
  bool holds(const ObjectId& id, Side side, Pid who) const;
  bool somebody_else_holds(const ObjectId& id, Side side, Pid than) const;
  bool anyone_holds(const ObjectId& id, Side side) const;
  bool awaits_notice_by_name(const Thread& thread) const;
  bool serves_clients(Pid pid) const;
  std::string name(const ObjectId& id) const;
  void connect_in_flight(Node to, const ObjectId& id);
  void object_event(Node to, const snapshot::Awaited& awaited, const Waiter& waiter);
  void pipe_event(Node to, const snapshot::Awaited& awaited, const Waiter& waiter);
  void socket_event(Node to, const snapshot::Awaited& awaited, const Waiter& waiter);
  void connected_event(Node to, const snapshot::Object& object, bool out, const Waiter& waiter);
  void half_open_event(Node to, const snapshot::Object& object, const Waiter& waiter);
  void arriving_event(Node to, const snapshot::Object& object, const Waiter& waiter);
  void joined_event(Node to, const snapshot::Awaited& awaited, const snapshot::Socket& socket,
                    const Waiter& waiter);
  bool may_be_acknowledged(const snapshot::Socket& ours, const snapshot::Object* peer) const;
  void queue_event(Node to, const snapshot::Awaited& awaited, const Waiter& waiter);
  void terminal_event(Node to, const ObjectId& id);
  Node epoll(const ObjectId& id, const Waiter& waiter);
  void pidfd_event(Node to, const ObjectId& id);
  void signalfd_event(Node to, const ObjectId& id, const Waiter& waiter);
  void connect_event(Node to, const Waiter& waiter);

  // build_waits.cpp: what a blocked task waits for, and what wakes it besides
  void add_wait(const Process& process, const Thread& thread);
  void add_questions(const Process& process, const Thread& thread);
  bool is_answered(const snapshot::Wait& question) const;
  void add_condition(const Waiter& waiter);
  void add_signals(const Process& process, const Thread& thread, Node node);
  void children_event(const Waiter& waiter);
  void futex_event(const Waiter& waiter);
  bool counts_owners_alike(const Waiter& waiter);
  void owners_event(Node to, const char* by, const Waiter& waiter,
                    const std::vector<TaskRef>& owners);
  void memory_event(Node to, const Waiter& waiter);
  void unseen_mappers_event(Node to, const Waiter& waiter, const std::string& what);
  void file_lock_event(const Waiter& waiter);
  void sysv_event(const Waiter& waiter);
  void stopped_event(const Waiter& waiter);
  void kernel_service_event(const Waiter& waiter);

  const Snapshot& snapshot_;
  const WaitGraph::Timed timed_;
  Gates gates_;
  std::map<Pid, Node> thread_groups_, exits_, fd_groups_, memories_, children_, outsiders_, alarms_,
      timers_;
  std::map<TaskRef, Node> helpers_, read_helpers_;  ///< their leaves
  /// By any thread, through epoll too: the thread, TaskRef{} if there are several. Made when first
  /// asked for.
  const std::map<ObjectId, TaskRef>& awaited();
  std::set<const snapshot::Handler*> handlers_;  ///< whose help is in the graph
  std::optional<std::map<ObjectId, TaskRef>> awaited_;
  std::optional<std::map<ObjectId, std::vector<Node>>> acceptors_;  ///< by listener
  Node tree_ = Gate::kNoGuard;
  Node unreadable_tables_ = Gate::kNoGuard;  ///< tasks that may hold anything
  Node unseen_ = Gate::kNoGuard;
  std::vector<Holder> holders_;  ///< by object
  std::map<ObjectId, std::vector<ObjectId>>
      carriers_;  ///< sockets and rings that hold a reference to the key
  std::vector<ObjectId>
      unnamed_carriers_;           ///< sockets with descriptors in flight that nobody can name
  bool strange_carriers_ = false;  ///< there are more, at sockets of which the tree holds no end
  std::map<std::tuple<ObjectId, Side>, Node> holder_gates_;
  std::map<std::tuple<const char*, ObjectId, Side>, Node> labels_;
  std::map<ObjectId, Node> epolls_;
  /// Of alike waiters each has a gate of its own; what they wait for is there once.
  struct Area {
    Node mappers = Gate::kNoGuard;
    bool is_of_one_pid_ns = true;
    std::uint64_t pid_ns = 0;
  };
  const Area& area(const snapshot::SharedArea& area);
  Node users_of(const snapshot::SysvObject& object);
  Node holders_of(const snapshot::FileLock& lock);
  std::map<const snapshot::SharedArea*, Area> areas_;
  std::map<const snapshot::SysvObject*, Node> sysv_users_;
  std::map<const snapshot::FileLock*, Node> lock_holders_;
  std::multimap<ObjectId, const snapshot::FileLock*> locks_of_file_;
  std::multimap<Pid, Pid> children_by_parent_, tracees_;
};

/// It goes on by itself when its sleep or its timeout is over.
bool has_timeout(const snapshot::Wait& wait);
/// "sleeps and goes on by itself in at most 83 s"; "sleeps" if it is not known when.
std::string sleep_words(const snapshot::Wait& wait);

}  // namespace ipcdoctor::graph
