#include "probes/internal/advice.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"

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

struct Idiom {
  std::string_view language;
  std::array<std::string_view, 3> words;  ///< by Mistake
};

constexpr Idiom kIdioms[] = {
    {"Rust",
     {"drop() what holds it before the wait: the Command, the PipeWriter, or child.stdin.take()",
      "child.wait_with_output()", "child.wait_with_output()"}},
    {"Java",
     {"process.getOutputStream().close() before waitFor()",
      "read process.getInputStream() to its end before waitFor(), or let it go elsewhere with "
      "ProcessBuilder.redirectOutput()",
      "ProcessBuilder.redirectErrorStream(true), or a thread for each stream"}},
    {"Node",
     {"child.stdin.end()",
      "read child.stdout, or child.stdout.resume(), before its exit is awaited",
      "read child.stdout and child.stderr both, or stdio: 'inherit'"}},
    {"PHP",
     {"fclose($pipes[0]) before proc_close()", "stream_get_contents($pipes[1]) before proc_close()",
      "stream_select() over the pipes, or send one of them to a file"}},
    {"Ruby",
     {"close_write before the wait", "Open3.capture2e instead of a wait",
      "Open3.capture3, which reads both"}},
};

/// By what it runs, for words only; "" of others.
std::string_view language_name(const Process& process) {
  const std::string_view exe = process.exe;
  const std::string_view program = exe.substr(exe.rfind('/') + 1);
  if (program == "java") return "Java";
  if (program == "node" || program == "nodejs") return "Node";
  if (program.starts_with("php")) return "PHP";
  if (program.starts_with("ruby")) return "Ruby";
  const auto is_rust = [](const snapshot::Frame& frame) { return frame.file.ends_with(".rs"); };
  for (const Thread& thread : process.threads)
    if (thread.native && std::ranges::any_of(*thread.native, is_rust)) return "Rust";
  return "";
}

}  // namespace

std::string idiom(const Snapshot& snapshot, Pid pid, Mistake mistake) {
  const Process* process = snapshot::find_process(snapshot, pid);
  if (process == nullptr) return "";
  const std::string_view language = language_name(*process);
  const auto* found = std::ranges::find(kIdioms, language, &Idiom::language);
  if (found == std::end(kIdioms)) return "";
  return "\n" + std::string(language) + ": " +
         std::string(found->words[static_cast<std::size_t>(mistake)]) + ".";
}

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
