#include "runtime/cpython/activity.h"

#include <algorithm>
#include <string_view>

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::Part;

/// One line of the table: a frame of this file and function means this call.
struct Rule {
  std::string_view
      file;  ///< end of the path, from a slash on; or the start of a "<frozen ...>" name
  std::string_view function;    ///< co_name
  std::string_view call;        ///< "*.wait" = the type of the object takes the place of the star
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

// clang-format off
constexpr Rule kRules[] = {
    // multiprocessing.util runs at the exit of a process: before the joins that it makes
    {kUtil, "_exit_function", "multiprocessing.exit.queue", "twr", "_finalize_join"},
    {kUtil, "_exit_function", "multiprocessing.exit.pool", "", "_terminate_pool"},
    {kUtil, "_exit_function", "multiprocessing.exit.join", "self", "join"},
    {kUtil, "_exit_function", "multiprocessing.exit", ""},
    // multiprocessing.pool
    {kPool, "worker", "Pool.worker.get", "inqueue", "get"},
    {kPool, "worker", "Pool.worker.put", "outqueue", "put"},
    {kPool, "_handle_workers", "Pool.worker_handler", ""},
    {kPool, "_handle_tasks", "Pool.task_handler", ""},
    {kPool, "_handle_results", "Pool.result_handler", ""},
    {kPool, "terminate", "Pool.terminate", "self"},
    {kPool, "_terminate_pool", "Pool.terminate", ""},
    {kPool, "__exit__", "Pool.terminate", "self"},
    {kPool, "join", "Pool.join", "self"},
    {kPool, "map", "Pool.get", "self"},
    {kPool, "starmap", "Pool.get", "self"},
    {kPool, "apply", "Pool.get", "self"},
    {kPool, "get", "Pool.get", "self"},
    {kPool, "wait", "Pool.get", "self"},
    {kPool, "next", "Pool.get", "self"},
    // concurrent.futures
    // a worker whose own frame is not the innermost runs a task
    {kFuturesThread, "_worker", "Executor.worker.get", "work_queue", {}, true},
    {kFuturesThread, "_python_exit", "Executor.exit", ""},
    {kFuturesThread, "shutdown", "Executor.shutdown", "self"},
    {kFuturesThread, "submit", "Executor.submit", "self"},
    {kFuturesProcess, "_process_worker", "Executor.worker.get", "call_queue", "get"},
    {kFuturesProcess, "_process_worker", "Executor.worker.put", "result_queue", "put"},
    {kFuturesProcess, "_queue_management_worker", "Executor.manager", ""},
    {kFuturesProcess, "run", "Executor.manager", "self", {}, false, "Executor.manager"},
    {kFuturesProcess, "_python_exit", "Executor.exit", ""},
    {kFuturesProcess, "shutdown", "Executor.shutdown", "self"},
    {kFuturesProcess, "submit", "Executor.submit", "self"},
    {kFutures, "result", "Executor.result", "self"},
    {kFutures, "exception", "Executor.result", "self"},
    {kFutures, "wait", "Executor.wait", ""},
    {kFutures, "as_completed", "Executor.wait", ""},
    // managers
    {kManagers, "_callmethod", "Manager.call", "self"},
    {kManagers, "serve_forever", "Manager.serve", ""},
    {kManagers, "accepter", "Manager.serve", ""},
    {kManagers, "serve_client", "Manager.serve", "", "recv"},
    {kManagers, "serve_client", "Manager.serve.method", "obj"},
    {kManagers, "handle_request", "Manager.serve", "", "recv"},
    {kManagers, "start", "Manager.start", ""},
    {kManagers, "_connect", "Manager.connect", "self"},
    {kManagers, "_finalize_manager", "Manager.shutdown", ""},
    // queues and connections
    {kQueues, "_feed", "multiprocessing.Queue.feeder_idle", "", "wait"},
    {kQueues, "_feed", "multiprocessing.Queue.feed", ""},
    {kQueues, "_finalize_join", "multiprocessing.Queue.join_thread", "twr"},
    {kQueues, "join_thread", "multiprocessing.Queue.join_thread", "self"},
    {kQueues, "join", "multiprocessing.JoinableQueue.join", "self"},
    {kQueues, "task_done", "multiprocessing.JoinableQueue.task_done", "self"},
    {kQueues, "get", "multiprocessing.SimpleQueue.get", "self", {}, false,
     "multiprocessing.SimpleQueue"},
    {kQueues, "put", "multiprocessing.SimpleQueue.put", "self", {}, false,
     "multiprocessing.SimpleQueue"},
    {kQueues, "get", "multiprocessing.Queue.get", "self"},
    {kQueues, "put", "multiprocessing.Queue.put", "self"},
    {kConnection, "Client", "Client.auth", "c", "answer_challenge"},
    {kConnection, "Client", "Client.auth", "c", "deliver_challenge"},
    {kConnection, "Client", "Client.connect", ""},
    {kConnection, "accept", "Listener.auth", "c", "answer_challenge"},
    {kConnection, "accept", "Listener.auth", "c", "deliver_challenge"},
    {kConnection, "accept", "Listener.accept", "self"},
    {kConnection, "recv", "Connection.recv", "self"},
    {kConnection, "recv_bytes", "Connection.recv", "self"},
    {kConnection, "recv_bytes_into", "Connection.recv", "self"},
    {kConnection, "send", "Connection.send", "self"},
    {kConnection, "send_bytes", "Connection.send", "self"},
    {kConnection, "poll", "Connection.poll", "self"},
    {kConnection, "wait", "Connection.wait", ""},
    // processes
    {kProcess, "join", "multiprocessing.Process.join", "self"},
    {kProcess, "start", "multiprocessing.Process.start", "self"},
    {"/multiprocessing/popen_fork.py", "wait", "multiprocessing.Process.join", ""},
    {"/multiprocessing/resource_sharer.py", "_serve", "multiprocessing.resource_sharer", ""},
    {"/multiprocessing/resource_tracker.py", "main", "multiprocessing.resource_tracker", ""},
    {"/multiprocessing/forkserver.py", "main", "multiprocessing.forkserver", ""},
    {"/multiprocessing/resource_tracker.py", "_send", "multiprocessing.resource_tracker.send", ""},
    // synchronisation between processes
    {kSync, "wait", "*.wait", "self"},
    {kSync, "wait_for", "*.wait", "self"},
    {kSync, "notify", "*.notify", "self"},
    {kSync, "notify_all", "*.notify", "self"},
    {kSync, "set", "*.set", "self"},
    {kSync, "__enter__", "*.acquire", "self"},
    {kSync, "__exit__", "*.release", "self"},
    // threads
    {"/queue.py", "get", "queue.Queue.get", "self", {}, false, "queue.Queue"},
    {"/queue.py", "put", "queue.Queue.put", "self", {}, false, "queue.Queue"},
    {"/queue.py", "join", "queue.Queue.join", "self", {}, false, "queue.Queue"},
    {kThreading, "_shutdown", "threading.shutdown", ""},
    {kThreading, "join", "threading.Thread.join", "self"},
    {kThreading, "start", "threading.Thread.start", "self"},
    {kThreading, "wait", "*.wait", "self"},
    {kThreading, "wait_for", "*.wait", "self"},
    {kThreading, "acquire", "*.acquire", "self"},
    {kThreading, "__enter__", "*.acquire", "self"},
    // what the task of an event loop awaits; before subprocess.py, which ends in the same name
    {kAsyncLocks, "acquire", "*.acquire", "self"},
    {kAsyncLocks, "__aenter__", "*.acquire", "self"},
    {kAsyncLocks, "wait", "*.wait", "self"},
    {kAsyncLocks, "wait_for", "*.wait", "self"},
    {"/asyncio/queues.py", "get", "asyncio.Queue.get", "self"},
    {"/asyncio/queues.py", "put", "asyncio.Queue.put", "self"},
    {"/asyncio/queues.py", "join", "asyncio.Queue.join", "self"},
    {"/asyncio/subprocess.py", "communicate", "asyncio.Process.communicate", "self"},
    {"/asyncio/subprocess.py", "wait", "asyncio.Process.wait", "self"},
    {"/asyncio/streams.py", "drain", "asyncio.StreamWriter.drain", "self"},
    {"/asyncio/streams.py", "read", "asyncio.StreamReader.read", "self"},
    {"/asyncio/streams.py", "readline", "asyncio.StreamReader.read", "self"},
    {"/asyncio/streams.py", "readuntil", "asyncio.StreamReader.read", "self"},
    {"/asyncio/streams.py", "readexactly", "asyncio.StreamReader.read", "self"},
    // others
    {"/subprocess.py", "communicate", "subprocess.communicate", "self"},
    {"/subprocess.py", "wait", "subprocess.wait", "self"},
    {"/subprocess.py", "_execute_child", "subprocess.start", "self"},
    {"<frozen importlib._bootstrap>", "acquire", "import", "self"},
    {"/importlib/_bootstrap.py", "acquire", "import", "self"},
    {"/logging/__init__.py", "acquire", "logging.Handler.acquire", "self", {}, false,
     "logging.Handler"},
    {"/logging/__init__.py", "handle", "logging.Handler.acquire", "self", {}, true,
     "logging.Handler"},
    {"/logging/__init__.py", "_acquireLock", "logging.acquire", ""},
    {kServer, "shutdown", "socketserver.shutdown", "self"},
    {kServer, "server_close", "socketserver.close", "self"},
    {kServer, "serve_forever", "socketserver.serve", "self"},
    {kServer, "handle_request", "socketserver.serve", "self"},
    {"/asyncio/unix_events.py", "_do_waitpid", "asyncio.child_watcher", ""},
    {"/asyncio/base_events.py", "_run_once", "asyncio.idle", "", "select"},
    {"/selectors.py", "select", "selectors.select", ""},
    {"/socket.py", "accept", "socket.accept", ""},
    {"/socket.py", "readinto", "socket.recv", ""},
    {"/socket.py", "create_connection", "socket.connect", ""},
    {"/logging/handlers.py", "_monitor", "QueueListener.get", "q", "dequeue"},
    {"/getpass.py", "unix_getpass", "input", ""},
};
// clang-format on

bool starts_process(const PyFrame& f) {
  return f.code->name == "_bootstrap" && f.code->file.ends_with(kProcess);
}

/// Where a thread of the library begins, or serves somebody: what the program runs further in, it
/// runs there.
struct Post {
  std::string_view file, function;
  Part part;
};

constexpr Post kPosts[] = {
    {kPool, "worker", Part::Worker},
    {kFuturesThread, "_worker", Part::Worker},
    {kFuturesProcess, "_process_worker", Part::Worker},
    {kPool, "_handle_workers", Part::Helper},
    {kPool, "_handle_tasks", Part::Helper},
    {kPool, "_handle_results", Part::Helper},
    {kFuturesProcess, "_queue_management_worker", Part::Helper},
    {kFuturesProcess, "run", Part::Helper},
    {kManagers, "serve_client", Part::Server},
};

/// A wait inside the very function of the library that would have to end it.
struct Enclosing {
  std::string_view call;
  std::string_view file, function;
};

constexpr Enclosing kEnclosing[] = {
    {"socketserver.shutdown", kServer, "serve_forever"},
    {"Executor.result", "/asyncio/base_events.py", "_run_once"},
    {"Executor.result", kFuturesProcess, "run"},
    {"Pool.get", kPool, "_handle_results"},
    {"Pool.join", kPool, "_handle_results"},
};

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
      if (types_.is(lock, "import lock")) return {"import", lock, {}};
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
    if (rule.call.starts_with('*')) {
      if (type.role != Role::Library) return false;
      doing.call = std::string(type.name) + std::string(rule.call.substr(1));
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

Part part_of(const std::vector<PyFrame>& frames) {
  const std::size_t own = own_frames(frames);
  for (std::size_t i = 0; i < own; ++i)
    for (const Post& post : kPosts)
      if (frames[i].code->name == post.function && file_matches(frames[i], post.file))
        return post.part;
  return Part::Program;
}

std::string enclosing(std::string_view call, const std::vector<PyFrame>& frames) {
  for (const Enclosing& row : kEnclosing) {
    const auto is_it = [&](const PyFrame& f) {
      return f.code->name == row.function && file_matches(f, row.file);
    };
    if (row.call == call && std::ranges::any_of(frames, is_it))
      return std::string(row.function) + "() of " + std::string(row.file.substr(1));
  }
  return "";
}

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
