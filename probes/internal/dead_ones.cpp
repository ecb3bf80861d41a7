#include "probes/internal/dead_ones.h"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>

#include "probes/internal/pools.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Resource;
using snapshot::RuntimeObject;

constexpr std::size_t kMaxDead = 256;

void add(std::vector<DeadProcess>& dead, DeadProcess one) {
  const auto same = std::ranges::find_if(
      dead, [&](const DeadProcess& d) { return d.pid.value != 0 && d.pid == one.pid; });
  if (same != dead.end()) {
    if (!same->code) same->code = one.code;
    same->is_zombie = same->is_zombie || one.is_zombie;
    if (same->name.empty()) same->name = one.name;
  } else if (dead.size() < kMaxDead) {
    dead.push_back(std::move(one));
  }
}

std::optional<std::int64_t> exit_code_of(int wait_status) {
  if (wait_status < 0) return std::nullopt;
  return WIFSIGNALED(wait_status) ? -WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// "exit code 1", "killed by signal 9", "a zombie"; "" if nothing is known.
std::string how(const DeadProcess& dead) {
  if (!dead.code) return dead.is_zombie ? "a zombie" : "";
  return *dead.code < 0 ? "killed by signal " + std::to_string(-*dead.code)
                        : "exit code " + std::to_string(*dead.code);
}

std::string quoted(const RuntimeObject& object) {
  const std::string* text = object.texts.find(Text::Process);
  return text != nullptr && !text->empty() ? *text : object.name;
}

/// A Process object lives on in forked children of its maker: only the maker knows how it went.
bool is_own_child(const RuntimeObject& object, const Process& process) {
  const std::int64_t* parent = object.numbers.find(Number::ParentPid);
  return parent == nullptr || *parent == process.ns_pid || *parent == process.pid.value;
}

/// 3 of "Process-3" or "ForkProcess-3", 0 for a name that somebody chose. Those of a child's child
/// have two numbers, "Process-3:1".
std::size_t number_in_name(const RuntimeObject& object) {
  constexpr std::string_view kBefore = "Process-";
  const std::string* name = object.texts.find(Text::Process);
  if (name == nullptr) return 0;
  const std::size_t at = name->find(kBefore);
  const std::string digits = at == std::string::npos ? "" : name->substr(at + kBefore.size());
  std::size_t n = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, n);
  return error == std::errc{} && stop == end && n < 1'000'000 ? n : 0;
}

void add_child_object(const Context& context, const Process& process, const RuntimeObject& object,
                      std::vector<DeadProcess>& dead) {
  const std::int64_t* pid = object.numbers.find(Number::Pid);
  if (pid == nullptr || !is_own_child(object, process)) return;
  const std::int64_t* code = object.numbers.find(Number::Exitcode);
  const bool alive = living_process(context, process, *pid) != nullptr;
  if (alive && code == nullptr) return;
  DeadProcess child{Pid{static_cast<int>(*pid)}, process.pid, quoted(object)};
  if (code != nullptr) child.code = *code;
  add(dead, std::move(child));
}

void add_pool_workers(const Context& context, const Process& process, const RuntimeObject& object,
                      std::vector<DeadProcess>& dead) {
  for (const std::int64_t worker : object.worker_pids) {
    if (living_process(context, process, worker) == nullptr)
      add(dead, {Pid{static_cast<int>(worker)}, process.pid, "a worker of the pool"});
  }
}

}  // namespace

/// Where namespaces could not be read, those of several hosts are not told apart by their numbers.
static bool is_same_host(const Context& context, Pid a, Pid b) {
  return snapshot::host_of(context.snapshot, a.value) ==
         snapshot::host_of(context.snapshot, b.value);
}

