#include "collect/surroundings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "collect/tables.h"
#include "linux/deputy.h"
#include "linux/kcmp.h"
#include "linux/namespaces.h"
#include "linux/pidfd.h"
#include "linux/text_scan.h"
#include "runtime/shell/dash.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Fd;
using snapshot::ObjectId;
using snapshot::ObjectKind;

std::size_t level_of(const Result<linux::TaskStatus>& status) {
  return status && !status->ns_pids.empty() ? status->ns_pids.size() - 1 : 0;
}

class LiveSurroundings final : public Surroundings {
 public:
  LiveSurroundings(System& system, ProcessEntry& process, const ThreadEntry& thread)
      : system_(system), process_(process), thread_(thread) {}

  ObjectId object_of(int number) override {
    const auto* table = System::table_of(process_, thread_.tid);
    if (table == nullptr) return {};
    const auto it = std::ranges::lower_bound(*table, number, {}, &Fd::fd);
    return it != table->end() && it->fd == number ? it->object : ObjectId{};
  }

  Status read(RemoteAddr address, std::span<std::byte> into) override {
    const auto space = system_.space_of(process_);
    if (!space) return space.error();
    const Risk risk(system_.progress(), process_.pid, Fact::Memory, thread_.tid.value);
    if (!risk.allowed()) {
      return Error{Cause::TimedOut, 0,
                   to_string(Mark{process_.pid.value, thread_.tid.value, Fact::Memory})};
    }
    return (*space)->memory.read(address, into);
  }

  Result<FoundFile> find_path(int dir_fd, const std::string& path) override {
    return collect::find_path(system_, process_, dir_fd, path);
  }

  Result<bool> has_socket_timeout(int number, Direction direction) override {
    for (const auto& [tid, fds] : process_.thread_fds) {
      if (tid == thread_.tid)
        return Error{Cause::Unsupported, 0, "copy a descriptor of a table of its own"};
    }
    const auto pidfd = system_.pidfd_of(process_);
    if (!pidfd) return pidfd.error();
    const Risk risk(system_.progress(), process_.pid, Fact::CopyFd, number);
    if (!risk.allowed()) return Error{Cause::TimedOut, 0, "copy a descriptor"};
    const auto state = linux::read_socket_state(**pidfd, number);
    if (!state) return state.error();
    return (direction == Direction::Receive ? state->receive_timeout : state->send_timeout)
               .count() != 0;
  }

  std::vector<Pid> children(const ChildFilter& filter) override {
    std::vector<Pid> pids;
    std::vector<linux::deputy::File> files;
    for (const auto& process : system_.processes())
      if (is_without_status(*process))
        files.push_back({system_.dir_to_read_ahead(*process), "status"});
    const linux::deputy::ReadAhead ahead(linux::deputy::Wish::ReadRecord, files);
    for (const auto& child : system_.processes()) {
      const bool own = child->stat.ppid == process_.pid;
      if (!own && !is_traced_by_us(*child)) continue;
      if (is_finished(*child) || !matches(*child, filter)) continue;
      pids.push_back(child->pid);
    }
    for (const Pid pid : unseen_children(system_, process_))
      if (filter.by != ChildFilter::By::Pid || pid.value == filter.id) pids.push_back(pid);
    return pids;
  }

  bool awaits_children_by_signal() override {
    const auto space = system_.space_of(process_);
    return space && runtime::shell::is_dash(**space);
  }

  std::vector<Pid> vfork_children() override {
    std::vector<Pid> sharing, all;
    for (const auto& child : system_.processes()) {
      if (child->stat.ppid != process_.pid || is_finished(*child)) continue;
      all.push_back(child->pid);
      const auto order = linux::compare_tasks(linux::Kcmp::Vm, thread_.tid, Tid{child->pid.value});
      if (order ? *order == std::strong_ordering::equal : order.error().cause != Cause::Gone)
        sharing.push_back(child->pid);
    }
    for (const Pid pid : unseen_children(system_, process_)) {
      all.push_back(pid);
      sharing.push_back(pid);
    }
    return sharing.empty() ? all : sharing;
  }

  bool locate(snapshot::FutexWait& futex) override {
    const auto space = system_.space_of(process_);
    if (!space) return false;
    const linux::Mapping* mapping = linux::find_mapping((*space)->maps(), futex.address);
    if (mapping == nullptr) return false;
    futex.shared_memory = mapping->shared;
    if (mapping->shared) {
      futex.page = {mapping->dev, mapping->ino,
                    mapping->offset + (futex.address.value - mapping->start)};
    }
    return true;
  }

  std::vector<ObjectId> all_of(ObjectKind kind) override {
    if (kind != ObjectKind::Fuse) identify_objects(system_, kind);
    std::set<ObjectId> found;
    for_each_table(system_, [&](ProcessEntry&, Tid, std::vector<Fd>& fds) {
      for (const Fd& fd : fds) {
        if (fd.object.kind == kind) found.insert(fd.object);
      }
    });
    return {found.begin(), found.end()};
  }

  std::vector<Pid> namespace_members() override {
    std::vector<Pid> members;
    for (const auto& process : system_.processes()) {
      if (process->pid == process_.pid || is_finished(*process)) continue;
      const auto ns = linux::read_namespace(*process->dir, "pid");
      if (ns ? *ns == process_.out.pid_ns : ns.error().cause != Cause::Gone)
        members.push_back(process->pid);
    }
    return members;
  }

