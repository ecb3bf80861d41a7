#include "diagnosis/fold.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "diagnosis/alike.h"
#include "snapshot/renumber.h"

namespace ipcdoctor::diagnosis {
namespace {

constexpr std::size_t kSmall = 96;       // programs with no more tasks are shown whole
constexpr std::size_t kWanted = 4096;    // tasks that the probes may look at
constexpr std::size_t kSomeHolders = 2;  // of each kind, of what a kept task waits for

/// What tells tasks apart, and how many of a kind are kept: the first that leaves few enough is
/// taken.
struct Grain {
  Detail detail;
  std::size_t keep;
};
constexpr std::array kGrains = std::to_array<Grain>({{Detail::UserFrames, 32},
                                                     {Detail::UserFrames, 8},
                                                     {Detail::InnermostFrame, 8},
                                                     {Detail::NoFrames, 8},
                                                     {Detail::NoFrames, 3}});

using Counts = std::unordered_map<std::uint64_t, std::size_t>;

/// Which stuck set a thread is in, and which set stands for it.
struct Sets {
  std::vector<int> of_thread;  ///< -1: none
  std::vector<int> kept_for;   ///< of each set: itself if it is kept, else the last kept one alike
};

/// Chooses whom to keep.
class Choice {
 public:
  Choice(const Relations& relations, const Colours& colours, const Context& whole, std::size_t keep)
      : all_(relations),
        colours_(colours),
        keep_(keep),
        processes(relations.processes.size()),
        threads(relations.threads.size()),
        objects(relations.objects.size()) {
    choose_from_sets(whole.graph.stuck_sets());
    choose_others();
    // Lists instead of recursion: a chain of parents or of sets that watch sets may be long.
    while (!(new_processes_.empty() && new_threads_.empty() && new_objects_.empty())) {
      for (const Index p : std::exchange(new_processes_, {})) keep_family(p);
      for (const Index t : std::exchange(new_threads_, {})) keep_helpers(t);
      for (const Index o : std::exchange(new_objects_, {})) keep_holders(o);
    }
  }

 private:
  void choose_from_sets(const std::vector<graph::StuckSet>& stuck) {
    sets.of_thread.assign(threads.size(), -1);
    sets.kept_for.assign(stuck.size(), -1);
    std::map<std::vector<std::uint64_t>, std::vector<int>> like;
    for (std::size_t s = 0; s < stuck.size(); ++s) {
      std::vector<Index> members;
      for (const auto* tasks : {&stuck[s].core, &stuck[s].behind})
        for (const TaskRef& task : *tasks)
          if (const Index t = all_.thread(task); t != kNoIndex) members.push_back(t);
      std::vector<std::uint64_t> shape;
      for (const Index t : members) {
        sets.of_thread[t] = static_cast<int>(s);
        shape.push_back(colours_.threads[t]);
      }
      std::ranges::sort(shape);
      shape.erase(std::unique(shape.begin(), shape.end()), shape.end());
      std::vector<int>& kept = like[std::move(shape)];
      if (kept.size() < keep_) {
        kept.push_back(static_cast<int>(s));
        Counts counts;
        for (const Index t : members)
          if (counts[colours_.threads[t]]++ < keep_) keep_thread(t);
      }
      sets.kept_for[s] = kept.back();
    }
  }

  void choose_others() {
    Counts counts, whole;
    for (Index t = 0; t < threads.size(); ++t)
      if (sets.of_thread[t] < 0 && counts[colours_.threads[t]]++ < keep_) keep_thread(t);
    for (Index p = 0; p < processes.size(); ++p) {
      const snapshot::Process& known = *all_.processes[p].known;
      // of ten thousand hosts each has some of these
      const bool special =
          !snapshot::is_joined(known.pid) &&
          (known.scope == snapshot::Scope::Target || known.scope == snapshot::Scope::Ancestor ||
           known.scope == snapshot::Scope::Self || known.inits_pid_ns);
      if (special || (known.threads.empty() && whole[colours_.processes[p]]++ < keep_))
        keep_process(p);
    }
  }

  void keep_process(Index p) {
    if (p == kNoIndex || processes[p] != 0) return;
    processes[p] = 1;
    new_processes_.push_back(p);
  }

  void keep_thread(Index t) {
    if (threads[t] != 0) return;
    threads[t] = 1;
    new_threads_.push_back(t);
    keep_process(all_.threads[t].process);
  }

  void keep_object(Index o) {
    if (objects[o] != 0) return;
    objects[o] = 1;
    new_objects_.push_back(o);
  }

