#include "collect/collector.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

#include "base/text.h"
#include "collect/command_line.h"
#include "collect/examine.h"
#include "collect/file_locks.h"
#include "collect/goroutines.h"
#include "collect/lock_owners.h"
#include "collect/objects.h"
#include "collect/observe.h"
#include "collect/place.h"
#include "collect/ranks.h"
#include "collect/ruby.h"
#include "collect/shared_memory.h"
#include "collect/signals.h"
#include "collect/stacks.h"
#include "collect/system.h"
#include "collect/sysv.h"
#include "collect/tables.h"
#include "linux/deputy.h"
#include "unwind/unwind.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Fd;
using snapshot::Scope;
using snapshot::Snapshot;

constexpr int kMaxScans = 64;
constexpr int kMaxRounds = 64;
constexpr std::size_t kMaxHolders = 256;
constexpr std::size_t kMaxWholeTable =
    64;  // descriptors of a process of the tree that are kept although nobody waits

std::uint64_t uptime_ticks() {
  timespec time{};
  (void)::clock_gettime(CLOCK_BOOTTIME, &time);
  const long hz = ::sysconf(_SC_CLK_TCK);
  return static_cast<std::uint64_t>(time.tv_sec * hz + time.tv_nsec * hz / 1'000'000'000);
}

class Collector {
 public:
  Collector(const std::vector<Pid>& targets, const Options& options, Pid self, Progress& progress)
      : targets_(targets),
        options_(options),
        progress_(progress),
        system_(progress, self, Pid{::getpid()}),
        objects_(system_),
        areas_(system_) {
    if (options.place) objects_.keep_networks();
  }

  Result<Snapshot> run(const std::function<void(Snapshot)>& draft) {
    const auto started = Progress::Clock::now();
    for (const Mark& mark : progress_.skipped()) {
      const Error skipped{Cause::TimedOut, 0, to_string(mark)};
      system_.note_unseen(Pid{mark.pid}, Tid{mark.tid}, skipped);
      system_.note_hidden_holder(skipped);
    }
    if (options_.depth == Depth::Stacks) return stacks_alone(started);
    const Status scanned = scan_tree();
    if (!scanned) return scanned.error();
    group_shared_tables(system_);
    if (!system_.all_holders_seen() || system_.has_missed()) read_pipe_ends(system_);
    give_up_rights();
    close_over_wakers();
    objects_.read_facts();
    SysvObjects sysv = read_sysv(system_);
    for (const auto& object : sysv) users_.insert(object.last_pids.begin(), object.last_pids.end());
    auto locks = read_file_locks(system_);
    if (is_slow(started)) draft(build(sysv, locks, started, Pieces::Copied));
    read_stacks(system_, options_);
    if (anybody_asks()) {
      close_over_wakers();
      objects_.read_facts();
    }
    check_shared_owners(system_, areas_);
    read_signal_sources(system_);
    look_again_at_all();
    read_cpu_timers(system_);
    if (options_.observe.count() > 0) {
      if (is_slow(started)) draft(build(sysv, locks, started, Pieces::Copied));
      // what is left to do takes no longer than what was done
      const auto latest = progress_.deadline() - (Progress::Clock::now() - started);
      observed_ms_ = observe(system_, options_, latest).count();
    }
    if (options_.stop != StopPolicy::Never)
      stopped_threads_ = reread_stacks_stopped(system_, options_.stop);
    read_command_lines(system_, options_.argv);
    if (options_.place) read_ranks(system_);
    return build(sysv, locks, started, Pieces::Moved);
  }

 private:
  /// Moved: nothing is collected after that.
  enum class Pieces { Copied, Moved };
  template <class T>
  static T take(T& from, Pieces pieces) {
    return pieces == Pieces::Moved ? std::move(from) : from;
  }

  /// The rest may not come in time: a helper before this one stalled, or this much took as long as
  /// all of it does where nobody else wants the processors. Of crowds a draft costs more than that.
  bool is_slow(Progress::Clock::time_point started) const {
    if (!progress_.skipped().empty()) return true;
    constexpr int kOfAll = 32;
    if (Progress::Clock::now() - started < (progress_.deadline() - started) / kOfAll) return false;
    std::size_t threads = 0;
    for (const auto& process : system_.processes()) threads += process->threads.size();
    return threads <= kManyThreads;
  }

  Result<Snapshot> stacks_alone(Progress::Clock::time_point started) {
    const auto added = system_.scan();
    if (!added) return added.error();
    mark_tree(system_, targets_);
    examine_tree();
    system_.read_maps_late();
    give_up_rights();
    read_only_stacks(system_, options_.symbols);
    look_again_at_all();
    if (!has_target()) return no_target();
    return build({}, {}, started, Pieces::Moved);
  }

  /// What follows reads memory and files. Those of the tree are opened while that needs no deputy.
  void give_up_rights() {
    for (const auto& process : system_.processes())
      if (process->examined && !process->dead) (void)system_.space_of(*process);  // keeps its error
    linux::deputy::take_over();
  }

  void look_again_at_all() {
    collect::look_again_at_all(system_);
    look_again_at_locks(system_);
    for (const auto& process : system_.processes())
      if (process->examined) look_again_at_goroutines(*process);
  }

  bool has_target() const {
    return std::ranges::any_of(system_.processes(),
                               [](const auto& p) { return p->scope == Scope::Target; });
  }

  Error no_target() const {
    for (const Pid target : targets_)
      if (const Error* error = system_.unread(target)) return *error;
    return Error{Cause::Gone, 0, "collect: the target has exited meanwhile"};
  }

  /// Until a pass finds nothing new: what was born meanwhile may hold what the others wait for.
  /// Whoever had gone before it was read may have handed it on.
  Status scan_tree() {
    for (int pass = 0;; ++pass) {
      const auto changed = system_.scan();
      if (!changed && pass == 0) return changed.error();
      if (changed && !*changed && !unread_table_) break;
      if (!changed || pass == kMaxScans || (pass > 0 && progress_.is_late())) {
        if (!changed) system_.note_unseen(Pid{}, Tid{}, changed.error());
        system_.note_restless();
        break;
      }
      mark_tree(system_, targets_);
      examine_tree();
      unread_table_ = !read_tables(system_);
    }
    if (!has_target()) return no_target();
    return Done{};
  }

  void examine_tree() {
    const auto is_new = [](const auto& process) {
      return snapshot::is_of_tree(process->scope) && !process->examined;
    };
    long threads = 0;
    for (const auto& process : system_.processes())
      if (is_new(process)) threads += process->stat.num_threads;
    if (threads > static_cast<long>(kManyThreads)) system_.ask_kernel_for_calls();
    for (const auto& process : system_.processes())
      if (is_new(process)) examine(system_, *process);
  }

  /// Whoever may wake somebody of the set is looked into as well, up to a bound.
  void close_over_wakers() {
    std::set<Pid> added;
    for (int round = 0; round < kMaxRounds && !progress_.is_late(); ++round) {
      objects_.identify_sockets();
      for (const auto& process : system_.processes()) {
        if (!process->examined || !added.insert(process->pid).second) continue;
        if (decoded_.insert(process->pid).second) {
          decode_waits(system_, *process);
          read_goroutines(system_, *process, images_.cache());
          read_ruby(system_, *process, images_);
        }
        objects_.add_waits(*process);
        if (options_.place && snapshot::is_of_tree(process->scope))
          objects_.add_connections(*process);
        areas_.add_waits(*process);
      }
      objects_.add_hidden_holders();
      if (!examine_wakers() && !areas_.look_again()) return;
    }
  }

  /// What their code asks for was found after what the others wait for.
  bool anybody_asks() const {
    return std::ranges::any_of(system_.processes(), [](const auto& process) {
      return std::ranges::any_of(process->threads, [](const ThreadEntry& thread) {
        return thread.out.wait && thread.out.wait->asked;
      });
    });
  }

  bool examine_wakers() {
    std::set<Pid> wanted, shared;
    for_each_table(system_, [&](ProcessEntry& process, Tid, std::vector<Fd>& fds) {
      if (process.examined || process.scope == Scope::Self) return;
      if (std::ranges::any_of(fds, [&](const Fd& fd) { return objects_.is_contested(fd); }))
        wanted.insert(process.pid);
    });
    for (const Pid pid : areas_.mappers()) wanted.insert(pid);
    for (const auto& process : system_.processes()) {
      if (!process->examined) continue;
      if (process->status && process->status->tracer.value != 0)
        wanted.insert(process->status->tracer);
      for (const ThreadEntry& thread : process->threads) {
        if (!thread.out.wait) continue;
        for (const Pid child : thread.out.wait->children) wanted.insert(child);
        for (const snapshot::Wait& question : thread.out.asks)
          wanted.insert(question.children.begin(), question.children.end());
        if (thread.out.wait->kind == snapshot::WaitKind::Futex)
          shared.insert(process->out.mm_group);
      }
    }
    // processes of one address space can wake each other's private futexes
    for (const auto& process : system_.processes()) {
      if (shared.contains(process->out.mm_group)) wanted.insert(process->pid);
    }
    bool any = false;
    for (const Pid pid : wanted) {
      ProcessEntry* process = system_.find(pid);
      if (process == nullptr || process->examined || process->scope == Scope::Self) continue;
      if (holders_ >= kMaxHolders) {
        if (!over_limit_)
          system_.note_unseen(pid, Tid{}, Error{Cause::Limit, 0, "look into all holders"});
        over_limit_ = true;
        break;
      }
      ++holders_;
      process->scope = Scope::Holder;
      examine(system_, *process);
      any = true;
    }
    return any;
  }

  Snapshot build(const SysvObjects& sysv, const std::vector<snapshot::FileLock>& locks,
                 Progress::Clock::time_point started, Pieces pieces) {
    system_.note_unread();
    Snapshot out;
    out.tool_version = IPCDOCTOR_VERSION;
    name_host(out);
    out.time = ::time(nullptr);
    out.uptime_ticks = uptime_ticks();
    out.targets = targets_;
    std::ranges::sort(out.targets);
    out.objects = objects_.list();  // asks the processes, too
    out.processes.reserve(system_.processes().size());
    for (auto& process : system_.processes()) {
      add_process(out, *process, pieces);
      if (pieces == Pieces::Moved) process.reset();  // both of thousands are much
    }
    if (options_.place) out.place.networks = objects_.networks();
    out.file_locks = locks;
    out.shared_areas = areas_.list();
    out.sysv = sysv;
    out.unseen = system_.unseen();
    out.in_init_pid_ns = system_.in_init_pid_ns();
    out.all_holders_seen = system_.all_holders_seen() && out.in_init_pid_ns;
    out.processes_were_missed = system_.has_missed();
    out.unknown_fds_in_flight = objects_.unknown_fds_in_flight();
    const std::chrono::duration<double, std::milli> elapsed = Progress::Clock::now() - started;
    out.elapsed_ms = elapsed.count();
    out.observed_ms = observed_ms_;
    out.observed_briefly = options_.observe_briefly;
    out.overdue = options_.overdue;
    out.stopped_threads = stopped_threads_;
    return out;
  }

  void add_process(Snapshot& out, ProcessEntry& process, Pieces pieces) {
    if (process.pid.value == ::getpid())
      return;  // the helper: it will be gone when anybody reads this
    auto fds = kept_fds(process);
    std::map<Tid, std::vector<Fd>> tables;
    for (const auto& [tid, table] : process.thread_fds) tables.emplace(tid, kept(table, process));
    const bool outsider = process.scope == Scope::Outsider;
    if (outsider && fds && fds->empty() && !is_named(process.pid)) return;
    if (outsider && !fds && !is_named(process.pid)) return;
    snapshot::Process copy = take(process.out, pieces);
    copy.pid = process.pid;
    copy.ppid = process.stat.ppid;
    copy.pgid = process.stat.pgid;
    copy.sid = process.stat.sid;
    copy.start_ticks = process.stat.start_ticks;
    copy.scope = process.scope;
    copy.comm = escape_untrusted(process.stat.comm);
    copy.state = process.stat.state;
    copy.dead = process.examined ? process.dead
                                 : process.stat.state == 'Z' && process.stat.num_threads <= 1;
    const bool may_read_status = ::geteuid() == 0 || copy.uid == ::geteuid();
    if (copy.dead && process.stat.state == 'Z' && may_read_status)
      copy.wait_status = process.stat.wait_status;
    copy.fds = std::move(fds);
    if (!process.examined) {
      out.processes.push_back(std::move(copy));
      return;
    }
    // the first task of a runtime stands for the main thread where that has nothing of its own
    ThreadEntry* main_fiber = nullptr;
    const ThreadEntry* leader = nullptr;
    for (ThreadEntry& thread : process.threads) {
      if (thread.of_fiber && thread.tid.value == snapshot::kFirstFiber + 1) main_fiber = &thread;
      if (thread.tid.value == process.pid.value) leader = &thread;
    }
    const bool stands = main_fiber != nullptr && leader != nullptr && leader->out.carries;
    copy.threads.reserve(process.threads.size());
    for (ThreadEntry& thread : process.threads) {
      if (stands && &thread == main_fiber) continue;
      ThreadEntry& shown = stands && &thread == leader ? *main_fiber : thread;
      snapshot::Thread& added = copy.threads.emplace_back(take(shown.out, pieces));
      added.tid = thread.tid;
      if (const auto own = tables.find(thread.tid); own != tables.end())
        added.own_fds = std::move(own->second);
    }
    out.processes.push_back(std::move(copy));
  }

  /// It has memory that somebody waits on, or last used what somebody waits for.
  bool is_named(Pid pid) const { return areas_.mappers().contains(pid) || users_.contains(pid); }

  Result<std::vector<Fd>> kept_fds(const ProcessEntry& process) const {
    if (process.scope == Scope::Self) return std::vector<Fd>{};
    if (!process.fds) return process.fds.error();
    return kept(*process.fds, process);
  }

  /// Of the tree's big tables what somebody waits for, what code that was read may touch, and what
  /// tells of a process what it is.
  std::vector<Fd> kept(const std::vector<Fd>& table, const ProcessEntry& process) const {
    const bool of_tree = snapshot::is_of_tree(process.scope);
    const bool whole = of_tree && table.size() <= kMaxWholeTable;
    const std::set<int> named = of_tree && !whole ? named_by_code(process) : std::set<int>();
    std::vector<Fd> fds;
    for (const Fd& fd : table) {
      const bool telling =
          of_tree && (fd.object.kind == snapshot::ObjectKind::Terminal ||
                      fd.object.kind == snapshot::ObjectKind::UnixSocket || named.contains(fd.fd));
      if (whole || telling || objects_.is_relevant(fd.object)) fds.push_back(fd);
    }
    return fds;
  }

  static std::set<int> named_by_code(const ProcessEntry& process) {
    std::set<int> fds;
    const auto add = [&](const Result<snapshot::Effects>& effects) {
      if (effects) fds.insert(effects->fds.begin(), effects->fds.end());
    };
    if (process.out.handlers)
      for (const snapshot::Handler& handler : *process.out.handlers) add(handler.effects);
    for (const ThreadEntry& thread : process.threads) {
      add(thread.out.next);
      add(thread.out.meanwhile);
    }
    return fds;
  }

  const std::vector<Pid>& targets_;
  const Options& options_;
  Progress& progress_;
  System system_;
  Objects objects_;
  SharedAreas areas_;
  unwind::Images images_;  ///< of programs whose runtime is looked into
  std::set<Pid> decoded_;  ///< whose waits are known
  std::set<Pid> users_;    ///< of System V objects, the last of each
  std::size_t holders_ = 0;
  bool over_limit_ = false;
  bool unread_table_ = false;  ///< of a process that went while it was looked at
  double observed_ms_ = 0;
  std::uint32_t stopped_threads_ = 0;
};

}  // namespace

Result<Snapshot> collect_here(const std::vector<Pid>& targets, const Options& options, Pid self,
                              Progress& progress, const std::function<void(Snapshot)>& draft) {
  return Collector(targets, options, self, progress).run(draft);
}

}  // namespace ipcdoctor::collect
