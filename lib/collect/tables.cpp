#include "collect/tables.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "collect/group_equal.h"
#include "linux/fd_iterator.h"
#include "linux/fd_table.h"
#include "linux/fdinfo.h"
#include "linux/kcmp.h"

namespace ipcdoctor::collect {
namespace {

using linux::FdEntry;
using linux::FileKind;
using snapshot::Access;
using snapshot::Fd;
using snapshot::ObjectId;
using snapshot::ObjectKind;

constexpr std::uint64_t kPtsMajor = 136;  // UNIX98_PTY_SLAVE_MAJOR, include/uapi/linux/major.h

std::uint64_t number(int value) {
  return static_cast<std::uint64_t>(value);
}

ObjectKind anonymous_kind(std::string_view name) {
  struct Name {
    std::string_view part;
    ObjectKind kind;
  };
  static constexpr std::array kNames = {
      Name{"eventfd", ObjectKind::EventFd},       Name{"eventpoll", ObjectKind::Epoll},
      Name{"timerfd", ObjectKind::TimerFd},       Name{"signalfd", ObjectKind::SignalFd},
      Name{"inotify", ObjectKind::Inotify},       Name{"fanotify", ObjectKind::Fanotify},
      Name{"pidfd", ObjectKind::PidFd},           Name{"io_uring", ObjectKind::IoUring},
      Name{"userfaultfd", ObjectKind::UserFault}, Name{"seccomp notify", ObjectKind::SeccompNotify},
  };
  for (const Name& known : kNames) {
    if (name.find(known.part) != std::string_view::npos) return known.kind;
  }
  return ObjectKind::OtherAnon;
}

/// stat's tty_nr has the minor number in bits 31-20 and 7-0, the major in 15-8; see proc(5).
std::uint64_t device_of_tty_nr(int tty_nr) {
  const auto bits = static_cast<std::uint32_t>(tty_nr);
  return makedev(bits >> 8 & 0xfff, (bits & 0xff) | (bits >> 12 & 0xfff00));
}

ObjectId character_device(const FdEntry& entry, const ProcessEntry& process,
                          const linux::ProcDir& task) {
  if (linux::is_terminal(entry.rdev)) return {ObjectKind::Terminal, entry.rdev, 0};
  if (entry.rdev == makedev(5, 0) &&
      process.stat.tty_nr != 0) {  // /dev/tty: the controlling terminal
    return {ObjectKind::Terminal, device_of_tty_nr(process.stat.tty_nr), 0};
  }
  if (linux::is_ptmx(entry.rdev)) {
    const auto info = linux::read_fdinfo(task, entry.fd);
    const std::uint64_t slave = info && info->has_tty_index
                                    ? makedev(kPtsMajor, static_cast<unsigned>(info->tty_index))
                                    : 0;
    return {ObjectKind::TerminalMaster, slave, 0};
  }
  if (linux::is_fuse_device(entry.rdev)) return {ObjectKind::Fuse, entry.rdev, entry.ino};
  return {ObjectKind::Device, entry.rdev, entry.ino};
}

ObjectId object_of(const FdEntry& entry, const ProcessEntry& process, const linux::ProcDir& task) {
  switch (entry.kind) {
    case FileKind::Pipe:
      return {ObjectKind::Pipe, 0, entry.ino};
    case FileKind::Socket:
      return {ObjectKind::OtherSocket, 0, entry.ino};
    case FileKind::AnonInode:
      return {anonymous_kind(entry.link), number(process.pid.value), number(entry.fd)};
    case FileKind::Fifo:
      return {ObjectKind::Fifo, entry.dev, entry.ino};
    case FileKind::Regular:
    case FileKind::Memfd:
      return {ObjectKind::File, entry.dev, entry.ino};
    case FileKind::Directory:
      return {ObjectKind::Directory, entry.dev, entry.ino};
    case FileKind::CharDevice:
      return character_device(entry, process, task);
    case FileKind::BlockDevice:
      return {ObjectKind::Device, entry.rdev, entry.ino};
    case FileKind::Mqueue:
      return {ObjectKind::MessageQueue, entry.dev, entry.ino};
    case FileKind::Namespace:
    case FileKind::Unknown:
      break;
  }
  const ObjectKind kind = anonymous_kind(entry.link);  // "pidfd:[N]" of pidfs
  return {kind, number(process.pid.value), number(entry.fd)};
}

Access access_of(const FdEntry& entry) {
  if (!entry.access_known) return Access::Both;
  if (entry.readable && entry.writable) return Access::Both;
  if (entry.readable) return Access::Read;
  return entry.writable ? Access::Write : Access::None;  // None: O_PATH
}

Result<std::vector<Fd>> read_table(System& system, ProcessEntry& process,
                                   const linux::ProcDir& task) {
  const Risk risk(system.progress(), process.pid, Fact::FdTable);
  if (!risk.allowed()) {
    return Error{Cause::TimedOut, 0, to_string(Mark{process.pid.value, 0, Fact::FdTable})};
  }
  std::vector<Fd> fds;
  const auto count = linux::read_fds(task, {}, [&](FdEntry&& entry) {
    fds.push_back({entry.fd, access_of(entry), object_of(entry, process, task)});
    if (fds.size() % 256 == 0) system.progress().step();
    return true;
  });
  if (!count) return count.error();
  fds.shrink_to_fit();
  return fds;
}

/// Also false where nobody can tell.
bool shares_table(System& system, Pid pid, Pid leader, Tid tid) {
  const linux::KernelTask* one = system.sleeper(pid, Tid{leader.value});
  const linux::KernelTask* other = system.sleeper(pid, tid);
  if (one != nullptr && other != nullptr && one->files == other->files) return true;
  const auto order = linux::compare_tasks(linux::Kcmp::Files, Tid{leader.value}, tid);
  if (order) return *order == std::strong_ordering::equal;
  return order.error().cause == Cause::Gone;
}

/// One table, or two that hold the same: then it makes no difference who holds what.
bool are_alike(const std::vector<Fd>& a, const std::vector<Fd>& b) {
  return std::ranges::equal(a, b, [](const Fd& x, const Fd& y) {
    return x.fd == y.fd && x.object == y.object && x.access == y.access;
  });
}

/// A leader that has exited has no table any more; its threads that live on still do.
/// @return false if one of them went with its table unread.
bool read_threads_tables(System& system, ProcessEntry& process) {
  bool complete = true;
  const auto missing = [&](Tid tid, const Error& error) {
    complete = complete && error.cause != Cause::Gone;
    if (error.cause == Cause::Gone) return;
    system.note_hidden_holder(error);
    system.note_unseen(process.pid, tid, error);
  };
  const auto tids = process.dir->list_numbers("task");
  if (!tids) {
    missing(Tid{}, tids.error());
    return complete;
  }
  const bool leader_dead = process.stat.has_exited();
  Tid first{process.pid.value};
  bool have_first = !leader_dead;
  for (const int tid_number : *tids) {
    const Tid tid{tid_number};
    if (tid == first) continue;
    if (leader_dead && tid_number == process.pid.value) continue;
    if (have_first && shares_table(system, process.pid, Pid{first.value}, tid)) continue;
    const auto task = process.dir->open_below("task/" + std::to_string(tid_number));
    auto fds = task ? read_table(system, process, *task) : task.error();
    if (!fds) {
      missing(tid, fds.error());
      continue;
    }
    if (have_first && !system.can_compare() && process.fds && are_alike(*process.fds, *fds))
      continue;
    if (have_first) {
      process.thread_fds.emplace_back(tid, std::move(*fds));
    } else if (const auto state = linux::read_stat(*task); state && !state->has_exited()) {
      have_first = true;
      first = tid;
      process.fds = std::move(*fds);
    }
  }
  return complete;
}

/// A descriptor of some table.
struct Copy {
  Pid pid;
  Tid tid;
  Fd* fd;
};

/// The order of two open files over all processes, as kcmp(2) has it.
Result<std::strong_ordering> compare(const Copy& a, const Copy& b) {
  return linux::compare_files(a.tid, a.fd->fd, b.tid, b.fd->fd);
}

/// What is the same in all copies of a file: neither the flags, which have the descriptor's own
/// close-on-exec, nor the time that is left.
std::string lasting_lines(const std::string& fdinfo) {
  std::string lasting;
  for (std::size_t at = 0; at < fdinfo.size();) {
    const std::size_t end = std::min(fdinfo.find('\n', at), fdinfo.size() - 1);
    const std::string_view line(fdinfo.data() + at, end + 1 - at);
    if (!line.starts_with("flags:") && !line.starts_with("it_value:")) lasting += line;
    at = end + 1;
  }
  return lasting;
}

/// Without kcmp(2): files of which fdinfo tells different things are two, those of one table are
/// taken for two; of all others nobody knows. Read twice, as what they tell may change meanwhile.
void find_unknown_copies(System& system, const std::vector<Copy>& copies) {
  std::map<std::string, std::set<Tid>> tables;
  std::vector<std::vector<std::string>> texts(copies.size());
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t i = 0; i < copies.size(); ++i) {
      const auto& [pid, tid, fd] = copies[i];
      const ProcessEntry* process = system.find(pid);
      const Risk risk(system.progress(), pid, Fact::FdInfo, fd->fd);
      const std::string name =
          "task/" + std::to_string(tid.value) + "/fdinfo/" + std::to_string(fd->fd);
      const auto text = risk.allowed() && !system.progress().is_late()
                            ? process->dir->read(name, 64 << 20)
                            : Result<std::string>();
      const std::string key = text ? lasting_lines(*text) : "";  // unknown: like all unknown ones
      texts[i].push_back(key);
      tables[key].insert(tid);
    }
  }
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const bool shared = std::ranges::any_of(
        texts[i], [&](const std::string& text) { return text.empty() || tables[text].size() > 1; });
    if (!shared) continue;
    system.note_unknown_copies(copies[i].fd->object);
    system.note_unknown_sharing();
  }
}