  void keep_family(Index p) {
    keep_process(all_.processes[p].parent);
    // Whether it has other threads is asked of it: some of each kind.
    Counts counts;
    for (Index t = all_.processes[p].first_thread; t < all_.end_of_threads(p); ++t)
      if (counts[colours_.threads[t]]++ < keep_) keep_thread(t);
  }

  void keep_helpers(Index t) {
    const Relations::Thread& thread = all_.threads[t];
    Counts counts;
    for (const Index owner : thread.owners)
      if (counts[colours_.threads[owner]]++ < keep_) keep_thread(owner);
    counts.clear();
    for (const Index child : thread.children)
      if (counts[colours_.processes[child]]++ < keep_) keep_process(child);
    counts.clear();
    for (const Index object : thread.awaited)
      if (objects[object] != 0 || counts[colours_.objects[object]]++ < keep_) keep_object(object);
  }

  void keep_holders(Index o) {
    const Relations::Object& object = all_.objects[o];
    Counts counts;
    const auto kind = [&](const Relations::Holding& holding) {
      return colours_.processes[holding.other] * 4 + static_cast<std::uint64_t>(holding.access);
    };
    for (const auto& holder : object.holders)
      if (processes[holder.other] != 0) ++counts[kind(holder)];
    for (const auto& holder : object.holders)
      if (processes[holder.other] == 0 && counts[kind(holder)]++ < kSomeHolders)
        keep_process(holder.other);
    counts.clear();
    for (const Index keeper : object.keepers)
      if (counts[colours_.threads[keeper]]++ < keep_) keep_thread(keeper);
    counts.clear();
    for (const Index other : object.related)
      if (counts[colours_.objects[other]]++ < keep_) keep_object(other);
  }

  const Relations& all_;
  const Colours& colours_;
  std::size_t keep_;
  std::vector<Index> new_processes_, new_threads_, new_objects_;  ///< whose helpers are to come

 public:
  std::vector<std::uint8_t> processes, threads, objects;  ///< whether it is kept
  Sets sets;
};

/// The snapshot of those who were chosen. What it does not have nobody in it speaks of.
class Shrinking {
 public:
  Shrinking(const Relations& relations, const Colours& colours, const Choice& choice,
            const Snapshot& whole)
      : all_(relations), colours_(colours), choice_(choice), whole_(whole) {}

  Fold run() && {
    few_ = std::make_unique<Snapshot>();
    few_->tool_version = whole_.tool_version;
    few_->host = whole_.host;
    few_->hosts = whole_.hosts;
    few_->kernel = whole_.kernel;
    few_->time = whole_.time;
    few_->uptime_ticks = whole_.uptime_ticks;
    few_->unseen = whole_.unseen;
    few_->all_holders_seen = whole_.all_holders_seen;
    few_->in_init_pid_ns = whole_.in_init_pid_ns;
    few_->unknown_fds_in_flight = whole_.unknown_fds_in_flight;
    few_->processes_were_missed = whole_.processes_were_missed;
    few_->stopped_threads = whole_.stopped_threads;
    few_->elapsed_ms = whole_.elapsed_ms;
    few_->observed_ms = whole_.observed_ms;
    few_->observed_briefly = whole_.observed_briefly;
    few_->overdue = whole_.overdue;
    find_kinds();
    for (Index p = 0; p < all_.processes.size(); ++p)
      if (choice_.processes[p] != 0) add_process(p);
    for (const Pid pid : whole_.targets)
      if (!is_left_out(pid)) few_->targets.push_back(pid);
    add_objects();
    add_system();
    fold_.snapshot = std::move(few_);
    return std::move(fold_);
  }

 private:
  bool is_left_out(Pid pid) const {
    const Index p = all_.process(pid);
    return p != kNoIndex && choice_.processes[p] == 0;
  }
  bool is_left_out(TaskRef task) const {
    const Index t = all_.thread(task);
    return t == kNoIndex ? is_left_out(task.pid) : choice_.threads[t] == 0;
  }
  template <class T>
  bool leave_out(std::vector<T>& from) const {
    return std::erase_if(from, [&](const T& one) { return is_left_out(one); }) > 0;
  }

