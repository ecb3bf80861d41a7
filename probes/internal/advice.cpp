#include "probes/internal/advice.h"

#include <algorithm>
#include <array>

namespace ipcdoctor::probes {
namespace {

constexpr std::size_t kMaxNamed = 3;

const Thread* thread_of(const Snapshot& snapshot, TaskRef task) {
  if (task.tid.value == 0) task.tid = Tid{task.pid.value};
  return snapshot::find_thread(snapshot, task);
}

/// What a frame is called: "consumer()", a shell's command as it is, a C++ function with the
/// parameters that it has; "" for none and for "<module>".
std::string call_in(const snapshot::Frame& frame) {
  if (frame.function.empty() || frame.function.front() == '<') return "";
  const bool is_whole = frame.module == "bash" || frame.function.back() == ')';
  return is_whole ? frame.function : frame.function + "()";
}

}  // namespace

Language language_of(const Snapshot& snapshot, Pid pid) {
  static constexpr std::array kShells = {"sh",   "bash", "dash", "zsh",    "ksh",
                                         "mksh", "fish", "ash",  "busybox"};
  const Process* process = snapshot::find_process(snapshot, pid);
  if (process == nullptr) return Language::C;
  if (!process->python.version.empty()) return Language::Python;
  if (std::ranges::any_of(process->threads, &Thread::carries)) return Language::Go;
  const bool is_shell =
      std::ranges::any_of(kShells, [&](const char* shell) { return process->comm == shell; });
  return is_shell ? Language::Shell : Language::C;
}

std::string place(const Thread& thread) {
  const std::string line = snapshot::where(thread);
  if (line.empty()) return "";
  const std::string call = call_in(*snapshot::user_frame(thread));
  return call.empty() ? line : line + " in " + call;
}

std::string place(const Snapshot& snapshot, TaskRef task) {
  const Thread* thread = thread_of(snapshot, task);
  const std::string at = thread == nullptr ? "" : place(*thread);
  return at.empty() ? "" : " at " + at;
}

std::string doing(const Snapshot& snapshot, TaskRef task) {
  const Process* process = snapshot::find_process(snapshot, task.pid);
  const Thread* thread = thread_of(snapshot, task);
  if (process == nullptr || thread == nullptr || !thread->wait) return "could not be looked into";
  switch (thread->wait->kind) {
    case snapshot::WaitKind::Running:
      return "runs";
    case snapshot::WaitKind::Sleep:
      return "sleeps";
    case snapshot::WaitKind::Stopped:
      return "is stopped";
    default:
      return "waits for " + diagnosis::describe_wait(snapshot, {task.pid, thread->tid});
  }
}

std::string function_of(const Snapshot& snapshot, TaskRef task, const std::string& otherwise) {
  const Thread* thread = thread_of(snapshot, task);
  const snapshot::Frame* frame = thread == nullptr ? nullptr : snapshot::user_frame(*thread);
  const std::string call = frame == nullptr ? "" : call_in(*frame);
  return call.empty() ? otherwise : call;
}

std::string names(const Snapshot& snapshot, const std::vector<Pid>& pids) {
  std::string text;
  const std::size_t all = snapshot::count_with_left_out(snapshot, pids);
  for (std::size_t i = 0; i < std::min(pids.size(), kMaxNamed); ++i) {
    const bool is_last = i + 1 == all;
    if (i > 0) text += is_last ? " and " : ", ";
    text += name(snapshot, pids[i]);
  }
  if (all > kMaxNamed) text += " and " + std::to_string(all - kMaxNamed) + " more";
  return text;
}

}  // namespace ipcdoctor::probes
