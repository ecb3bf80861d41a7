#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "collect/progress.h"
#include "linux/address_space.h"
#include "linux/deputy.h"
#include "linux/proc_dir.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/proc_syscall.h"
#include "linux/task_iterator.h"
#include "linux/unique_fd.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

/// A thread of a process that is looked into, between the two looks.
struct ThreadEntry {
  Tid tid;
  int ns_tid = 0;                              ///< in its own PID namespace
  std::string comm;                            ///< raw
  linux::TaskStatus status;                    ///< first look
  Result<linux::SyscallState> call = Error{};  ///< first look
  std::string wchan;
  bool of_runtime = false;  ///< its frames are known by its language's runtime
  bool is_monitor = false;  ///< of a runtime: it wakes by itself, and runs none of its tasks
  bool of_fiber = false;    ///< no thread but a task of the runtime: /proc has no such number
  bool wait_told = false;   ///< its language told what it waits for; the call is only how
  /// Between the looks it was seen asleep for what a thread has that may not run before the second
  /// one: that it wakes to look again is no sign of life.
  bool waits_for_owner = false;
  /// The words of the lock that it waits for, as its owner was read from them; empty: not of that
  /// kind.
  std::vector<std::byte> lock_words;
  std::vector<snapshot::Frame> language_frames;  ///< to follow the native ones
  Tid on;                ///< of_fiber: the thread whose call it is in; 0: it is in none
  snapshot::Thread out;  ///< what goes into the snapshot
};

/// One process of the system.
struct ProcessEntry {
  Pid pid;
  linux::Stat stat;
  snapshot::Scope scope = snapshot::Scope::Outsider;
  bool examined = false;  ///< status and threads were read
  bool dead = false;      ///< a zombie without live threads
  std::optional<linux::ProcDir> dir;
  Result<linux::TaskStatus> status = Error{};
  Result<std::vector<snapshot::Fd>> fds = Error{};
  std::vector<std::pair<Tid, std::vector<snapshot::Fd>>>
      thread_fds;                                     ///< tables that a thread does not share
  std::uint64_t table_number = 0, memory_number = 0;  ///< linux::KernelFd's; 0: not known
  std::vector<ThreadEntry> threads;
  std::uint64_t own_signals = 0;  ///< that its runtime catches for itself, to no effect: bit n-1
  std::unique_ptr<linux::AddressSpace> space;
  std::optional<Error> space_error;
  std::optional<linux::UniqueFd> pidfd;
  snapshot::Process out;  ///< what goes into the snapshot, except fds and threads
};

/// The open files of a pipe as the kernel itself has them, beside the descriptors that were read.
struct PipeEnds {
  /// A descriptor that was read.
  struct Holder {
    std::uint64_t table;  ///< where the kernel has it: the same for processes that share it
    Pid pid;
    int fd;
  };
  struct File {
    bool readable = false, writable = false;
    std::uint64_t references = 0;
    std::vector<Holder> holders;
  };
  std::uint32_t readers = 0, writers = 0;  ///< open files, as the kernel counts them
  std::map<std::uint64_t, File> files;     ///< of which a descriptor was read
};

/// All processes of the system but kernel threads, and what was read of them so far.
class System {
 public:
  System(Progress& progress, Pid self, Pid helper)
      : progress_(progress), self_(self), helper_(helper) {}

  /// Reads /proc and the stat of every process that is new since the last scan. @return whether
  /// there was any, or one that had gone before it was read: it may have left a successor, so that
  /// a pass is complete only if the next one says false.
  Result<bool> scan();
  /// Call after the last scan: who was listed and could not be read is unseen, and may hold
  /// anything.
  void note_unread();
  /// Processes kept coming and going to the last pass: some may never have been listed.
  void note_restless();
  /// That, or a call failed that would have told of some process.
  bool has_missed() const { return restless_ || lost_; }
  /// Why that process could not be read, though it was listed; nullptr: it was, or is not there.
  const Error* unread(Pid pid) const {
    const auto it = unread_.find(pid);
    return it == unread_.end() ? nullptr : &it->second;
  }
  /// Listed, and not to be read.
  const std::map<Pid, Error>& unread() const { return unread_; }
  /// Every process of /proc was read.
  bool all_listed() const { return !restless_ && unread_.empty(); }

  std::vector<std::unique_ptr<ProcessEntry>>& processes() { return processes_; }
  const std::vector<std::unique_ptr<ProcessEntry>>& processes() const { return processes_; }
  /// Its directory for linux::deputy::ReadAhead; -1 where there are too few descriptors for all.
  int dir_to_read_ahead(const ProcessEntry& process) const {
    return room_for_dirs_ > 0 && linux::deputy::is_asked() ? process.dir->fd() : -1;
  }
  /// That file of all that are looked into.
  std::vector<linux::deputy::File> files(const char* name) const {
    std::vector<linux::deputy::File> found;
    for (const auto& process : processes_)
      if (process->examined && !process->dead) found.push_back({dir_to_read_ahead(*process), name});
    return found;
  }
  ProcessEntry* find(Pid pid);
  Progress& progress() { return progress_; }
  const linux::ProcDir& proc() const { return *proc_; }
  Pid self() const { return self_; }
  bool is_own(Pid pid) const {
    return pid == self_ || pid == helper_ || pid.value == linux::deputy::pid();
  }