  /// Kinds of threads and of processes are told apart by the set that stands for theirs.
  void find_kinds() {
    std::map<std::pair<std::uint64_t, int>, snapshot::Kind> threads, processes;
    std::vector<int> set_of_process(all_.processes.size(), -1);
    const auto set_of = [&](Index t) {
      const int set = choice_.sets.of_thread[t];
      return set < 0 ? -1 : choice_.sets.kept_for[static_cast<std::size_t>(set)];
    };
    for (Index t = 0; t < all_.threads.size(); ++t) {
      snapshot::Kind& kind = threads[{colours_.threads[t], set_of(t)}];
      (choice_.threads[t] != 0 ? kind.here : kind.left_out).push_back(all_.task(t));
      int& of = set_of_process[all_.threads[t].process];
      of = std::max(of, set_of(t));
    }
    for (Index p = 0; p < all_.processes.size(); ++p) {
      snapshot::Kind& kind = processes[{colours_.processes[p], set_of_process[p]}];
      const bool here = choice_.processes[p] != 0;
      (here ? kind.here : kind.left_out).push_back({all_.processes[p].known->pid, Tid{}});
    }
    for (auto* kinds : {&threads, &processes})
      for (auto& [key, kind] : *kinds)
        if (!kind.left_out.empty() && !kind.here.empty()) add_kind(std::move(kind));
    std::ranges::sort(few_->left_out, {}, &snapshot::LeftOut::ns_pid);
  }

  void add_kind(snapshot::Kind kind) {
    const auto number = static_cast<std::uint32_t>(few_->kinds.size() + 1);
    for (const TaskRef& task : kind.here) kind_of_[task] = number;
    if (kind.here.front().tid.value == 0)
      for (const TaskRef& task : kind.left_out) {
        const snapshot::Process& known = *all_.processes[all_.process(task.pid)].known;
        const int ns_pid = known.ns_pid == 0 ? known.pid.value : known.ns_pid;
        few_->left_out.push_back({known.pid, known.ppid, ns_pid, kind.here.front().pid});
      }
    few_->kinds.push_back(std::move(kind));
  }

  std::uint32_t kind_of(TaskRef task) const {
    const auto it = kind_of_.find(task);
    return it == kind_of_.end() ? 0 : it->second;
  }

  void add_process(Index p) {
    const Relations::Process& process = all_.processes[p];
    // Not copied whole: it may have ten thousand threads.
    snapshot::Process copy;
    const snapshot::Process& known = *process.known;
    copy.pid = known.pid, copy.ppid = known.ppid, copy.pgid = known.pgid, copy.sid = known.sid;
    copy.start_ticks = known.start_ticks, copy.scope = known.scope, copy.comm = known.comm;
    copy.args = known.args, copy.exe = known.exe, copy.uid = known.uid, copy.state = known.state;
    copy.dead = known.dead, copy.wait_status = known.wait_status, copy.exited = known.exited;
    copy.ns_pid = known.ns_pid, copy.pid_ns = known.pid_ns, copy.net_ns = known.net_ns;
    copy.mount_ns = known.mount_ns, copy.mm_group = known.mm_group, copy.fd_group = known.fd_group;
    copy.tracer = known.tracer, copy.forked_copy = known.forked_copy;
    copy.inits_pid_ns = known.inits_pid_ns, copy.alarm_possible = known.alarm_possible;
    copy.timer_possible = known.timer_possible, copy.async_io = known.async_io;
    copy.handlers = known.handlers, copy.fds = known.fds, copy.interpreter = known.interpreter;
    copy.rank = known.rank;
    copy.kind = kind_of({known.pid, Tid{}});
    for (Index t = process.first_thread; t < all_.end_of_threads(p); ++t)
      if (choice_.threads[t] != 0) copy.threads.push_back(shortened(t));
    few_->processes.push_back(std::move(copy));
  }

  snapshot::Thread shortened(Index t) {
    snapshot::Thread thread = *all_.threads[t].known;
    const TaskRef task = all_.task(t);
    thread.kind = kind_of(task);
    if (!thread.wait) return thread;
    snapshot::Wait& wait = *thread.wait;
    const std::size_t objects = wait.objects.size();
    if (objects > 1)
      std::erase_if(wait.objects,
                    [&](const snapshot::Awaited& a) { return is_left_out(a.object); });
    const bool fewer = leave_out(wait.children) | leave_out(wait.futex.lock.owners) |
                       leave_out(wait.futex.lock.likely_owners) | (wait.objects.size() < objects);
    if (fewer) fold_.shortened.push_back(task);
    return thread;
  }

  bool is_left_out(const ObjectId& id) const {
    const Index o = all_.find(id);
    return o != kNoIndex && choice_.objects[o] == 0;
  }

  void add_objects() {
    std::set<ObjectId> held;
    for (const snapshot::Process& process : few_->processes) {
      if (process.fds)
        for (const snapshot::Fd& fd : *process.fds) held.insert(fd.object);
      for (const snapshot::Thread& thread : process.threads)
        if (thread.own_fds)
          for (const snapshot::Fd& fd : *thread.own_fds) held.insert(fd.object);
    }
    for (const snapshot::Object& object : whole_.objects) {
      const Index o = all_.find(object.id);
      const bool is_kept = o != kNoIndex && choice_.objects[o] != 0;
      const bool carries =
          !object.in_flight.empty() || (object.socket && object.socket->fds_in_flight > 0);
      if (!is_kept && !carries && !held.contains(object.id)) continue;
      few_->objects.push_back(object);
      if (is_kept)
        std::erase_if(few_->objects.back().watched,
                      [&](const snapshot::Watched& w) { return is_left_out(w.object); });
    }
  }

