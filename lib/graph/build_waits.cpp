#include <sys/ipc.h>

#include <algorithm>

#include "graph/build.h"
#include "snapshot/known_programs.h"
#include "snapshot/language.h"

namespace ipcdoctor::graph {

using snapshot::Awaited;
using snapshot::FileLock;
using snapshot::Lock;
using snapshot::LockKind;
using snapshot::ObjectKind;
using snapshot::Ownership;
using snapshot::SharedArea;
using snapshot::SysvObject;
using snapshot::WaitKind;

namespace {

/// Some catch every signal that would end them, to clean up, and set no alarm themselves: shells
/// while they wait for a child (`read -t` sets one), and some others.
bool catches_alarm_by_habit(const snapshot::Process& process, const snapshot::Thread& thread) {
  return snapshot::has_trait(process, snapshot::kCatchesAll) ||
         (snapshot::is_shell(process) && thread.wait && thread.wait->kind == WaitKind::Child);
}

/// SIGINT, which Python always handles, and the two that glibc keeps for itself.
constexpr std::uint64_t kHarmless = (1ULL << 1) | (1ULL << 31) | (1ULL << 32);
constexpr int kSigAlrm = 14, kSigChld = 17, kSigVtalrm = 26, kSigProf = 27;

/// A thread that waits for the GIL wakes every 5 ms and goes on waiting until its owner lets go
/// (take_gil() in Python/ceval_gil.c), so neither its timeout nor its switches let it progress.
bool waits_for_gil(const snapshot::Wait& wait) {
  const Lock& lock = wait.futex.lock;
  return wait.kind == WaitKind::Futex && lock.kind == LockKind::InterpreterLock &&
         lock.ownership == Ownership::Known && lock.checked && !lock.owners.empty();
}

/// A server of the program that looks again and again whether it should end, or waits for its next
/// client.
bool only_serves(const snapshot::Process& process, const snapshot::Thread& thread) {
  return thread.activity.part == snapshot::Part::Server && snapshot::is_idle(thread.activity) &&
         process.scope != snapshot::Scope::Target;
}

/// An event loop whose tasks wait for each other's locks: a timer of the loop is for another task,
/// or a limit of one of these.
bool waits_in_ring_of_tasks(const snapshot::Thread& thread) {
  return thread.activity.operation == snapshot::Operation::Acquire &&
         thread.activity.object.numbers.contains(snapshot::Number::Ring);
}

/// It waits for semaphores of a set, or of another set, that are not all those.
bool wants_another(const snapshot::Process& process, const snapshot::SysvWait& those) {
  return std::ranges::any_of(process.threads, [&](const snapshot::Thread& thread) {
    if (!thread.wait || thread.wait->kind != WaitKind::SysvSem) return false;
    const snapshot::SysvWait& its = thread.wait->sysv;
    return its.id != those.id || its.ops != those.ops;
  });
}

/// Locks that the kernel passes on when the owner's process ends.
bool survives_owner(LockKind kind) {
  return kind == LockKind::RobustMutex || kind == LockKind::PiMutex || kind == LockKind::Unknown;
}

}  // namespace

std::string sleep_words(const snapshot::Wait& wait) {
  constexpr std::uint64_t kLongestSleepMs = 31 * 86'400'000ULL;  // a longer one is for ever
  if (!wait.sleep_ms || *wait.sleep_ms > kLongestSleepMs) return "sleeps";
  const std::uint64_t seconds = (*wait.sleep_ms + 999) / 1000;
  return "sleeps and goes on by itself in " + std::string(wait.sleep_from_now ? "" : "at most ") +
         std::to_string(seconds) + " s";
}

bool has_timeout(const snapshot::Wait& wait) {
  // A timeout of the interrupted call does not continue a stopped task.
  const bool stopped = wait.kind == WaitKind::Stopped || wait.kind == WaitKind::Traced;
  return !wait.untimed && !stopped && !waits_for_gil(wait);
}

void Build::add_wait(const Process& process, const Thread& thread) {
  const TaskRef task{process.pid, thread.tid};
  const Node node = gates_.node_of_task.at(task);
  const auto live = [&](Life life, std::string text) {
    gates_.network.connect(add_leaf(life, std::move(text), task), node);
  };
  if (!thread.wait) return live(Life::NotSeen, to_string(thread.wait.error()));
  const snapshot::Wait& wait = *thread.wait;
  if (wait.asked) return add_questions(process, thread);
  if (wait.kind == WaitKind::Running || thread.state == 'R') return live(Life::Running, "runs");
  const bool for_gil = waits_for_gil(wait);
  const bool watched = thread.polls && snapshot_.observed_ms > 0;
  const bool supposed = timed_ == WaitGraph::Timed::AsWatched && has_timeout(wait);
  if (watched && !snapshot_.observed_briefly && snapshot::has_condition(wait)) {
    live(Life::Polling, snapshot::label(snapshot_, task) + " does nothing between two looks");
  } else if ((watched || supposed) && snapshot::has_condition(wait)) {
    live(Life::Watched, describe_helper(thread, task, "again and again"));
  } else if (only_serves(process, thread) && !wait.untimed) {
    live(Life::ServerLoop, snapshot::label(snapshot_, task) + " only looks whether it should end");
    gates_.network.connect(tree(), node);
  } else if (!thread.stable && !for_gil) {
    live(Life::Running, "ran while it was looked at");
  } else if (!wait.untimed && waits_in_ring_of_tasks(thread)) {
    live(Life::Helper, "a timer of the event loop of " + snapshot::label(snapshot_, task));
  } else if (timed_ == WaitGraph::Timed::Doubted && has_timeout(wait) &&
             snapshot::has_condition(wait)) {
    live(Life::Doubted, describe_helper(thread, task, "with a timeout"));
  } else if (has_timeout(wait)) {
    live(Life::Timer,
         wait.kind == WaitKind::Sleep ? sleep_words(wait) : std::string("waits with a timeout"));
  }
  add_condition({process, thread, wait, task, node});
  add_signals(process, thread, node);
  wakes_others(process, thread, node);
}

/// A loop whose code was read: it does nothing but ask, so that any other answer, and nothing else,
/// lets it go on. Between two looks it may run, or be in another call of the loop.
void Build::add_questions(const Process& process, const Thread& thread) {
  const TaskRef task{process.pid, thread.tid};
  const Node node = gates_.node_of_task.at(task);
  const auto live = [&](Life life, std::string text) {
    gates_.network.connect(add_leaf(life, std::move(text), task), node);
  };
  live(Life::ReadPolling,
       snapshot::label(snapshot_, task) + " only asks again and again: its code was read");
  // The code decides by what is in memory, too: as others leave it, who also only ask.
  gates_.network.connect(users_of_memory(process.pid), node);
  for (const Thread& other : process.threads) {
    const auto its_node = gates_.node_of_task.find({process.pid, other.tid});
    const bool asks = other.wait && other.wait->asked && other.tid != thread.tid;
    if (asks && its_node != gates_.node_of_task.end())
      gates_.network.connect(its_node->second, node);
  }
  const bool harmless =
      thread.meanwhile && !thread.meanwhile->may(~std::uint32_t{snapshot::kWrites}) &&
      (thread.meanwhile->mask == 0 || !is_awaited(process, thread.meanwhile->fds));
  if (!harmless) live(Life::Running, "acts between two looks");
  const auto add = [&](const snapshot::Wait& question) {
    if (is_answered(question)) live(Life::Running, "has not yet seen that its wait is over");
    add_condition({process, thread, question, task, node});
  };
  add(*thread.wait);
  std::ranges::for_each(thread.asks, add);
  add_signals(process, thread, node);
  wakes_others(process, thread, node);
}

/// Of a call that blocks the kernel would have seen to it. Children and file locks see for
/// themselves.
bool Build::is_answered(const snapshot::Wait& question) const {
  switch (question.kind) {
    case WaitKind::Futex:
      return !question.futex.word || *question.futex.word != question.futex.expected;
    case WaitKind::Child:
    case WaitKind::FileLock:
      return false;
    case WaitKind::Poll:
    case WaitKind::Read:
      return !std::ranges::all_of(question.objects, [&](const Awaited& awaited) {
        const snapshot::Object* object = snapshot::find_object(snapshot_, awaited.object);
        if (object == nullptr || awaited.out) return false;
        if (object->socket) return object->socket->receive_queue == 0;
        return object->queued && *object->queued == 0;
      });
    default:
      return true;
  }
}

void Build::add_condition(const Waiter& waiter) {
  const auto live = [&](Life life, const std::string& text) {
    gates_.network.connect(add_leaf(life, text, waiter.task), waiter.node);
  };
  switch (waiter.wait.kind) {
    case WaitKind::Running:
      return;
    case WaitKind::Sleep:
      return live(Life::Timer, sleep_words(waiter.wait));
    case WaitKind::Read:
    case WaitKind::Write:
    case WaitKind::Accept:
    case WaitKind::MqSend:
    case WaitKind::MqReceive:
    case WaitKind::IoUring:
    case WaitKind::Close:
    case WaitKind::Terminal:
    case WaitKind::Epoll:
      if (waiter.wait.objects.empty()) live(Life::NotSeen, "what it waits on was not seen");
      [[fallthrough]];
    case WaitKind::Poll:
      for (const Awaited& awaited : waiter.wait.objects) object_event(waiter.node, awaited, waiter);
      if (waiter.wait.objects.empty()) live(Life::Signal, "waits for a signal");
      return;
    case WaitKind::OpenFifo: {
      const bool known = !waiter.wait.objects.empty();
      const std::string fifo = known ? name(waiter.wait.objects[0].object) : waiter.wait.detail;
      // A service of commands: after each it waits for the next one.
      if (waiter.wait.fifo_was_used && known && waiter.wait.objects[0].in)
        live(Life::Client, "a client that writes into " + fifo + " again");
      else if (known && (opens_again(waiter) || goes_on_for_ever(waiter.thread)))
        live(Life::Client, "a client that opens " + fifo);
      live(Life::PeerlessOpen, "nobody has opened the other side of " + fifo);
      gates_.network.connect(tree(), waiter.node);
      return;
    }
    case WaitKind::Signal:
      live(Life::Signal, "waits for a signal");
      if (const std::string senders = steered_by(waiter); !senders.empty())
        live(Life::Steered, senders);
      gates_.network.connect(tree(), waiter.node);
      gates_.network.connect(children_of(waiter.process.pid), waiter.node);
      return;
    case WaitKind::Connect:
      if (waiter.wait.objects.empty()) live(Life::NotSeen, "what it connects to was not seen");
      return connect_event(waiter.node, waiter);
    case WaitKind::Futex:
      return futex_event(waiter);
    case WaitKind::Child:
    case WaitKind::Vfork:
    case WaitKind::Exiting:
      return children_event(waiter);
    case WaitKind::FileLock:
      return file_lock_event(waiter);
    case WaitKind::SysvSem:
    case WaitKind::SysvSend:
    case WaitKind::SysvReceive:
      return sysv_event(waiter);
    case WaitKind::Stopped:
    case WaitKind::Traced:
      return stopped_event(waiter);
    case WaitKind::KernelService:
      return kernel_service_event(waiter);
    case WaitKind::Unknown:
      break;
  }
  live(Life::NotUnderstood,
       (waiter.wait.call.empty() ? "its wait" : waiter.wait.call) + " is not understood");
}

/// Its script opens it in a loop, or starts it there and waits for it.
bool Build::opens_again(const Waiter& waiter) const {
  const Process* parent = snapshot::find_process(snapshot_, waiter.process.ppid);
  const auto starts_it_again = [&](const Thread& thread) {
    return thread.wait && thread.wait->kind == WaitKind::Child && thread.wait->comes_back &&
           std::ranges::find(thread.wait->children, waiter.process.pid) !=
               thread.wait->children.end();
  };
  return waiter.wait.comes_back ||
         (parent != nullptr && std::ranges::any_of(parent->threads, starts_it_again));
}

/// What happens by itself and may end any wait: the exit of a child, timers, asynchronous I/O.
void Build::add_signals(const Process& process, const Thread& thread, Node node) {
  const TaskRef task{process.pid, thread.tid};
  if (!thread.signals) {
    gates_.network.connect(add_leaf(Life::NotSeen, to_string(thread.signals.error()), task), node);
    return;
  }
  const snapshot::SignalSets& signals = *thread.signals;
  if (snapshot::has_signal(signals.caught & ~signals.blocked, kSigChld)) {
    const Node gate = add_gate("sigchld");
    gates_.network.connect(children_of(process.pid), gate);
    gates_.network.connect(gate, node);
  }
  const bool handles_alarm = snapshot::has_signal(signals.caught & ~signals.blocked, kSigAlrm) ||
                             snapshot::has_signal(signals.caught & ~signals.blocked, kSigVtalrm) ||
                             snapshot::has_signal(signals.caught & ~signals.blocked, kSigProf);
  const TaskRef whole{process.pid, Tid{}};
  const bool by_habit = catches_alarm_by_habit(process, thread);
  if (process.alarm_possible && handles_alarm && (by_habit || !process.timer_possible)) {
    const auto [it, is_new] = alarms_.try_emplace(process.pid);
    if (is_new)
      it->second =
          add_leaf(Life::Alarm, "no alarm is set in " + snapshot::label(snapshot_, whole), whole);
    gates_.network.connect(it->second, node);
  }
  add_handlers(process, thread, node);
  // Who waits for a signal and handles none waits for his end, perhaps by an alarm. For anybody
  // else an alarm that kills is a timeout of its own, by which a deadlock ends but nothing goes on.
  const bool alarm_kills = snapshot::has_signal(~signals.ignored & ~signals.blocked, kSigAlrm) &&
                           (signals.caught & ~kHarmless) == 0;
  if (process.alarm_possible && alarm_kills && thread.wait && thread.wait->kind == WaitKind::Signal)
    gates_.network.connect(add_leaf(Life::Timer, "an alarm may end it", task), node);
  if ((process.timer_possible && !by_habit) || process.async_io) {
    const auto [it, is_new] = timers_.try_emplace(process.pid);
    const char* text = process.timer_possible ? "a timer may fire" : "a descriptor sends SIGIO";
    if (is_new) it->second = add_leaf(Life::Timer, text, whole);
    gates_.network.connect(it->second, node);
  }
}

/// Any thread of a child may end it; a live thread of the waiter's own process may also fork
/// another child, which counts where the call takes any.
void Build::children_event(const Waiter& waiter) {
  const Node gate = add_gate("child-exit");
  gates_.network.connect(gate, waiter.node);
  for (const Pid child : waiter.wait.children) {
    const Process* process = snapshot::find_process(snapshot_, child);
    if (process != nullptr && (process->dead || process->exited)) {
      gates_.network.connect(
          add_leaf(Life::NotUnderstood, snapshot::label(snapshot_, {child, Tid{}}) + " has exited",
                   {child, Tid{}}),
          gate);
    } else {
      gates_.network.connect(ends_of(child), gate);
    }
  }
  if (waiter.wait.children.empty()) {
    gates_.network.connect(add_leaf(Life::NotSeen, "whom it waits for was not seen", waiter.task),
                           gate);
  }
  if (waiter.wait.kind != WaitKind::Child) return;
  const auto [begin, end] = tracees_.equal_range(waiter.process.pid);
  for (auto it = begin; it != end; ++it) gates_.network.connect(threads_of(it->second), gate);
  if (!waiter.wait.any_child) return;
  const Node siblings = add_gate("new-child");
  gates_.network.connect(siblings, waiter.node);
  for (const Thread& thread : waiter.process.threads) {
    const auto node = gates_.node_of_task.find({waiter.process.pid, thread.tid});
    if (node != gates_.node_of_task.end() && node->second != waiter.node) {
      add_help(waiter.process, thread, node->second, siblings, Reach::Processes);
    }
  }
}

void Build::owners_event(Node to, const char* by, const Waiter& waiter,
                         const std::vector<TaskRef>& owners) {
  const Lock& lock = waiter.wait.futex.lock;
  const bool all =
      lock.kind == LockKind::RwlockWrite && lock.checked && lock.ownership == Ownership::Known;
  const Node gate = add_gate(by, {}, all ? Network::kAll : 1);
  gates_.network.connect(gate, to);
  for (const TaskRef& owner : owners) {
    const bool by_exit = survives_owner(lock.kind) && owner.pid != waiter.process.pid;
    if (!all) {
      add_task_event(gate, owner);
      if (by_exit) gates_.network.connect(threads_of(owner.pid), gate);
      continue;
    }
    const Node one = add_gate();
    add_task_event(one, owner);
    gates_.network.connect(one, gate);
  }
}

const Build::Area& Build::area(const SharedArea& area) {
  const auto [it, is_new] = areas_.try_emplace(&area);
  if (!is_new) return it->second;
  Area& made = it->second;
  made.mappers = add_gate();
  for (std::size_t i = 0; i < area.mappers.size(); ++i) {
    gates_.network.connect(users_of_memory(area.mappers[i]), made.mappers);
    const Process* mapper = snapshot::find_process(snapshot_, area.mappers[i]);
    if (i == 0 && mapper != nullptr) made.pid_ns = mapper->pid_ns;
    if (mapper == nullptr || mapper->pid_ns != made.pid_ns) made.is_of_one_pid_ns = false;
  }
  return made;
}

/// An owner word is a TID in the PID namespace of whoever wrote it: where somebody of another one
/// can write it, it names nobody.
bool Build::counts_owners_alike(const Waiter& waiter) {
  const snapshot::FutexWait& futex = waiter.wait.futex;
  if (!futex.shared_memory) return true;
  const SharedArea* shared = snapshot::find_area(snapshot_, futex.page);
  if (shared == nullptr) return false;
  const Area& its = area(*shared);
  return shared->mappers.empty() ||
         (its.is_of_one_pid_ns && its.pid_ns != 0 && its.pid_ns == waiter.process.pid_ns);
}

void Build::futex_event(const Waiter& waiter) {
  const Lock& lock = waiter.wait.futex.lock;
  if (lock.unseen_owner != 0 && waiter.wait.futex.shared_memory && !snapshot_.all_holders_seen) {
    // more than a doubt: a number is stored of which nobody seen can be the bearer
    gates_.network.connect(
        add_leaf(Life::NotSeen,
                 "its owner " + std::to_string(lock.unseen_owner) + " was not seen to have ended",
                 waiter.task),
        waiter.node);
  }
  if (!counts_owners_alike(waiter)) return memory_event(waiter.node, waiter);
  if (lock.checked) {
    if (lock.ownership == Ownership::Known && !lock.owners.empty()) {
      return owners_event(waiter.node,
                          snapshot::is_join(lock.kind)             ? "thread-exit"
                          : lock.kind == LockKind::InterpreterLock ? "gil"
                                                                   : "lock-owner",
                          waiter, lock.owners);
    }
    if (lock.ownership == Ownership::Dead) return;
    if (lock.ownership == Ownership::LeftInParent && !waiter.wait.futex.shared_memory) return;
  }
  const bool known = lock.ownership == Ownership::Known && !lock.owners.empty();
  const std::vector<TaskRef>& likely = known ? lock.owners : lock.likely_owners;
  const bool orphan =
      lock.ownership == Ownership::LeftInParent || lock.ownership == Ownership::Dead;
  if (likely.empty() && !orphan) return memory_event(waiter.node, waiter);
  const std::string what = lock.name.empty() ? "the lock" : lock.name;
  const Node leaf =
      add_leaf(Life::NonOwnerRelease, "only its holder releases " + what, waiter.task);
  memory_event(add_guarded(waiter.node, leaf), waiter);
  if (waiter.wait.futex.shared_memory && lock.ownership != Ownership::NotStored)
    unseen_mappers_event(waiter.node, waiter, what);
  if (!orphan) owners_event(waiter.node, "lock-owner", waiter, likely);
}

/// Everybody who can reach the word.
void Build::memory_event(Node to, const Waiter& waiter) {
  const snapshot::FutexWait& futex = waiter.wait.futex;
  const Node own = add_gate(futex.shared_memory ? "shared-page" : "same-memory");
  gates_.network.connect(own, to);
  const SharedArea* area =
      futex.shared_memory ? snapshot::find_area(snapshot_, futex.page) : nullptr;
  const bool is_mapper =
      area != nullptr && std::ranges::binary_search(area->mappers, waiter.process.pid);
  if (!is_mapper) gates_.network.connect(users_of_memory(waiter.process.pid), own);
  if (!futex.shared_memory) return;
  if (area == nullptr) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "who maps the page of the futex was not seen", waiter.task), to);
    return;
  }
  gates_.network.connect(this->area(*area).mappers, own);
  const std::string what = area->path.empty() ? "the shared memory" : area->path;
  if (area->has_name) {
    // Who waits for a notice, alone or beside others who serve whoever comes, as with a FIFO, waits
    // for others to come; a mutex is nobody's to release but its holder's.
    const bool notice = awaits_notice_by_name(waiter.thread);
    const bool alone = std::ranges::all_of(
        area->mappers, [&](const Pid mapper) { return mapper == waiter.process.pid; });
    const bool crew = notice && std::ranges::all_of(area->mappers, [&](const Pid mapper) {
                        return serves_clients(mapper);
                      });
    const char* does = futex.lock.kind == LockKind::Semaphore ? "posts to " : "writes into ";
    gates_.network.connect(
        notice && alone ? add_leaf(Life::Outside, "anybody may open " + what, waiter.task)
        : crew          ? add_leaf(Life::Client, "a client that " + (does + what), waiter.task)
                        : add_leaf(has_random_name(*area) ? Life::PrivateName : Life::NamedObject,
                          "nobody else opens " + what, waiter.task),
        to);
  }
  unseen_mappers_event(to, waiter, what);
}

