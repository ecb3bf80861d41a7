#include "runtime/cpython/activity.h"

#include <algorithm>
#include <string_view>

namespace ipcdoctor::runtime::cpython {
namespace {

/// One line of the table: a frame of this file and function means this call.
struct Rule {
  std::string_view
      file;  ///< end of the path, from a slash on; or the start of a "<frozen ...>" name
  std::string_view function;  ///< co_name
  std::string_view call;      ///< "*.wait" = the type of the object takes the place of the star
  snapshot::Operation operation;
  std::string_view object;      ///< the local that holds the object; "" = none
  std::string_view inner = {};  ///< only if a frame further in is of this function ...
  bool innermost = false;       ///< ... or only if this frame is the innermost itself
  std::string_view types = {};  ///< only if the object's type (of objects.md) begins so
};

constexpr std::string_view kPool = "/multiprocessing/pool.py";
constexpr std::string_view kQueues = "/multiprocessing/queues.py";
constexpr std::string_view kConnection = "/multiprocessing/connection.py";
constexpr std::string_view kSync = "/multiprocessing/synchronize.py";
constexpr std::string_view kManagers = "/multiprocessing/managers.py";
constexpr std::string_view kUtil = "/multiprocessing/util.py";
constexpr std::string_view kProcess = "/multiprocessing/process.py";
constexpr std::string_view kFutures = "/concurrent/futures/_base.py";
constexpr std::string_view kFuturesThread = "/concurrent/futures/thread.py";
constexpr std::string_view kFuturesProcess = "/concurrent/futures/process.py";
constexpr std::string_view kThreading = "/threading.py";
constexpr std::string_view kAsyncLocks = "/asyncio/locks.py";
constexpr std::string_view kServer = "/socketserver.py";

using Op = snapshot::Operation;

// clang-format off
constexpr Rule kRules[] = {
    // multiprocessing.util runs at the exit of a process: before the joins that it makes
    {kUtil, "_exit_function", "multiprocessing.exit.queue", Op::AwaitEnd, "twr", "_finalize_join"},
    {kUtil, "_exit_function", "multiprocessing.exit.pool", Op::AwaitEnd, "", "_terminate_pool"},
    {kUtil, "_exit_function", "multiprocessing.exit.join", Op::AwaitEnd, "self", "join"},
    {kUtil, "_exit_function", "multiprocessing.exit", Op::AwaitEnd, ""},
    // multiprocessing.pool
    {kPool, "worker", "Pool.worker.get", Op::Serve, "inqueue", "get"},
    {kPool, "worker", "Pool.worker.put", Op::Put, "outqueue", "put"},
    {kPool, "_handle_workers", "Pool.worker_handler", Op::Serve, ""},
    {kPool, "_handle_tasks", "Pool.task_handler", Op::Serve, ""},
    {kPool, "_handle_results", "Pool.result_handler", Op::Serve, ""},
    {kPool, "terminate", "Pool.terminate", Op::AwaitEnd, "self"},
    {kPool, "_terminate_pool", "Pool.terminate", Op::AwaitEnd, ""},
    {kPool, "__exit__", "Pool.terminate", Op::AwaitEnd, "self"},
    {kPool, "join", "Pool.join", Op::AwaitEnd, "self"},
    {kPool, "map", "Pool.get", Op::AwaitResult, "self"},
    {kPool, "starmap", "Pool.get", Op::AwaitResult, "self"},
    {kPool, "apply", "Pool.get", Op::AwaitResult, "self"},
    {kPool, "get", "Pool.get", Op::AwaitResult, "self"},
    {kPool, "wait", "Pool.get", Op::AwaitResult, "self"},
    {kPool, "next", "Pool.get", Op::AwaitResult, "self"},
    // concurrent.futures
    // a worker whose own frame is not the innermost runs a task
    {kFuturesThread, "_worker", "Executor.worker.get", Op::Serve, "work_queue", {}, true},
    {kFuturesThread, "_python_exit", "Executor.exit", Op::AwaitEnd, ""},
    {kFuturesThread, "shutdown", "Executor.shutdown", Op::AwaitEnd, "self"},
    {kFuturesThread, "submit", "Executor.submit", Op::AwaitResult, "self"},
    {kFuturesProcess, "_process_worker", "Executor.worker.get", Op::Serve, "call_queue", "get"},
    {kFuturesProcess, "_process_worker", "Executor.worker.put", Op::Put, "result_queue", "put"},
    {kFuturesProcess, "_queue_management_worker", "Executor.manager", Op::Serve, ""},
    {kFuturesProcess, "run", "Executor.manager", Op::Serve, "self", {}, false, "Executor.manager"},
    {kFuturesProcess, "_python_exit", "Executor.exit", Op::AwaitEnd, ""},
    {kFuturesProcess, "shutdown", "Executor.shutdown", Op::AwaitEnd, "self"},
    {kFuturesProcess, "submit", "Executor.submit", Op::AwaitResult, "self"},
    {kFutures, "result", "Executor.result", Op::AwaitResult, "self"},
    {kFutures, "exception", "Executor.result", Op::AwaitResult, "self"},
    {kFutures, "wait", "Executor.wait", Op::AwaitResult, ""},
    {kFutures, "as_completed", "Executor.wait", Op::AwaitResult, ""},
    // managers
    {kManagers, "_callmethod", "Manager.call", Op::AwaitResult, "self"},
    {kManagers, "serve_forever", "Manager.serve", Op::Serve, ""},
    {kManagers, "accepter", "Manager.serve", Op::Serve, ""},
    {kManagers, "serve_client", "Manager.serve", Op::Serve, "", "recv"},
    {kManagers, "serve_client", "Manager.serve.method", Op::Serve, "obj"},
    {kManagers, "handle_request", "Manager.serve", Op::Serve, "", "recv"},
    {kManagers, "start", "Manager.start", Op::AwaitResult, ""},
    {kManagers, "_connect", "Manager.connect", Op::AwaitResult, "self"},
    {kManagers, "_finalize_manager", "Manager.shutdown", Op::AwaitEnd, ""},
    // queues and connections
    {kQueues, "_feed", "multiprocessing.Queue.feeder_idle", Op::Serve, "", "wait"},
    {kQueues, "_feed", "multiprocessing.Queue.feed", Op::Put, ""},
    {kQueues, "_finalize_join", "multiprocessing.Queue.join_thread", Op::AwaitEnd, "twr"},
    {kQueues, "join_thread", "multiprocessing.Queue.join_thread", Op::AwaitEnd, "self"},
    {kQueues, "join", "multiprocessing.JoinableQueue.join", Op::AwaitEnd, "self"},
    {kQueues, "task_done", "multiprocessing.JoinableQueue.task_done", Op::Acquire, "self"},
    {kQueues, "get", "multiprocessing.SimpleQueue.get", Op::Take, "self", {}, false,
     "multiprocessing.SimpleQueue"},
    {kQueues, "put", "multiprocessing.SimpleQueue.put", Op::Put, "self", {}, false,
     "multiprocessing.SimpleQueue"},
    {kQueues, "get", "multiprocessing.Queue.get", Op::Take, "self"},
    {kQueues, "put", "multiprocessing.Queue.put", Op::Put, "self"},
    {kConnection, "Client", "Client.auth", Op::AwaitResult, "c", "answer_challenge"},
    {kConnection, "Client", "Client.auth", Op::AwaitResult, "c", "deliver_challenge"},
    {kConnection, "Client", "Client.connect", Op::AwaitResult, ""},
    {kConnection, "accept", "Listener.auth", Op::AwaitResult, "c", "answer_challenge"},
    {kConnection, "accept", "Listener.auth", Op::AwaitResult, "c", "deliver_challenge"},
    {kConnection, "accept", "Listener.accept", Op::Accept, "self"},
    {kConnection, "recv", "Connection.recv", Op::Receive, "self"},
    {kConnection, "recv_bytes", "Connection.recv", Op::Receive, "self"},
    {kConnection, "recv_bytes_into", "Connection.recv", Op::Receive, "self"},
    {kConnection, "send", "Connection.send", Op::Send, "self"},
    {kConnection, "send_bytes", "Connection.send", Op::Send, "self"},
    {kConnection, "poll", "Connection.poll", Op::Receive, "self"},
    {kConnection, "wait", "Connection.wait", Op::Receive, ""},
    // processes
    {kProcess, "join", "multiprocessing.Process.join", Op::AwaitEnd, "self"},
    {kProcess, "start", "multiprocessing.Process.start", Op::AwaitResult, "self"},
    {"/multiprocessing/popen_fork.py", "wait", "multiprocessing.Process.join", Op::AwaitEnd, ""},
    {"/multiprocessing/resource_sharer.py", "_serve", "multiprocessing.resource_sharer", Op::Serve, ""},
    {"/multiprocessing/resource_tracker.py", "main", "multiprocessing.resource_tracker", Op::Serve, ""},
    {"/multiprocessing/forkserver.py", "main", "multiprocessing.forkserver", Op::Serve, ""},
    {"/multiprocessing/resource_tracker.py", "_send", "multiprocessing.resource_tracker.send", Op::Put, ""},
    // synchronisation between processes
    {kSync, "wait", "*.wait", Op::AwaitSignal, "self"},
    {kSync, "wait_for", "*.wait", Op::AwaitSignal, "self"},
    {kSync, "notify", "*.notify", Op::Acquire, "self"},
    {kSync, "notify_all", "*.notify", Op::Acquire, "self"},
    {kSync, "set", "*.set", Op::Acquire, "self"},
    {kSync, "__enter__", "*.acquire", Op::Acquire, "self"},
    {kSync, "__exit__", "*.release", Op::Acquire, "self"},
    // threads
    {"/queue.py", "get", "queue.Queue.get", Op::Take, "self", {}, false, "queue.Queue"},
    {"/queue.py", "put", "queue.Queue.put", Op::Put, "self", {}, false, "queue.Queue"},
    {"/queue.py", "join", "queue.Queue.join", Op::AwaitEnd, "self", {}, false, "queue.Queue"},
    {kThreading, "_shutdown", "threading.shutdown", Op::AwaitEnd, ""},
    {kThreading, "join", "threading.Thread.join", Op::AwaitEnd, "self"},
    {kThreading, "start", "threading.Thread.start", Op::AwaitResult, "self"},
    {kThreading, "wait", "*.wait", Op::AwaitSignal, "self"},
    {kThreading, "wait_for", "*.wait", Op::AwaitSignal, "self"},
    {kThreading, "acquire", "*.acquire", Op::Acquire, "self"},
    {kThreading, "__enter__", "*.acquire", Op::Acquire, "self"},
    // what the task of an event loop awaits; before subprocess.py, which ends in the same name
    {kAsyncLocks, "acquire", "*.acquire", Op::Acquire, "self"},
    {kAsyncLocks, "__aenter__", "*.acquire", Op::Acquire, "self"},
    {kAsyncLocks, "wait", "*.wait", Op::AwaitSignal, "self"},
    {kAsyncLocks, "wait_for", "*.wait", Op::AwaitSignal, "self"},
    {"/asyncio/queues.py", "get", "asyncio.Queue.get", Op::Take, "self"},
    {"/asyncio/queues.py", "put", "asyncio.Queue.put", Op::Put, "self"},
    {"/asyncio/queues.py", "join", "asyncio.Queue.join", Op::AwaitEnd, "self"},
    {"/asyncio/subprocess.py", "communicate", "asyncio.Process.communicate", Op::AwaitResult, "self"},
    {"/asyncio/subprocess.py", "wait", "asyncio.Process.wait", Op::AwaitEnd, "self"},
    {"/asyncio/streams.py", "drain", "asyncio.StreamWriter.drain", Op::Send, "self"},
    {"/asyncio/streams.py", "read", "asyncio.StreamReader.read", Op::Receive, "self"},
    {"/asyncio/streams.py", "readline", "asyncio.StreamReader.read", Op::Receive, "self"},
    {"/asyncio/streams.py", "readuntil", "asyncio.StreamReader.read", Op::Receive, "self"},
    {"/asyncio/streams.py", "readexactly", "asyncio.StreamReader.read", Op::Receive, "self"},
    // others
    {"/subprocess.py", "communicate", "subprocess.communicate", Op::AwaitResult, "self"},
    {"/subprocess.py", "wait", "subprocess.wait", Op::AwaitEnd, "self"},
    {"/subprocess.py", "_execute_child", "subprocess.start", Op::AwaitResult, "self"},
    {"<frozen importlib._bootstrap>", "acquire", "import", Op::Acquire, "self"},
    {"/importlib/_bootstrap.py", "acquire", "import", Op::Acquire, "self"},
    {"/logging/__init__.py", "acquire", "logging.Handler.acquire", Op::Acquire, "self", {}, false,
     "logging.Handler"},
    {"/logging/__init__.py", "handle", "logging.Handler.acquire", Op::Acquire, "self", {}, true,
     "logging.Handler"},
    {"/logging/__init__.py", "_acquireLock", "logging.acquire", Op::Acquire, ""},
    {kServer, "shutdown", "socketserver.shutdown", Op::AwaitEnd, "self"},
    {kServer, "server_close", "socketserver.close", Op::AwaitEnd, "self"},
    {kServer, "serve_forever", "socketserver.serve", Op::Serve, "self"},
    {kServer, "handle_request", "socketserver.serve", Op::Serve, "self"},
    {"/asyncio/unix_events.py", "_do_waitpid", "asyncio.child_watcher", Op::Serve, ""},
    {"/asyncio/base_events.py", "_run_once", "asyncio.idle", Op::Serve, "", "select"},
    {"/selectors.py", "select", "selectors.select", Op::Receive, ""},
    {"/socket.py", "accept", "socket.accept", Op::Accept, ""},
    {"/socket.py", "readinto", "socket.recv", Op::Receive, ""},
    {"/socket.py", "create_connection", "socket.connect", Op::AwaitResult, ""},
    {"/logging/handlers.py", "_monitor", "QueueListener.get", Op::Serve, "", "dequeue"},
    {"/getpass.py", "unix_getpass", "input", Op::Receive, ""},
};
// clang-format on

/// A barrier waits for parties; a semaphore is posted by others, not released by its owner.
snapshot::Operation operation_on(std::string_view type, snapshot::Operation operation) {
  if (operation == Op::AwaitSignal && type.ends_with("Barrier")) return Op::AwaitParties;
  if (operation == Op::Acquire && type.ends_with("Semaphore")) return Op::AwaitSignal;
  return operation;
}

bool starts_process(const PyFrame& f) {
  return f.code->name == "_bootstrap" && f.code->file.ends_with(kProcess);
}

bool file_matches(const PyFrame& f, std::string_view file) {
  return f.library && (file.starts_with('/') ? f.code->file.ends_with(file) : f.code->file == file);
}

class Matcher {
 public:
  Matcher(const std::vector<PyFrame>& frames, const Frames& reader, const Objects& objects,
          const Types& types)
      : frames_(frames), reader_(reader), objects_(objects), types_(types) {}

