#include "diagnosis/alike.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "snapshot/renumber.h"

namespace ipcdoctor::diagnosis {
namespace {

using snapshot::Frame;
using snapshot::ObjectKind;

constexpr int kRounds = 3;  // who is alike for three steps around is alike for a reader

/// A running hash. Two that collide by a target's ill will are told together, and nothing else.
class Mix {
 public:
  Mix& add(std::uint64_t value) {
    state_ = (state_ ^ value) * 0x9e3779b97f4a7c15U;
    state_ ^= state_ >> 29U;
    return *this;
  }
  Mix& add(const std::string& text) { return add(std::hash<std::string>{}(text)); }
  /// As a set: in whatever order, and however often.
  Mix& add_set(std::vector<std::uint64_t>& values) {
    std::ranges::sort(values);
    const auto end = std::unique(values.begin(), values.end());
    for (auto it = values.begin(); it != end; ++it) add(*it);
    values.clear();
    return add(0x5e7);
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3U;
};

template <class... Values>
std::uint64_t mixed(const Values&... values) {
  Mix mix;
  (mix.add(static_cast<std::uint64_t>(values)), ...);
  return mix.value();
}

void add_frames(Mix& mix, const Result<std::vector<Frame>>& frames, Detail detail) {
  if (!frames) {
    mix.add(static_cast<std::uint64_t>(frames.error().cause));
    return;
  }
  for (const Frame& frame : *frames) {
    // Where no line is known yet, the place in the image says the same.
    const bool counts = frame.user_code || frame.file.empty();
    if (!counts) continue;
    mix.add(frame.function).add(static_cast<std::uint64_t>(frame.line)).add(frame.file);
    if (frame.line == 0) mix.add(frame.module).add(frame.offset);
    if (detail == Detail::InnermostFrame && frame.user_code) break;
  }
}

void add_lock(Mix& mix, const snapshot::FutexWait& futex) {
  const snapshot::Lock& lock = futex.lock;
  mix.add(mixed(futex.shared_memory, futex.shared_memory ? futex.page.offset : 0, lock.kind,
                lock.ownership, lock.checked, lock.owners.empty(), lock.likely_owners.empty(),
                lock.dead_owner != 0));
  mix.add(lock.name);
  constexpr std::int64_t kMany = 2;
  for (const auto& [key, value] : lock.numbers)
    mix.add(static_cast<std::uint64_t>(key))
        .add(static_cast<std::uint64_t>(std::min(value, kMany)));
}

std::uint64_t alone(const Relations::Thread& thread, Detail detail) {
  const snapshot::Thread& known = *thread.known;
  Mix mix;
  mix.add(mixed(known.state, known.stable, known.polls, known.is_interpreted, known.carries));
  mix.add(known.housekeeping).add(known.activity.call);
  mix.add(known.activity.object.type).add(known.activity.object.name);
  mix.add(mixed(known.activity.operation, known.activity.part, known.activity.in_loop,
                known.activity.object.kind, known.activity.object.reach));
  if (known.signals)
    mix.add(mixed(known.signals->blocked, known.signals->caught, known.signals->ignored));
  mix.add(known.held_locks.empty() ? 0U : 1U);
  if (known.next) mix.add(known.next->mask);
  if (!known.wait) return mix.add(static_cast<std::uint64_t>(known.wait.error().cause)).value();
  const snapshot::Wait& wait = *known.wait;
  mix.add(mixed(wait.kind, wait.untimed, wait.asked, wait.any_child, wait.children.empty(),
                wait.objects.size(), static_cast<bool>(wait.sleep_ms)));
  mix.add(wait.call);
  if (wait.kind == snapshot::WaitKind::Futex) add_lock(mix, wait.futex);
  if (wait.kind == snapshot::WaitKind::FileLock)
    mix.add(wait.file_lock.type).add(mixed(wait.file_lock.exclusive, wait.file_lock.relative));
  for (const auto& [number, op] : wait.sysv.ops) mix.add(mixed(number, op));
  if (detail != Detail::NoFrames) {
    add_frames(mix, known.interpreted, detail);
    add_frames(mix, known.native, detail);
  }
  return mix.value();
}

/// Namespaces of each host, counted as they come: those of hosts that are built alike are alike.
class Namespaces {
 public:
  std::uint64_t number(const snapshot::Process& process, std::uint64_t inode) {
    const std::uint64_t host = snapshot::is_joined(process.pid) ? inode >> snapshot::kPlaceBits : 0;
    const auto [it, is_new] = numbers_.try_emplace(inode, 0);
    if (is_new) it->second = ++counts_[host];
    return it->second;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> numbers_, counts_;
};

struct NamespacesOf {
  Namespaces pid, net;
};

std::uint64_t alone(const snapshot::Process& process, NamespacesOf& namespaces) {
  Mix mix;
  mix.add(process.comm).add(process.exe).add(process.interpreter.version);
  if (!process.interpreter.version.empty() && process.args.size() > 1) mix.add(process.args[1]);
  mix.add(mixed(process.scope, process.state, process.dead, process.exited, process.wait_status,
                process.forked_copy, process.uid, namespaces.pid.number(process, process.pid_ns),
                namespaces.net.number(process, process.net_ns), process.inits_pid_ns,
                process.alarm_possible, process.timer_possible));
  mix.add(mixed(process.async_io, process.tracer.value != 0, process.mm_group == process.pid,
                process.fd_group == process.pid, static_cast<bool>(process.fds)));
  for (const snapshot::RuntimeObject& object : process.interpreter.objects) {
    mix.add(object.type).add(object.name);
    if (const std::int64_t* count = object.numbers.find(snapshot::Number::Count))
      mix.add(*count > 0 ? 1U : 0U);
  }
  return mix.value();
}

std::uint64_t alone(const Relations::Object& object) {
  Mix mix;
  mix.add(static_cast<std::uint64_t>(object.id.kind));
  if (object.known == nullptr) return mix.value();
  const snapshot::Object& known = *object.known;
  const bool full = known.queued && known.capacity && *known.queued >= *known.capacity;
  mix.add(mixed(known.queued && *known.queued > 0, full, known.armed, known.has_name,
                known.kernel_user, known.watched.size(), known.pending > 0));
  if (!known.socket) return mix.value();
  const snapshot::Socket& socket = *known.socket;
  mix.add(socket.family).add(socket.type).add(socket.state);
  mix.add(mixed(socket.peer_in_backlog, socket.peer_is_remote, socket.shut_read, socket.shut_write,
                socket.peer_closed, socket.receive_queue > 0, socket.kernel_timer,
                socket.fds_in_flight > 0));
  return mix.value();
}

class Refinement {
 public:
  Refinement(const Relations& relations, const graph::WaitGraph& graph, Detail detail)
      : all_(relations) {
    NamespacesOf namespaces;
    for (const auto& process : all_.processes)
      processes_.push_back(alone(*process.known, namespaces));
    for (const auto& object : all_.objects) objects_.push_back(alone(object));
    for (Index t = 0; t < all_.threads.size(); ++t)
      threads_.push_back(mixed(alone(all_.threads[t], detail), graph.level(all_.task(t)),
                               graph.is_at_rest(all_.task(t))));
    mark_members(graph);
    mark_owners();
  }