  /// Its mappings and memory, opened once. @return Denied, Gone, TimedOut.
  Result<linux::AddressSpace*> space_of(ProcessEntry& process);
  /// From now on they are read by the first that needs them, under its own mark.
  void read_maps_late() { read_maps_ahead_ = false; }
  Result<linux::UniqueFd*> pidfd_of(ProcessEntry& process);
  /// What the kernel itself says of a thread; all of it is read when first asked for. @return
  /// Denied, Unsupported, TimedOut, Gone.
  Result<const linux::KernelTask*> kernel_task(Tid tid);
  /// All threads of the system as they are now; later answers of kernel_task() stay as they were.
  Result<std::vector<linux::KernelTask>> read_kernel_tasks();
  /// There are so many threads to look at that asking for all of them at once is cheaper.
  void ask_kernel_for_calls() { asks_kernel_for_calls_ = true; }
  /// What the kernel told of a thread of that process that slept then in a call; none if it was not
  /// asked for all, or the thread was awake.
  const linux::KernelTask* sleeper(Pid pid, Tid tid);

  /// The table that this thread uses.
  static const std::vector<snapshot::Fd>* table_of(const ProcessEntry& process, Tid tid);

  /// Keeps at most 1000 facts; processes outside the tree fill no more than half of them.
  void note_unseen(Pid pid, Tid tid, Error error);
  /// The same, but not where there is nothing of that kind (Unsupported).
  void note_unread(Pid pid, const Error& error) {
    if (error.cause != Cause::Unsupported) note_unseen(pid, Tid{}, error);
  }
  std::vector<snapshot::Unseen>& unseen() { return unseen_; }
  /// A table or an address space of some process is not known: for want of rights or an answer,
  /// which whoever reads the report can weigh, or because something failed that should not.
  void note_hidden_holder(const Error& why) {
    all_holders_seen_ = false;
    lost_ = lost_ || (why.cause != Cause::Denied && why.cause != Cause::TimedOut);
  }
  bool all_holders_seen() const { return all_holders_seen_; }

  /// /proc is mounted so that it leaves processes out (hidepid), or nobody could tell.
  bool proc_hides() const { return proc_hides_; }
  /// Whether kcmp(2) answers here; seccomp profiles of containers refuse it. Then nobody can tell
  /// what two processes share.
  bool can_compare();
  /// It failed for two that are there: from now on nobody can tell.
  void doubt_comparing(Error error) { compares_ = std::move(error); }
  /// To be said once: sharing that nobody could find out.
  void note_unknown_sharing();
  /// Files of which other processes may have copies, and nobody can tell.
  void note_unknown_copies(const snapshot::ObjectId& id) { unknown_copies_.insert(id); }
  bool has_unknown_copies(const snapshot::ObjectId& id) const {
    return unknown_copies_.contains(id);
  }
  void note_ends(std::uint64_t pipe, PipeEnds ends) { ends_[pipe] = std::move(ends); }
  /// nullptr: not known
  const PipeEnds* ends_of(std::uint64_t pipe) const {
    const auto it = ends_.find(pipe);
    return it == ends_.end() ? nullptr : &it->second;
  }
  /// Pids of /proc are those of our own namespace, as system calls take them.
  bool numbers_as_proc_does() const { return numbers_as_proc_does_; }
  bool in_init_pid_ns() const { return in_init_pid_ns_; }

 private:
  Status open_proc();

  Progress& progress_;
  Pid self_, helper_;
  std::optional<linux::ProcDir> proc_;
  std::vector<std::unique_ptr<ProcessEntry>> processes_;  ///< ascending by pid
  std::unordered_map<Pid, ProcessEntry*> by_pid_;
  std::unordered_set<Pid> kernel_threads_;
  std::size_t room_for_dirs_ = 100;  ///< that many more may stay open
  std::map<Pid, Error> unread_;      ///< listed in the last pass, and not to be read
  std::optional<Result<linux::TaskIterator>> task_iterator_;
  std::optional<Result<std::vector<linux::KernelTask>>> kernel_tasks_;  // ascending by tid
  std::vector<snapshot::Unseen> unseen_;
  std::optional<Status> compares_;  ///< what kcmp(2) says of us and ourselves
  bool said_unknown_sharing_ = false;
  std::set<snapshot::ObjectId> unknown_copies_;
  std::unordered_map<std::uint64_t, PipeEnds> ends_;
  bool all_holders_seen_ = true, restless_ = false, lost_ = false;
  bool proc_hides_ = true, numbers_as_proc_does_ = false, in_init_pid_ns_ = false;
  bool read_maps_ahead_ = true;
  bool asks_kernel_for_calls_ = false;
};

/// Sets the scope of the targets, of their ancestors of the same job (so that the verdict does not
/// depend on which process of a program was named), of the descendants of these, and of reparented
/// processes of their sessions and groups.
void mark_tree(System& system, const std::vector<Pid>& targets);

}  // namespace ipcdoctor::collect
