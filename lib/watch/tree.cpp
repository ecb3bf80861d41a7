#include "watch/tree.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>

#include "linux/pidfd.h"
#include "linux/proc_dir.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"

namespace ipcdoctor::watch {
namespace {

struct Member {
  Pid pid;
  linux::Stat stat;
};

/// Roots and descendants, by the parents that /proc/PID/stat names.
Result<std::vector<Member>> read_members(const std::vector<Pid>& roots, linux::RecordFiles& files) {
  const Result<std::vector<int>> pids = files.dir().list_numbers(".");
  if (!pids) return pids.error();
  std::map<Pid, linux::Stat> stats;
  std::multimap<Pid, Pid> children;
  for (const int number : *pids) {
    const Result<std::string> line = files.read(std::to_string(number) + "/stat");
    if (!line) continue;  // gone since it was listed
    Result<linux::Stat> stat = linux::parse_stat(*line);
    if (!stat || stat->is_kernel_thread()) continue;
    children.emplace(stat->ppid, Pid{number});
    stats.emplace(Pid{number}, *std::move(stat));
  }
  std::vector<Member> members;
  std::set<Pid> seen;
  std::vector<Pid> open(roots.begin(), roots.end());
  while (!open.empty()) {  // ends: each pid is taken once
    const Pid pid = open.back();
    open.pop_back();
    const auto stat = stats.find(pid);
    if (stat == stats.end() || !seen.insert(pid).second) continue;
    members.push_back({pid, stat->second});
    const auto [first, last] = children.equal_range(pid);
    for (auto child = first; child != last; ++child) open.push_back(child->second);
  }
  std::ranges::sort(members, {}, &Member::pid);
  return members;
}

/// TreeThread::ran of /proc/TASK; nothing if it is gone or a zombie.
std::optional<std::uint64_t> time_run(linux::RecordFiles& files, const std::string& task) {
  // CONFIG_SCHED_INFO; a tenth of the cost of status (kernel 6.1, fs/proc/base.c,
  // proc_pid_schedstat)
  if (const Result<std::string> text = files.read(task + "/schedstat")) {
    std::uint64_t nanoseconds = 0;
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), nanoseconds);
    if (error == std::errc{}) return nanoseconds;
  }
  const Result<std::string> text = files.read(task + "/status");
  if (!text) return std::nullopt;
  const Result<linux::TaskStatus> status = linux::parse_status(*text);
  if (!status || status->state == 'Z' || status->state == 'X') return std::nullopt;
  return status->switches();
}

}  // namespace

Result<std::vector<TreeThread>> read_tree(const std::vector<Pid>& roots,
                                          linux::RecordFiles& files) {
  const Result<std::vector<Member>> members = read_members(roots, files);
  if (!members) return members.error();
  std::vector<TreeThread> threads;
  for (const Member& member : *members) {
    const std::string process = std::to_string(member.pid.value);
    const bool runs = member.stat.state == 'R';
    if (member.stat.num_threads == 1) {
      if (member.stat.has_exited()) continue;
      if (const auto ran = time_run(files, process))
        threads.push_back({member.pid, Tid{member.pid.value}, member.stat.start_ticks, *ran, runs});
      continue;
    }
    const Result<std::vector<int>> tids = files.dir().list_numbers(process + "/task");
    if (!tids) continue;
    for (const int tid : *tids)
      if (const auto ran = time_run(files, process + "/task/" + std::to_string(tid)))
        threads.push_back({member.pid, Tid{tid}, member.stat.start_ticks, *ran, runs});
  }
  files.end_round();
  return threads;
}

int signal_tree(const std::vector<Pid>& roots, int signal, Pid except) {
  Result<linux::RecordFiles> files = linux::RecordFiles::open_system();
  if (!files) return 0;
  const Result<std::vector<Member>> members = read_members(roots, *files);
  if (!members) return 0;
  int sent = 0;
  for (const Member& member : *members) {
    if (member.pid == except) continue;
    const Result<linux::UniqueFd> pidfd = linux::open_pidfd(member.pid);
    const Result<linux::ProcDir> process = linux::ProcDir::open(member.pid);
    if (!pidfd || !process) continue;
    // The pidfd may be of a later process with the same number: then it started later.
    const Result<linux::Stat> now = linux::read_stat(*process);
    if (!now || now->start_ticks != member.stat.start_ticks || now->state == 'Z') continue;
    sent += ::syscall(SYS_pidfd_send_signal, pidfd->get(), signal, nullptr, 0) == 0 ? 1 : 0;
  }
  return sent;
}

}  // namespace ipcdoctor::watch
