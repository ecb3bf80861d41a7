#include "runtime/native/known_threads.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>

namespace ipcdoctor::runtime::native {
namespace {

constexpr std::string_view kNode = "napi_create_function";

constexpr std::string_view kJvm = "libjvm.so";
/// Callers of the function that waits for work, and what it waits in.
constexpr std::string_view kJvmWaits =
    "thread_native_entry(|Thread::call_run()|JavaThread::thread_main_inner()|VMThread::run()|"
    "CompileBroker::compiler_thread_loop()|ConcurrentGCThread::run()|WatcherThread::sleep()|"
    "G1ServiceThread::sleep_before_next_cycle()|G1ServiceThread::wait_for_task()|"
    "Monitor::wait(|Monitor::wait_without_safepoint_check(|os::PlatformMonitor::wait(|"
    "os::PlatformEvent::park(";

constexpr KnownThread kThreads[] = {
    {kNode, "node::(anonymous namespace)::PlatformWorkerThread(",
     "uv_cond_wait|node::TaskQueue<|node::ConditionVariableBase<", "worker of V8"},
    {kNode, "node::WorkerThreadsTaskRunner::DelayedTaskScheduler::Start()",
     "uv_run|uv__io_poll|node::WorkerThreadsTaskRunner::DelayedTaskScheduler::Run()",
     "timer thread of V8"},
    {kNode, "node::inspector::(anonymous namespace)::StartIoThreadMain(",
     "uv_sem_wait|uv__sem_wait", "thread of the inspector"},
    {kNode, "worker", "uv_cond_wait", "worker of libuv"},
    {kJvm, "WatcherThread::run()", kJvmWaits, "thread of the JVM", true},
    {kJvm, "MonitorDeflationThread::monitor_deflation_thread_entry(", kJvmWaits,
     "thread of the JVM", true},
    {kJvm, "NMethodSweeper::sweeper_loop()", kJvmWaits, "thread of the JVM", true},
    {kJvm, "G1ServiceThread::run_service()", kJvmWaits, "thread of the JVM", true},
    {kJvm, "CompileQueue::get()", kJvmWaits, "compiler of the JVM", true},
    {kJvm, "VMThread::wait_for_operation()", kJvmWaits, "thread of the JVM", true},
};

bool begins_with_any(std::string_view function, std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('|'), list.size());
    if (function.starts_with(list.substr(0, end))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool is_entry(const KnownThread& thread, std::string_view function) {
  const bool whole = thread.entry.find('(') == std::string_view::npos;
  return whole ? function == thread.entry : function.starts_with(thread.entry);
}

bool is_image(const Linkage& linkage, std::string_view image) {
  return linkage.soname == image || linkage.exports.contains(std::string(image));
}

/// PHP defers what it handles: a table says what is to be done for each signal. Where that is the
/// signal's own action, it takes it. What the script does is run once the function in C that was
/// interrupted has returned (ext/pcntl/pcntl.c): a call that the kernel restarts does not.
std::optional<KnownHandler> handler_in_php(Program& program, const linux::SignalAction& action) {
  /// Zend/zend_signal.h, zend_signal_globals_t without threads
  struct Globals {
    std::int32_t depth, blocked, running, active;
    bool check, reset;
    struct Entry {
      std::int32_t flags;
      std::uint64_t handler;
    };
    std::array<Entry, NSIG> handlers;
  };
  const std::uint64_t at = program.address_of(action.handler.value, "zend_signal_globals");
  if (at == 0 || !program.exports(action.handler.value, "zend_signal_startup")) return std::nullopt;
  const auto raw =
      program.space().memory.read_object<std::array<std::byte, sizeof(Globals)>>(RemoteAddr{at});
  if (!raw) return std::nullopt;
  Globals globals;
  std::memcpy(&globals, raw->data(), sizeof globals);
  const bool plausible = globals.depth == 0 && globals.blocked == 0 && globals.running == 0 &&
                         globals.active == 1 && action.signal >= 1 && action.signal < NSIG;
  if (!plausible) return std::nullopt;
  const auto& entry = globals.handlers[static_cast<std::size_t>(action.signal - 1)];
  if (entry.handler == 1) return KnownHandler{snapshot::effects_of(0, "ignores it"), true};
  if (entry.handler == 0 && entry.flags == 0)  // SIG_DFL
    return KnownHandler{snapshot::effects_of(snapshot::kExits, "ends the program"), false};
  const Linkage* linkage = program.linkage_at(entry.handler);
  const bool is_script =
      linkage != nullptr && (program.exports(entry.handler, "zend_signal_startup") ||
                             program.exports(entry.handler, "get_module"));  // of an extension
  if (!is_script) return std::nullopt;
  return KnownHandler{snapshot::effects_of(0, "is noted, for when its call has ended"), false};
}

}  // namespace

std::optional<std::vector<Call>> calls_of(Program& program, const unwind::RawStack& stack) {
  std::vector<Call> calls;
  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    if (stack.frames[i].guessed) return std::nullopt;
    const std::uint64_t pc = stack.frames[i].pc - (i == 0 ? 0 : 1);
    const Linkage* linkage = program.linkage_at(pc);
    if (linkage == nullptr) return std::nullopt;
    if (linkage->kind != Linkage::Kind::CLibrary && linkage->kind != Linkage::Kind::CxxLibrary)
      calls.push_back({linkage, pc});
  }
  return calls;
}

const KnownThread* find_known_thread(Program& program, const std::vector<Call>& calls) {
  const KnownThread* found = nullptr;
  // from the outermost on: those that call the entry, the entry, those that it may wait in
  for (std::size_t i = calls.size(); i-- > 0;) {
    const Linkage& linkage = *calls[i].linkage;
    const std::string function = program.function_around(calls[i].pc);
    if (found != nullptr) {
      if (!is_image(linkage, found->image) || !begins_with_any(function, found->waits))
        return nullptr;
      continue;
    }
    const auto of_image = [&](const KnownThread& thread) {
      return is_image(linkage, thread.image);
    };
    const auto entry = std::ranges::find_if(kThreads, [&](const KnownThread& thread) {
      return of_image(thread) && is_entry(thread, function);
    });
    if (entry != std::end(kThreads)) {
      found = &*entry;
      continue;
    }
    const bool is_caller = std::ranges::any_of(kThreads, [&](const KnownThread& thread) {
      return of_image(thread) && begins_with_any(function, thread.waits);
    });
    if (!is_caller) return nullptr;
  }
  return found;
}

std::optional<KnownHandler> find_known_handler(Program& program, const linux::SignalAction& action,
                                               std::span<const linux::SignalAction> all) {
  const std::uint64_t address = action.handler.value;
  if (program.exports(address, std::string(kNode))) {
    const std::string function = program.function_around(address);
    if (function.starts_with("node::SignalExit("))
      return KnownHandler{snapshot::effects_of(snapshot::kExits, "resets the terminal and ends"),
                          false};
    if (function.starts_with("node::inspector::(anonymous namespace)::StartIoThreadWakeup("))
      return KnownHandler{snapshot::effects_of(0, "starts the inspector"), true};
    return std::nullopt;
  }
  // PHP gives all of them to one function, SIGPROF too; its servers have others besides
  const bool of_all = std::ranges::any_of(all, [&](const linux::SignalAction& other) {
    return other.signal == SIGPROF && other.handler == action.handler;
  });
  return of_all ? handler_in_php(program, action) : std::nullopt;
}

}  // namespace ipcdoctor::runtime::native