void Build::unseen_mappers_event(Node to, const Waiter& waiter, const std::string& what) {
  if (snapshot_.all_holders_seen) return;
  gates_.network.connect(
      unlisted_or(Life::UnseenHolder, "no process that could not be looked into maps " + what,
                  waiter.task),
      to);
}

Node Build::holders_of(const FileLock& lock) {
  const auto [it, is_new] = lock_holders_.try_emplace(&lock);
  if (!is_new) return it->second;
  const Node gate = it->second = add_gate("", lock.file);
  for (const auto& [pid, fd] : lock.holders) {
    const Process* process = snapshot::find_process(snapshot_, pid);
    const Pid table = process == nullptr ? pid : snapshot::table_of(*process);
    const bool by_process = lock.type == "posix" || process == nullptr;
    gates_.network.connect(by_process ? threads_of(pid) : group(fd_groups_, table), gate, fd);
    // A thread with a table of its own may hold the description there, under that number.
    if (!by_process) gates_.network.connect(threads_of(pid), gate, fd);
  }
  return gate;
}

/// Every lock in the way must go; each by whoever holds it.
void Build::file_lock_event(const Waiter& waiter) {
  const snapshot::FileLockWait& wait = waiter.wait.file_lock;
  const Node all = add_gate("file-lock", wait.file, Network::kAll);
  bool found = false;
  const auto [begin, end] = locks_of_file_.equal_range(wait.file);
  for (auto it = begin; it != end; ++it) {
    const FileLock& lock = *it->second;
    if (!snapshot::is_in_the_way(snapshot_, lock, wait, waiter.process.pid)) continue;
    found = true;
    const Node gate = add_gate("", wait.file);
    gates_.network.connect(gate, all);
    gates_.network.connect(holders_of(lock), gate);
    if (lock.holders.empty()) {
      gates_.network.connect(
          add_leaf(Life::NotSeen,
                   "who can release the lock on " + name(wait.file) + " was not seen", waiter.task),
          gate);
    }
    const snapshot::Object* file = snapshot::find_object(snapshot_, wait.file);
    if (file != nullptr && file->copies_unknown) {
      gates_.network.connect(
          add_leaf(Life::NotSeen, "who else has the lock on " + name(wait.file) + " was not seen",
                   waiter.task, wait.file),
          gate);
    }
    if (!snapshot_.all_holders_seen && lock.type != "posix") {
      gates_.network.connect(
          unlisted_or(Life::UnseenHolder,
                      "no process that could not be looked into holds " + name(wait.file),
                      waiter.task, wait.file),
          gate);
    }
    if ((snapshot_.unknown_fds_in_flight || strange_carriers_) && lock.type != "posix") {
      gates_.network.connect(
          add_leaf(Life::FdsInFlight,
                   "no descriptor on its way through a socket refers to " + name(wait.file),
                   waiter.task, wait.file),
          gate);
    }
  }
  if (!found) {
    gates_.network.connect(
        add_leaf(Life::NotSeen, "the lock in its way on " + name(wait.file) + " was not seen",
                 waiter.task),
        all);
  }
  gates_.network.connect(all, waiter.node);
}