/// Ids of anonymous files that have no number of their own.
Status group_copies(const std::vector<Copy>& copies) {
  constexpr std::size_t kMost = 20000;
  if (copies.size() > kMost) return Error{Cause::Limit, 0, "compare descriptors"};
  const auto groups = group_equal(copies, compare);
  if (!groups) return groups.error();
  for (const std::vector<Copy>& group : *groups) {
    ObjectId lowest = group.front().fd->object;
    for (const Copy& copy : group) lowest = std::min(lowest, copy.fd->object);
    for (const Copy& copy : group) copy.fd->object = lowest;
  }
  return Done{};
}

bool is_tried(const ProcessEntry& process) {
  return process.fds || process.fds.error().cause != Cause::NotRead ||
         process.scope == snapshot::Scope::Self;
}

/// Numbers are reused; see proc_pid_stat(5) for the unit.
bool is_of(const ProcessEntry& process, const linux::KernelFd& fd) {
  static const auto hz = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return fd.started_ns / (1'000'000'000 / hz) == process.stat.start_ticks;
}

/// The tables of processes, from the kernel itself.
class KernelTables {
 public:
  explicit KernelTables(System& system) : system_(system) {
    for (const auto& process : system.processes())
      if (!is_tried(*process)) entries_[process->pid].process = process.get();
  }

  Status read() {
    const Risk risk(system_.progress(), Pid{}, Fact::KernelTasks);
    if (!risk.allowed()) return Error{Cause::TimedOut, 0, "read the tables of the kernel"};
    return linux::read_kernel_fds([this](const linux::KernelFd& fd) { add(fd); });
  }

  /// Who was not shown, or has more than one table, stays unread.
  void hand_out() {
    for (auto& [pid, entry] : entries_) {
      if (!entry.whole || (entry.fds.empty() && entry.unclear.empty())) continue;
      if (!entry.unclear.empty() && !look_at_unclear(entry)) continue;
      entry.process->fds = std::move(entry.fds);
      entry.process->table_number = entry.table;
      entry.process->memory_number = entry.memory;
    }
  }

 private:
  struct Entry {
    ProcessEntry* process = nullptr;
    bool whole = true;         ///< all of it, and nothing of another process or table
    std::vector<Fd> fds;       ///< ascending
    std::vector<int> unclear;  ///< only /proc tells what they are
    std::uint64_t table = 0, memory = 0;
  };

  void add(const linux::KernelFd& fd) {
    if (++seen_ % 256 == 0) system_.progress().step();
    if (last_ == nullptr || last_->process->pid != fd.pid) {
      if (last_ != nullptr) last_->fds.shrink_to_fit();  // of a whole system there are many
      const auto it = entries_.find(fd.pid);
      last_ = it == entries_.end() ? nullptr : &it->second;
    }
    if (last_ == nullptr || !last_->whole) return;
    ProcessEntry& process = *last_->process;
    last_->whole = fd.tid.value == fd.pid.value && is_of(process, fd);
    last_->table = fd.table;
    last_->memory = fd.memory;
    const auto entry = linux::to_entry(fd);
    if (entry)
      last_->fds.push_back({fd.fd, access_of(*entry), object_of(*entry, process, *process.dir)});
    else
      last_->unclear.push_back(fd.fd);
  }

  bool look_at_unclear(Entry& entry) {
    ProcessEntry& process = *entry.process;
    const Risk risk(system_.progress(), process.pid, Fact::FdTable);
    if (!risk.allowed()) return false;
    const auto seen = linux::read_some_fds(*process.dir, entry.unclear, [&](FdEntry&& fd) {
      entry.fds.push_back({fd.fd, access_of(fd), object_of(fd, process, *process.dir)});
      return true;
    });
    std::ranges::sort(entry.fds, {}, &Fd::fd);
    return seen.has_value();
  }

  System& system_;
  std::unordered_map<Pid, Entry> entries_;
  Entry* last_ = nullptr;
  std::size_t seen_ = 0;
};

/// Those of all processes that were not read yet. What the kernel does not tell us stays for /proc.
void read_kernel_tables(System& system) {
  KernelTables tables(system);
  if (tables.read()) tables.hand_out();
}

/// @return false if the process, or a thread with a table of its own, went before it was read.
bool read_through_proc(System& system, ProcessEntry& process) {
  // a leader that has exited has none; /proc gives it to root, so that others may not even look
  process.fds = process.stat.has_exited() ? Result<std::vector<Fd>>(std::vector<Fd>())
                                          : read_table(system, process, *process.dir);
  const bool denied = !process.fds && process.fds.error().cause == Cause::Denied;
  const bool complete =
      process.stat.num_threads <= 1 || denied || read_threads_tables(system, process);
  if (process.fds) return complete;
  if (process.fds.error().cause == Cause::Gone) return false;
  system.note_hidden_holder(process.fds.error());
  system.note_unseen(process.pid, Tid{}, process.fds.error());
  return complete;
}

}  // namespace