const Process* living_process(const Context& context, const Process& viewer, std::int64_t ns_pid) {
  for (const Process& process : context.snapshot.processes) {
    if (process.dead || process.exited) continue;
    const std::int64_t number = process.ns_pid != 0 ? process.ns_pid : process.pid.value;
    if (number == ns_pid && process.pid_ns == viewer.pid_ns &&
        is_same_host(context, process.pid, viewer.pid))
      return &process;
  }
  // One that is left out lives as those do that are like it. Those of another host have namespaces
  // of their own; that its is the viewer's is taken for granted then, and nobody is called dead.
  const auto& left_out = context.snapshot.left_out;
  const auto like = std::ranges::equal_range(
      left_out, ns_pid, {}, [](const snapshot::LeftOut& l) { return std::int64_t{l.ns_pid}; });
  for (const snapshot::LeftOut& one : like) {
    const Process* process = snapshot::find_process(context.snapshot, one.like);
    const bool lives = process != nullptr && !process->dead && !process->exited;
    const bool same_namespace =
        lives && (process->pid_ns == viewer.pid_ns || !is_same_host(context, one.pid, one.like));
    if (same_namespace && is_same_host(context, one.pid, viewer.pid)) return process;
  }
  return nullptr;
}

Pid seen_pid(const Context& context, const Process& viewer, std::int64_t ns_pid) {
  const Process* process = living_process(context, viewer, ns_pid);
  const bool is_here = process != nullptr && is_same_host(context, process->pid, viewer.pid);
  return is_here ? process->pid : Pid{};
}

std::vector<DeadProcess> dead_children(const Context& context, const Members& members) {
  std::vector<DeadProcess> dead;
  for (const Process& process : context.snapshot.processes) {
    if (!(process.dead || process.exited) || process.ppid.value == 0 ||
        !has_process(members, process.ppid))
      continue;
    DeadProcess child{process.pid, process.ppid, process.comm};
    child.is_zombie = !process.exited;
    if (child.is_zombie) child.code = exit_code_of(process.wait_status);
    add(dead, std::move(child));
  }
  for (const Member& member : one_a_process(members)) {
    for (const RuntimeObject& object : member.process->interpreter.objects) {
      if (object.kind == Resource::Process)
        add_child_object(context, *member.process, object, dead);
      if (is_pool(object)) add_pool_workers(context, *member.process, object, dead);
    }
  }
  return dead;
}

bool failed(const DeadProcess& dead) {
  return dead.code.value_or(0) != 0;
}

std::vector<DeadProcess> most_suspect(std::vector<DeadProcess> dead) {
  if (std::ranges::any_of(dead, failed))
    std::erase_if(dead, [](const DeadProcess& d) { return !failed(d); });
  return dead;
}

std::size_t gone_children(const Context& context, const Members& members, Pid parent) {
  std::size_t known = 0;
  for (const DeadProcess& dead : dead_children(context, members))
    known += dead.parent == parent ? 1 : 0;
  const Process* process = snapshot::find_process(context.snapshot, parent);
  if (process == nullptr) return known;
  std::size_t started = 0;
  for (const RuntimeObject& object : process->interpreter.objects)
    if (object.kind == Resource::Process && is_own_child(object, *process))
      started = std::max(started, number_in_name(object));
  std::size_t living = 0;
  const auto is_living_copy = [](const Process* child) {
    return child != nullptr && !child->dead && !child->exited && child->forked_copy;
  };
  for (const Process& child : context.snapshot.processes)
    if (child.ppid == parent && is_living_copy(&child)) ++living;
  for (const snapshot::LeftOut& child : context.snapshot.left_out)
    if (child.ppid == parent && is_living_copy(find_process(context.snapshot, child.like)))
      ++living;
  return std::max(known, started > living ? started - living : 0);
}

std::vector<std::string> ended_threads(const Process& process) {
  std::vector<std::string> names;
  for (const snapshot::RuntimeObject& object : process.interpreter.objects)
    if (object.kind == Resource::Thread && object.numbers.get_or(Number::Started, 0) == 1 &&
        object.numbers.get_or(Number::Alive, 1) == 0)
      names.push_back(object.texts.get_or(Text::Thread, object.name));
  return names;
}

std::string describe(const Snapshot& snapshot, const DeadProcess& dead) {
  std::string text = dead.name.empty() ? "process" : dead.name;
  if (dead.pid.value != 0) text += "[" + snapshot::number_of(snapshot, dead.pid) + "]";
  return how(dead).empty() ? text : text + " (" + how(dead) + ")";
}

diagnosis::Culprit dead_culprit(const DeadProcess& dead, std::string why) {
  diagnosis::Culprit culprit;
  culprit.task = {dead.pid, Tid{dead.pid.value}};
  culprit.why = std::move(why);
  culprit.dead = true;
  return culprit;
}

}  // namespace ipcdoctor::probes