/// There is no table of users: whoever knows the number may use it. All of the tree is at hand.
Node Build::users_of(const SysvObject& object) {
  const auto [it, is_new] = sysv_users_.try_emplace(&object);
  if (!is_new) return it->second;
  const Node gate = it->second = add_gate("sysv");
  for (const Pid pid : object.attached) gates_.network.connect(threads_of(pid), gate);
  for (const Pid pid : object.last_pids)
    if (snapshot::find_process(snapshot_, pid) != nullptr)
      gates_.network.connect(threads_of(pid), gate);
  gates_.network.connect(tree(), gate);
  return gate;
}

void Build::sysv_event(const Waiter& waiter) {
  const int id = waiter.wait.sysv.id;
  const bool is_sem = waiter.wait.kind == WaitKind::SysvSem;
  const auto it = std::ranges::find_if(snapshot_.sysv, [&](const SysvObject& object) {
    return object.id == id && (object.type == "sem") == is_sem;
  });
  const std::string what =
      std::string(is_sem ? "semaphore set " : "message queue ") + std::to_string(id);
  if (it == snapshot_.sysv.end()) {
    gates_.network.connect(add_leaf(Life::NotSeen, what + " was not seen", waiter.task),
                           waiter.node);
    return;
  }
  gates_.network.connect(users_of(*it), waiter.node);
  const auto is_other = [&](const Pid pid) { return pid != waiter.process.pid; };
  const bool others = std::ranges::any_of(it->attached, is_other) ||
                      std::ranges::any_of(it->last_pids, [&](const Pid pid) {
                        return is_other(pid) && snapshot::find_process(snapshot_, pid) != nullptr;
                      });
  const bool is_private = it->key == IPC_PRIVATE;  // nobody can ask for its number by a key
  const bool is_server = waiter.wait.kind == WaitKind::SysvReceive && !is_private;
  // It may be a client's to post, or a lock whose owner has died: that cannot be told.
  const bool takes = is_sem ? !is_private && takes_from_set(waiter.wait) : is_server;
  const auto serves = [&](const Pid pid) {
    const Process* process = snapshot::find_process(snapshot_, pid);
    if (process == nullptr) return true;
    // who waits for another semaphore may have this one
    return serves_clients(pid) && (!is_sem || !wants_another(*process, waiter.wait.sysv));
  };
  const bool crew =
      std::ranges::all_of(it->attached, serves) && std::ranges::all_of(it->last_pids, serves);
  const char* does = is_sem ? "a client that posts to " : "a client that sends to ";
  gates_.network.connect(
      is_server && !others ? add_leaf(Life::Outside, "anybody may send to " + what, waiter.task)
      : takes && crew      ? add_leaf(Life::Client, does + what, waiter.task)
                           : add_leaf(is_private ? Life::PrivateName : Life::SysvStranger,
                                 "no stranger uses " + what, waiter.task),
      waiter.node);
}