  Colours run() && {
    for (int round = 0; round < kRounds; ++round) {
      refine_objects();
      refine_threads();
      refine_processes();
    }
    // A thread is alike only to one of an alike process.
    for (Index t = 0; t < threads_.size(); ++t)
      threads_[t] = mixed(threads_[t], processes_[all_.threads[t].process]);
    return {std::move(processes_), std::move(threads_), std::move(objects_)};
  }

 private:
  void mark_members(const graph::WaitGraph& graph) {
    for (const graph::StuckSet& set : graph.stuck_sets()) {
      for (const TaskRef& task : set.core)
        if (const Index t = all_.thread(task); t != kNoIndex) threads_[t] = mixed(threads_[t], 1);
      for (const TaskRef& task : set.behind)
        if (const Index t = all_.thread(task); t != kNoIndex) threads_[t] = mixed(threads_[t], 2);
    }
  }

  /// Who has a lock that others wait for is not alike to those who only wait.
  void mark_owners() {
    std::vector<std::vector<std::uint64_t>> owned(threads_.size());
    const std::vector<std::uint64_t> before = threads_;
    for (Index t = 0; t < threads_.size(); ++t) {
      for (const Index owner : all_.threads[t].owners) {
        std::vector<std::uint64_t>& colours = owned[owner];
        if (colours.empty() || colours.back() != before[t]) colours.push_back(before[t]);
      }
    }
    for (Index t = 0; t < threads_.size(); ++t)
      if (!owned[t].empty()) threads_[t] = Mix().add(threads_[t]).add_set(owned[t]).value();
  }