bool read_tables(System& system, TablesFrom from) {
  // in descriptors that are read through /proc
  constexpr std::size_t kCostOfProcess = 5, kCostOfLoading = 2500;
  bool complete = true, asked = from == TablesFrom::Proc;
  std::size_t cost = from == TablesFrom::Kernel ? kCostOfLoading : 0;
  auto left = static_cast<std::size_t>(
      std::ranges::count_if(system.processes(), [](const auto& p) { return !is_tried(*p); }));
  std::size_t expected = 0;  // older kernels do not tell: then it shows while they are read
  for (const auto& process : system.processes()) {
    if (asked || expected + kCostOfProcess * left > kCostOfLoading) break;
    if (!is_tried(*process)) expected += linux::count_fds(*process->dir);
  }
  for (const auto& process : system.processes()) {
    if (is_tried(*process)) continue;
    if (!asked && std::max(cost, expected) + kCostOfProcess * left > kCostOfLoading) {
      asked = true;
      read_kernel_tables(system);
    }
    --left;
    if (is_tried(*process)) continue;
    complete = read_through_proc(system, *process) && complete;
    cost += kCostOfProcess + (process->fds ? process->fds->size() : 0);
  }
  return complete;
}

void read_pipe_ends(System& system) {
  const Risk risk(system.progress(), Pid{}, Fact::KernelTasks);
  if (!risk.allowed()) return;
  std::unordered_map<std::uint64_t, PipeEnds> pipes;
  const Status read = linux::read_kernel_pipes([&](const linux::KernelFd& fd) {
    PipeEnds& pipe = pipes[fd.ino];
    pipe.readers = std::max(pipe.readers, fd.readers);
    pipe.writers = std::max(pipe.writers, fd.writers);
    const ProcessEntry* process = system.find(fd.pid);
    const bool same = process != nullptr && (fd.tid.value != fd.pid.value || is_of(*process, fd));
    const std::vector<Fd>* table = same ? System::table_of(*process, fd.tid) : nullptr;
    if (table == nullptr) return;
    const auto found = std::ranges::lower_bound(*table, fd.fd, {}, &Fd::fd);
    if (found == table->end() || found->fd != fd.fd ||
        found->object != ObjectId{ObjectKind::Pipe, 0, fd.ino})
      return;
    PipeEnds::File& file = pipe.files[fd.file];
    file.readable = fd.readable;
    file.writable = fd.writable;
    file.references = std::max(file.references, fd.references);
    file.holders.push_back({fd.table, fd.pid, fd.fd});
  });
  if (read)
    for (auto& [ino, ends] : pipes) system.note_ends(ino, std::move(ends));
}

