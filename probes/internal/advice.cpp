#include "probes/internal/advice.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "snapshot/language.h"

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
  const bool is_whole = snapshot::is_of_script(frame) || frame.function.back() == ')';
  return is_whole ? frame.function : frame.function + "()";
}

}  // namespace

std::string what_to_do(const Snapshot& snapshot, const diagnosis::Probe& probe, TaskRef task,
                       const std::vector<Situation>& situations, Values values) {
  const Process* process = snapshot::find_process(snapshot, task.pid);
  const Thread* thread = thread_of(snapshot, task);
  const std::string_view language = process == nullptr ? "" : snapshot::language_of(*process);
  values.emplace_back("the process", name(snapshot, task.pid));
  values.emplace_back("place", thread == nullptr ? "" : place(*thread));
  return filled_in(find_advice(find_page(probe.slug), language, situations), values);
}

std::string all_of(std::size_t count) {
  return count == 2 ? "both" : "all " + std::to_string(count);
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
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(pids.size(), kMaxNamed); ++i)
    parts.push_back(name(snapshot, pids[i]));
  return enumerate(parts, kMaxNamed, snapshot::count_with_left_out(snapshot, pids));
}

}  // namespace ipcdoctor::probes