  Doing find() const {
    // A module's lock may be met within any other call, and is then what matters.
    for (const PyFrame& f : frames_) {
      if (!f.library) break;
      const Object lock = f.code->name == "acquire" ? reader_.local(f, "self") : 0;
      if (types_.is(lock, "import lock")) return {"import", lock, {}, Op::Acquire};
    }
    for (std::size_t i = library_frames(); i-- > 0;) {
      for (const Rule& rule : kRules) {
        Doing doing;
        if (frames_[i].code->name == rule.function && matches(rule, i, doing)) return doing;
      }
    }
    return {};
  }

 private:
  // The number of innermost frames that the user's code, an iterator of it, or the start of the
  // process called.
  std::size_t library_frames() const {
    std::size_t n = 0;
    const std::size_t own = own_frames(frames_);
    while (n < own && (frames_[n].library || is_proxy_method(n)) && !is_given_tasks(n)) ++n;
    return n;
  }

  // A Pool that takes its tasks out of what the program gave it.
  bool is_given_tasks(std::size_t i) const {
    return i > 0 && frames_[i].code->name == "_guarded_task_generation" &&
           file_matches(frames_[i], kPool);
  }

  // In `with` of a condition: for the lock of a queue.Queue, not for an item or for room in it.
  bool waits_for_mutex() const {
    return !frames_.empty() && frames_[0].code->name == "__enter__" &&
           file_matches(frames_[0], kThreading);
  }