void Build::stopped_event(const Waiter& waiter) {
  const bool traced = waiter.wait.kind == WaitKind::Traced;
  const std::string text = traced ? "stopped by its tracer" : "stopped";
  gates_.network.connect(
      add_leaf(Life::StoppedProcess,
               text + (waiter.wait.detail.empty() ? "" : ": " + waiter.wait.detail), waiter.task),
      waiter.node);
  gates_.network.connect(tree(), waiter.node);  // whoever lives may send SIGCONT
  if (waiter.process.tracer.value == 0) return;
  const Node gate = add_gate("tracer");
  gates_.network.connect(threads_of(waiter.process.tracer), gate);
  gates_.network.connect(gate, waiter.node);
}

void Build::kernel_service_event(const Waiter& waiter) {
  const Node gate = add_gate("same-memory");
  gates_.network.connect(users_of_memory(waiter.process.pid), gate);
  for (const Awaited& awaited : waiter.wait.objects) {
    holders_event(waiter.node, "kernel-service", awaited.object, Side::All);
    if (awaited.object.kind == ObjectKind::UserFault) gates_.network.connect(gate, waiter.node);
    if (!anyone_holds(awaited.object, Side::All)) {
      gates_.network.connect(
          add_leaf(Life::NotSeen, "nobody is seen to serve " + name(awaited.object), waiter.task,
                   awaited.object),
          waiter.node);
    }
  }
  if (waiter.wait.objects.empty()) {
    gates_.network.connect(add_leaf(Life::NotSeen, "who serves it was not seen", waiter.task),
                           waiter.node);
  }
}

}  // namespace ipcdoctor::graph