  void add_system() {
    for (snapshot::FileLock lock : whole_.file_locks) {
      const std::size_t before = lock.holders.size();
      std::erase_if(lock.holders, [&](const auto& holder) { return is_left_out(holder.first); });
      if (lock.holders.empty() && (before > 0 || is_left_out(lock.taker))) continue;
      few_->file_locks.push_back(std::move(lock));
    }
    for (snapshot::SharedArea area : whole_.shared_areas) {
      const std::size_t before = area.mappers.size();
      leave_out(area.mappers);
      if (!area.mappers.empty() || before == 0) few_->shared_areas.push_back(std::move(area));
    }
    few_->sysv = whole_.sysv;
    for (snapshot::SysvObject& object : few_->sysv) leave_out(object.attached);
  }

  const Relations& all_;
  const Colours& colours_;
  const Choice& choice_;
  const Snapshot& whole_;
  std::map<TaskRef, std::uint32_t> kind_of_;
  std::unique_ptr<Snapshot> few_;
  Fold fold_;
};

/// Whether every kept task is as dead, and in the same set, as in the whole. Fills in which sets
/// are which.
bool match_sets(Fold& fold, const Context& whole, const Relations& relations,
                const Choice& choice) {
  for (const snapshot::Process& process : fold.snapshot->processes)
    for (const snapshot::Thread& thread : process.threads) {
      const TaskRef task{process.pid, thread.tid};
      if (fold.graph->level(task) != whole.graph.level(task) ||
          fold.graph->is_at_rest(task) != whole.graph.is_at_rest(task))
        return false;
    }
  const auto whole_set = [&](const TaskRef& task) {
    const Index t = relations.thread(task);
    return t == kNoIndex ? -1 : choice.sets.of_thread[t];
  };
  std::map<int, std::size_t> kept;
  for (const graph::StuckSet& set : fold.graph->stuck_sets()) {
    const int of = whole_set(set.core.front());
    if (of < 0 || !kept.emplace(of, fold.whole_set_of.size()).second) return false;
    for (const auto* tasks : {&set.core, &set.behind})
      for (const TaskRef& task : *tasks)
        if (whole_set(task) != of) return false;
    fold.whole_set_of.push_back(of);
  }
  fold.alike_sets.resize(fold.whole_set_of.size());
  for (std::size_t s = 0; s < choice.sets.kept_for.size(); ++s) {
    const int stands_for = choice.sets.kept_for[s];
    const auto it = kept.find(stands_for);
    if (it == kept.end()) return false;
    if (stands_for != static_cast<int>(s))
      fold.alike_sets[it->second].push_back(static_cast<int>(s));
  }
  return true;
}

std::size_t size_of(const Snapshot& snapshot) {
  std::size_t tasks = 0;
  for (const snapshot::Process& process : snapshot.processes)
    tasks += std::max<std::size_t>(process.threads.size(), 1);
  return tasks;
}

std::size_t size_of(const Relations& relations, const Choice& choice) {
  auto tasks = static_cast<std::size_t>(std::ranges::count(choice.threads, 1));
  for (Index p = 0; p < choice.processes.size(); ++p)
    tasks += relations.processes[p].known->threads.empty() ? choice.processes[p] : 0U;
  return tasks;
}

}  // namespace

std::optional<Fold> fold(const Context& whole) {
  const std::size_t tasks = size_of(whole.snapshot);
  if (tasks <= kSmall) return std::nullopt;
  const Relations relations(whole.snapshot);
  std::optional<Colours> colours;
  std::optional<Detail> coloured;
  for (const Grain& grain : kGrains) {
    if (coloured != grain.detail) colours = colours_of(relations, whole.graph, grain.detail);
    coloured = grain.detail;
    const Choice choice(relations, *colours, whole, grain.keep);
    const std::size_t kept = size_of(relations, choice);
    const bool is_last = &grain == &kGrains.back();
    if (kept > kWanted && !is_last) continue;
    if (2 * kept > tasks) return std::nullopt;
    Fold fold = Shrinking(relations, *colours, choice, whole.snapshot).run();
    fold.graph = std::make_unique<graph::WaitGraph>(*fold.snapshot);
    if (match_sets(fold, whole, relations, choice)) return fold;
  }
  return std::nullopt;
}

}  // namespace ipcdoctor::diagnosis