 private:
  static bool is_finished(const ProcessEntry& process) {
    if (process.examined) return process.dead;
    return process.stat.has_exited() && process.stat.num_threads <= 1;
  }

  static bool is_without_status(const ProcessEntry& process) {
    return !process.status && process.status.error().cause == Cause::NotRead;
  }

  const Result<linux::TaskStatus>& status_of(ProcessEntry& process) {
    if (is_without_status(process)) process.status = linux::read_status(*process.dir);
    return process.status;
  }

  bool is_traced_by_us(ProcessEntry& process) {
    const auto& status = status_of(process);
    return status ? status->tracer == process_.pid : status.error().cause != Cause::Gone;
  }

  bool matches(ProcessEntry& child, const ChildFilter& filter) {
    const std::size_t level = level_of(process_.status);
    const auto& status = status_of(child);
    const auto number_of = [&](const std::vector<int>& numbers, int ours) {
      return level < numbers.size() ? numbers[level] : ours;
    };
    using By = ChildFilter::By;
    const bool numbered = filter.by == By::Pid || filter.by == By::Group;
    if (numbered && (!process_.status || !status)) return true;  // by whatever number it is known
    switch (filter.by) {
      case By::Any:
        return true;
      case By::OwnGroup:
        return child.stat.pgid == process_.stat.pgid;
      case By::Pid:
        return (status ? number_of(status->ns_pids, child.pid.value) : child.pid.value) ==
               filter.id;
      case By::Group:
        return (status ? number_of(status->ns_pgids, child.stat.pgid.value)
                       : child.stat.pgid.value) == filter.id;
      case By::PidFd: {
        const ObjectId pidfd = object_of(filter.id);
        if (pidfd.kind != ObjectKind::PidFd) return true;
        if (pidfd.dev != 0) identify_objects(system_, ObjectKind::PidFd);
        const ObjectId identified = object_of(filter.id);
        return identified.dev != 0 || identified.ino == static_cast<std::uint64_t>(child.pid.value);
      }
    }
    return true;
  }

  System& system_;
  ProcessEntry& process_;
  const ThreadEntry& thread_;
};

bool is_later(const struct statx_timestamp& a, const struct statx_timestamp& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

}  // namespace

snapshot::Wait decode_wait(System& system, ProcessEntry& process, const ThreadEntry& thread,
                           const BlockedCall& blocked) {
  LiveSurroundings surroundings(system, process, thread);
  return decode_call(blocked, surroundings);
}

std::vector<Pid> unseen_children(System& system, const ProcessEntry& process) {
  if (!system.proc_hides() && system.unread().empty()) return {};
  std::vector<Pid> pids;
  const auto tids = process.dir->list_numbers("task");
  for (const int tid : tids.value_or(std::vector<int>{process.pid.value})) {
    const auto text = process.dir->read("task/" + std::to_string(tid) + "/children");
    if (!text) {
      for (const auto& [pid, error] : system.unread()) pids.push_back(pid);
      continue;
    }
    std::string_view rest = *text;
    int pid = 0;
    while (linux::take_number(rest, pid))
      if (system.find(Pid{pid}) == nullptr) pids.push_back(Pid{pid});
  }
  std::ranges::sort(pids);
  const auto repeated = std::ranges::unique(pids);
  pids.erase(repeated.begin(), repeated.end());
  return pids;
}

bool is_32bit(System& system, ProcessEntry& process) {
  constexpr std::uint64_t kFourGigabytes = std::uint64_t{1} << 32;
  if (process.stat.start_stack != 0) return process.stat.start_stack < kFourGigabytes;
  const auto space = system.space_of(process);
  if (!space) return false;
  for (const linux::Mapping& mapping : (*space)->notable_maps()) {
    if (mapping.path == "[stack]") return mapping.end <= 0xffffffffU;
  }
  return false;
}

Result<FoundFile> find_path(System& system, ProcessEntry& process, int dir_fd,
                            const std::string& path) {
  const Risk risk(system.progress(), process.pid, Fact::Path);
  if (!risk.allowed())
    return Error{Cause::TimedOut, 0, to_string(Mark{process.pid.value, 0, Fact::Path})};
  std::string full = path;
  if (!path.starts_with('/')) {
    const auto base =
        process.dir->read_link(dir_fd == AT_FDCWD ? "cwd" : "fd/" + std::to_string(dir_fd));
    if (!base) return base.error();
    full = *base + "/" + path;
  }
  // opens neither the FIFO nor the device that the path may name
  const auto file = process.dir->open_in_root(full, O_PATH);
  if (!file) return file.error();
  struct statx status {};
  if (::statx(file->get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) != 0)
    return Error{cause_of(errno), errno, "find a path of " + process.dir->path()};
  ObjectKind kind = ObjectKind::File;
  if (S_ISFIFO(status.stx_mode)) kind = ObjectKind::Fifo;
  if (S_ISDIR(status.stx_mode)) kind = ObjectKind::Directory;
  if (S_ISCHR(status.stx_mode) || S_ISBLK(status.stx_mode)) kind = ObjectKind::Device;
  const bool knows_birth = (status.stx_mask & STATX_BTIME) != 0;
  return FoundFile{{kind, makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino},
                   knows_birth && is_later(status.stx_mtime, status.stx_btime)};
}

}  // namespace ipcdoctor::collect