  bool is_proxy_method(std::size_t i) const { return is_made_by_library(frames_, i); }

  // The innermost frame's local of that name among frames i and further in: rules name the locals
  // of the frame that matters.
  Object object_of(const Rule& rule, std::size_t i) const {
    if (rule.inner.empty()) return reader_.local(frames_[i], rule.object);
    if (const Object object = reader_.local(frames_[i], rule.object);
        object != 0 && rule.object != "self")
      return object;
    for (std::size_t k = 0; k < i; ++k) {
      if (frames_[k].code->name == rule.inner) return reader_.local(frames_[k], rule.object);
    }
    return 0;
  }

  bool matches(const Rule& rule, std::size_t i, Doing& doing) const {
    if (!file_matches(frames_[i], rule.file)) return false;
    if (rule.file == "/queue.py" && waits_for_mutex()) return false;
    if (rule.innermost && i != 0) return false;
    if (!rule.inner.empty()) {
      const auto inner = [&](const PyFrame& f) { return f.code->name == rule.inner; };
      if (std::none_of(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(i), inner))
        return false;
    }
    doing.object = rule.object.empty() ? 0 : object_of(rule, i);
    const Type type = types_.of(doing.object);
    if (type.role != Role::Library && !rule.object.empty() && rule.object == "self")
      doing.object = 0;
    if (!rule.types.empty() && type.name != rule.types) return false;
    doing.call = rule.call;
    doing.operation = rule.operation;
    if (rule.call.starts_with('*')) {
      if (type.role != Role::Library) return false;
      doing.call = std::string(type.name) + std::string(rule.call.substr(1));
      doing.operation = operation_on(type.name, rule.operation);
    }
    if (rule.call == "Manager.call" || rule.call == "Manager.serve.method") {
      doing.detail =
          objects_.string(reader_.local(frames_[i], "methodname"), 64).value_or(std::string());
    }
    return true;
  }

  const std::vector<PyFrame>& frames_;
  const Frames& reader_;
  const Objects& objects_;
  const Types& types_;
};

}  // namespace

std::size_t own_frames(const std::vector<PyFrame>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (starts_process(frames[i])) return i + 1;
  }
  return frames.size();
}

Doing find_activity(const std::vector<PyFrame>& frames, const Frames& reader,
                    const Objects& objects, const Types& types) {
  return Matcher(frames, reader, objects, types).find();
}

}  // namespace ipcdoctor::runtime::cpython