void for_each_table(System& system,
                    const std::function<void(ProcessEntry&, Tid, std::vector<Fd>&)>& each) {
  for (const auto& process : system.processes()) {
    if (process->fds) each(*process, Tid{}, *process->fds);
    for (auto& [tid, fds] : process->thread_fds) each(*process, tid, fds);
  }
}

void identify_objects(System& system, ObjectKind kind) {
  const bool by_info = kind == ObjectKind::EventFd || kind == ObjectKind::PidFd;
  std::vector<Copy> copies;
  bool unknown = false;
  for_each_table(system, [&](ProcessEntry& process, Tid tid, std::vector<Fd>& fds) {
    const Tid task{tid.value != 0 ? tid.value : process.pid.value};
    for (Fd& fd : fds) {
      if (fd.object.kind != kind || fd.object.dev == 0) continue;
      if (!by_info) {
        copies.push_back({process.pid, task, &fd});
        continue;
      }
      const Risk risk(system.progress(), process.pid, Fact::FdInfo, fd.fd);
      const auto name = "task/" + std::to_string(task.value) + "/fdinfo/" + std::to_string(fd.fd);
      const Mark mark{process.pid.value, fd.fd, Fact::FdInfo};
      const auto text = risk.allowed()
                            ? process.dir->read(name)
                            : Result<std::string>(Error{Cause::TimedOut, 0, to_string(mark)});
      const auto info = text ? linux::parse_fdinfo(*text) : Result<linux::FdInfo>(text.error());
      if (info && info->has_eventfd && info->eventfd_id >= 0) {
        fd.object = {kind, 0, static_cast<std::uint64_t>(info->eventfd_id)};
      } else if (info && info->has_pidfd && info->pidfd_pid > 0) {
        fd.object = {kind, 0, number(info->pidfd_pid)};
      } else if (info && kind == ObjectKind::EventFd) {
        copies.push_back({process.pid, task, &fd});  // Linux before 5.2 does not number them
      } else if (!info && info.error().cause != Cause::Gone) {
        system.note_unseen(process.pid, tid, info.error());
        unknown = true;
      }
    }
  });
  if (unknown) {  // it may be any of its kind
    for_each_table(system, [&](ProcessEntry&, Tid, std::vector<Fd>& fds) {
      for (const Fd& fd : fds)
        if (fd.object.kind == kind) system.note_unknown_copies(fd.object);
    });
  }
  if (copies.size() < 2) return;
  if (system.can_compare()) {
    const Status grouped = group_copies(copies);
    if (grouped) return;
    system.doubt_comparing(grouped.error());
  }
  find_unknown_copies(system, copies);
}

}  // namespace ipcdoctor::collect