  void refine_objects() {
    std::vector<std::uint64_t> around, next(objects_.size());
    for (Index o = 0; o < objects_.size(); ++o) {
      const Relations::Object& object = all_.objects[o];
      Mix mix;
      mix.add(objects_[o]);
      for (const auto& holder : object.holders)
        around.push_back(mixed(processes_[holder.other], holder.access));
      mix.add_set(around);
      for (const Index waiter : object.waiters) around.push_back(threads_[waiter]);
      mix.add_set(around);
      for (const Index keeper : object.keepers) around.push_back(threads_[keeper]);
      mix.add_set(around);
      for (const Index other : object.related) around.push_back(objects_[other]);
      next[o] = mix.add_set(around).value();
    }
    objects_ = std::move(next);
  }

  void refine_threads() {
    std::vector<std::uint64_t> around, next(threads_.size());
    for (Index t = 0; t < threads_.size(); ++t) {
      const Relations::Thread& thread = all_.threads[t];
      Mix mix;
      mix.add(threads_[t]);
      for (const Index object : thread.awaited) mix.add(objects_[object]);
      for (const Index owner : thread.owners) around.push_back(threads_[owner]);
      mix.add_set(around);
      for (const Index lock : thread.held) around.push_back(objects_[lock]);
      mix.add_set(around);
      for (const Index child : thread.children) around.push_back(processes_[child]);
      next[t] = mix.add_set(around).value();
    }
    threads_ = std::move(next);
  }

  /// On several hosts it has another number on each.
  static std::uint64_t unseen_parent(const snapshot::Process& process) {
    const auto number = static_cast<std::uint64_t>(process.ppid.value);
    return snapshot::is_joined(process.pid) ? std::min<std::uint64_t>(number, 1) : number;
  }

  void refine_processes() {
    std::vector<std::uint64_t> around, next(processes_.size());
    for (Index p = 0; p < processes_.size(); ++p) {
      const Relations::Process& process = all_.processes[p];
      Mix mix;
      mix.add(processes_[p]);
      mix.add(process.parent == kNoIndex ? unseen_parent(*process.known)
                                         : processes_[process.parent]);
      for (Index t = process.first_thread; t < all_.end_of_threads(p); ++t)
        around.push_back(threads_[t]);
      mix.add_set(around);
      for (const auto& holding : process.holdings)
        around.push_back(mixed(objects_[holding.other], holding.access));
      next[p] = mix.add_set(around).value();
    }
    processes_ = std::move(next);
  }

  const Relations& all_;
  std::vector<std::uint64_t> processes_, threads_, objects_;
};

}  // namespace

Colours colours_of(const Relations& relations, const graph::WaitGraph& graph, Detail detail) {
  return Refinement(relations, graph, detail).run();
}

}  // namespace ipcdoctor::diagnosis
