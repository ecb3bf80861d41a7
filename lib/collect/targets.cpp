#include "collect/targets.h"

#include <unistd.h>

#include <set>
#include <string>

#include "base/text.h"
#include "linux/capabilities.h"
#include "linux/namespaces.h"
#include "linux/proc_dir.h"
#include "linux/proc_stat.h"
#include "linux/proc_status.h"
#include "linux/proc_syscall.h"

namespace ipcdoctor::collect {
namespace {

bool is_ours(Pid pid) {
  std::set<int> seen;
  for (int at = ::getpid(); at > 0 && seen.insert(at).second;) {
    if (at == pid.value) return true;
    const auto dir = linux::ProcDir::open(Pid{at});
    const auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
    at = stat ? stat->ppid.value : 0;
  }
  return false;
}

bool has_live_thread(const linux::ProcDir& dir) {
  const auto tids = dir.list_numbers("task");
  for (const int tid : tids.value_or(std::vector<int>{})) {
    const auto text = dir.read_record("task/" + std::to_string(tid) + "/stat");
    const auto stat = text ? linux::parse_stat(*text) : Result<linux::Stat>(text.error());
    if (stat && !stat->has_exited()) return true;
  }
  return false;
}

std::string advice(const linux::ProcDir& dir, const std::string& name, Pid pid) {
  const auto rights = linux::read_own_rights();
  const auto status = linux::read_status(dir);
  if (!rights || !status)
    return "not permitted to look into " + name + ": try sudo ipcdoctor attach " +
           std::to_string(pid.value);
  if (rights->ptrace_scope == 3) {
    return "kernel.yama.ptrace_scope is 3: nobody may look into " + name + " until the next boot";
  }
  if (rights->effective_uid == 0 && !rights->can_ptrace()) {
    return "not permitted to look into " + name +
           ": this container lacks a capability, start it with docker run --cap-add=SYS_PTRACE";
  }
  if (!linux::in_init_user_namespace().value_or(true)) {
    return name +
           " is outside of the user namespace of this ipcdoctor, or belongs to another user of it: "
           "look from outside";
  }
  if (status->uid != rights->effective_uid) {
    return name + " belongs to another user (uid " + std::to_string(status->uid) +
           "): sudo ipcdoctor attach " + std::to_string(pid.value);
  }
  if (rights->ptrace_scope > 0) {
    return "kernel.yama.ptrace_scope is " + std::to_string(rights->ptrace_scope) +
           ": sudo ipcdoctor attach " + std::to_string(pid.value) +
           ", or sudo sysctl kernel.yama.ptrace_scope=0";
  }
  return name +
         " does not let itself be inspected (set-user-id, or PR_SET_DUMPABLE 0): sudo ipcdoctor "
         "attach " +
         std::to_string(pid.value);
}

}  // namespace

Status check_target(Pid pid) {
  const std::string number = std::to_string(pid.value);
  if (pid.value <= 0) return Error{Cause::Gone, 0, number + " is not a process id"};
  const auto dir = linux::ProcDir::open(pid);
  const auto stat = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
  if (!stat) {
    if (stat.error().cause == Cause::Denied)
      return Error{Cause::Denied, 0,
                   "not permitted to see process " + number + ": sudo ipcdoctor attach " + number};
    if (stat.error().cause != Cause::Gone) return stat.error();
    // the kernel answers this of every process of our PID namespace
    if (::getpgid(pid.value) >= 0)
      return Error{Cause::Denied, 0,
                   "process " + number +
                       " is there, but /proc hides it (hidepid, or a /proc of another PID "
                       "namespace): sudo ipcdoctor attach " +
                       number};
    return Error{Cause::Gone, 0, "no process has the id " + number + " (in this PID namespace)"};
  }
  const std::string name = escape_untrusted(stat->comm) + "[" + number + "]";
  const auto status = linux::read_status(*dir);
  if (status && status->tgid != pid) {
    const std::string leader = std::to_string(status->tgid.value);
    return Error{Cause::Unsupported, 0,
                 name + " is a thread of process " + leader + ": ipcdoctor attach " + leader};
  }
  if (stat->is_kernel_thread())
    return Error{Cause::Unsupported, 0,
                 name + " is a kernel thread: it has no user-space calls to look at"};
  if (stat->has_exited() && !has_live_thread(*dir)) {
    const std::string parent = std::to_string(stat->ppid.value);
    return Error{
        Cause::Gone, 0,
        name + " has exited; its parent has not waited for it yet: ipcdoctor attach " + parent};
  }
  if (is_ours(pid)) {
    return Error{
        Cause::Unsupported, 0,
        name + " is ipcdoctor itself or one of its ancestors: name the program that hangs"};
  }
  const auto line = dir->read_record("syscall");
  if (!line && line.error().cause == Cause::Denied)
    return Error{Cause::Denied, 0, advice(*dir, name, pid)};
  return Done{};
}

}  // namespace ipcdoctor::collect
