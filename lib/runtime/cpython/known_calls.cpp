#include "runtime/cpython/known_calls.h"

#include <string>
#include <unordered_map>

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::kCloses;
using snapshot::kExits;
using snapshot::kForks;
using snapshot::kReads;
using snapshot::kReleases;
using snapshot::kSignals;
using snapshot::kWrites;

constexpr std::uint32_t kNone = 0;
constexpr bool kRaises = true, kSafe = false, kChanges = true;

// A wrong row is worse than a missing one. Left out on purpose: all that calls back into objects it
// is given (sorted with a key, map, dict.update, json), that runs collectors (gc), that imports.
// clang-format off
constexpr KnownCall kNatives[] = {
    // time
    {"time.sleep", kNone, Needs::Duration, Gives::None, kSafe, "sleeps"},
    {"time.time", kNone, Needs::Nothing, Gives::Float},
    {"time.monotonic", kNone, Needs::Nothing, Gives::Float},
    {"time.perf_counter", kNone, Needs::Nothing, Gives::Float},
    {"time.process_time", kNone, Needs::Nothing, Gives::Float},
    {"time.thread_time", kNone, Needs::Nothing, Gives::Float},
    {"time.time_ns", kNone, Needs::Nothing, Gives::Int},
    {"time.monotonic_ns", kNone, Needs::Nothing, Gives::Int},
    {"time.perf_counter_ns", kNone, Needs::Nothing, Gives::Int},
    {"time.strftime", kNone, Needs::Plain, Gives::Str, kRaises},
    {"time.ctime", kNone, Needs::Plain, Gives::Str, kRaises},
    {"time.localtime", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"time.gmtime", kNone, Needs::Plain, Gives::Plain, kRaises},
    // builtins
    {"builtins.len", kNone, Needs::Items, Gives::Int},
    {"builtins.abs", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.min", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.max", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.sum", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.sorted", kNone, Needs::Plain, Gives::List, kRaises},
    {"builtins.round", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.divmod", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.pow", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"builtins.repr", kNone, Needs::Plain, Gives::Str},
    {"builtins.ascii", kNone, Needs::Plain, Gives::Str},
    {"builtins.format", kNone, Needs::Plain, Gives::Str, kRaises},
    {"builtins.hash", kNone, Needs::Plain, Gives::Int, kRaises},
    {"builtins.ord", kNone, Needs::Plain, Gives::Int, kRaises},
    {"builtins.chr", kNone, Needs::Plain, Gives::Str, kRaises},
    {"builtins.hex", kNone, Needs::Plain, Gives::Str, kRaises},
    {"builtins.oct", kNone, Needs::Plain, Gives::Str, kRaises},
    {"builtins.bin", kNone, Needs::Plain, Gives::Str, kRaises},
    {"builtins.id", kNone, Needs::Nothing, Gives::Int},
    {"builtins.callable", kNone, Needs::Nothing, Gives::Bool},
    {"builtins.any", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"builtins.all", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"builtins.isinstance", kNone, Needs::Instance, Gives::Bool},
    {"builtins.issubclass", kNone, Needs::Instance, Gives::Bool, kRaises},
    {"builtins.print", kWrites, Needs::Stdout, Gives::None, kRaises, "prints"},
    {"_io.TextIOWrapper.write", kWrites, Needs::Stream, Gives::Int, kRaises, "writes"},
    {"_io.TextIOWrapper.flush", kWrites, Needs::Stream, Gives::None, kRaises},
    {"sys.exit", kNone, Needs::Plain, Gives::None, kRaises, "", false, "SystemExit"},
    {"int()", kNone, Needs::Plain, Gives::Int, kRaises},
    {"float()", kNone, Needs::Plain, Gives::Float, kRaises},
    {"bool()", kNone, Needs::Plain, Gives::Bool},
    {"str()", kNone, Needs::Plain, Gives::Str, kRaises},
    {"bytes()", kNone, Needs::Plain, Gives::Bytes, kRaises},
    {"list()", kNone, Needs::Plain, Gives::List, kRaises},
    {"tuple()", kNone, Needs::Plain, Gives::Tuple, kRaises},
    {"dict()", kNone, Needs::Plain, Gives::Dict, kRaises},
    {"set()", kNone, Needs::Plain, Gives::Set, kRaises},
    {"frozenset()", kNone, Needs::Plain, Gives::Set, kRaises},
    {"object()", kNone, Needs::Nothing, Gives::Plain},
    {"range()", kNone, Needs::Plain, Gives::Range, kRaises},
    {"enumerate()", kNone, Needs::Plain, Gives::Iterator, kRaises},
    {"zip()", kNone, Needs::Plain, Gives::Iterator, kRaises},
    {"reversed()", kNone, Needs::Plain, Gives::Iterator, kRaises},
    // os
    {"posix.getpid", kNone, Needs::Nothing, Gives::Int},
    {"posix.getppid", kNone, Needs::Nothing, Gives::Int},
    {"posix.getuid", kNone, Needs::Nothing, Gives::Int},
    {"posix.geteuid", kNone, Needs::Nothing, Gives::Int},
    {"posix.getcwd", kNone, Needs::Nothing, Gives::Str, kRaises},
    {"posix.getloadavg", kNone, Needs::Nothing, Gives::Plain, kRaises},
    {"posix.times", kNone, Needs::Nothing, Gives::Plain, kRaises},
    {"posix.cpu_count", kNone, Needs::Nothing, Gives::Plain},
    {"posix.stat", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"posix.lstat", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"posix.access", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"posix.listdir", kNone, Needs::Plain, Gives::List, kRaises},
    {"posix.urandom", kNone, Needs::Plain, Gives::Bytes, kRaises},
    {"posix.waitpid", kNone, Needs::Plain, Gives::Plain, kRaises, "looks for a child's end"},
    {"posix.WIFEXITED", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"posix.waitstatus_to_exitcode", kNone, Needs::Plain, Gives::Int, kRaises},
    {"posix.write", kWrites, Needs::Fd, Gives::Int, kRaises, "writes"},
    {"posix.read", kReads, Needs::Fd, Gives::Bytes, kRaises, "reads"},
    {"posix.close", kCloses, Needs::Fd, Gives::None, kRaises, "closes a descriptor"},
    {"posix._exit", kExits, Needs::Nothing, Gives::None, kRaises, "exits"},
    {"posix.abort", kExits, Needs::Nothing, Gives::None, kRaises, "aborts"},
    {"posix.kill", kSignals, Needs::Plain, Gives::None, kRaises, "sends a signal"},
    {"posix.killpg", kSignals, Needs::Plain, Gives::None, kRaises, "sends a signal"},
    {"_signal.raise_signal", kSignals, Needs::Plain, Gives::None, kRaises, "sends a signal"},
    {"_signal.pthread_kill", kSignals, Needs::Plain, Gives::None, kRaises, "sends a signal"},
    // multiprocessing: as of a lock, who waits for it waits for another holder
    {"_multiprocessing.SemLock.acquire", kNone, Needs::Plain, Gives::Bool, kRaises, "takes a lock"},
    // select: the interpreter only asks; what is given must be descriptors
    {"select.select", kNone, Needs::Plain, Gives::Plain, kRaises, "polls"},
    // threads
    {"_thread.get_ident", kNone, Needs::Nothing, Gives::Int},
    {"_thread.get_native_id", kNone, Needs::Nothing, Gives::Int},
    {"_thread.allocate_lock", kNone, Needs::Nothing, Gives::Plain},
    {"_thread.lock.acquire", kNone, Needs::Duration, Gives::Bool, kSafe, "takes a lock"},
    {"_thread.lock.acquire_lock", kNone, Needs::Duration, Gives::Bool, kSafe, "takes a lock"},
    {"_thread.lock.__enter__", kNone, Needs::Nothing, Gives::Bool, kSafe, "takes a lock"},
    {"_thread.lock.locked", kNone, Needs::Nothing, Gives::Bool},
    {"_thread.lock.release", kReleases, Needs::Lock, Gives::None, kRaises, "releases a lock"},
    {"_thread.lock.release_lock", kReleases, Needs::Lock, Gives::None, kRaises, "releases a lock"},
    {"_thread.lock.__exit__", kReleases, Needs::Lock, Gives::None, kRaises, "releases a lock"},
    {"_thread.RLock.acquire", kNone, Needs::Duration, Gives::Bool, kSafe, "takes a lock"},
    {"_thread.RLock.__enter__", kNone, Needs::Nothing, Gives::Bool, kSafe, "takes a lock"},
    {"_thread.RLock._is_owned", kNone, Needs::Nothing, Gives::Bool},
    {"_thread.RLock.release", kReleases, Needs::Lock, Gives::None, kRaises, "releases a lock"},
    {"_thread.RLock.__exit__", kReleases, Needs::Lock, Gives::None, kRaises, "releases a lock"},
    {"_queue.SimpleQueue.put", kReleases, Needs::Nothing, Gives::None, kSafe, "puts into a queue"},
    {"_queue.SimpleQueue.put_nowait", kReleases, Needs::Nothing, Gives::None, kSafe, "puts into a queue"},
    {"_queue.SimpleQueue.get", kNone, Needs::Nothing, Gives::Owned, kRaises, "takes from a queue"},
    {"_queue.SimpleQueue.get_nowait", kNone, Needs::Nothing, Gives::Owned, kRaises, "takes from a queue"},
    {"_queue.SimpleQueue.empty", kNone, Needs::Nothing, Gives::Bool},
    {"_queue.SimpleQueue.qsize", kNone, Needs::Nothing, Gives::Int},
    // list
    {"list.append", kNone, Needs::Nothing, Gives::None, kSafe, "", kChanges},
    {"list.insert", kNone, Needs::Nothing, Gives::None, kRaises, "", kChanges},
    {"list.extend", kNone, Needs::Plain, Gives::None, kRaises, "", kChanges},
    {"list.copy", kNone, Needs::Nothing, Gives::Copy},
    {"list.reverse", kNone, Needs::Nothing, Gives::None, kSafe, "", kChanges},
    {"list.clear", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    {"list.pop", kNone, Needs::Nothing, Gives::Item, kRaises, "", kChanges},
    {"list.count", kNone, Needs::Plain, Gives::Int},
    {"list.index", kNone, Needs::Plain, Gives::Int, kRaises},
    {"list.remove", kNone, Needs::Plain, Gives::None, kRaises, "", kChanges},
    {"list.sort", kNone, Needs::Plain, Gives::None, kRaises, "", kChanges},
    {"tuple.count", kNone, Needs::Plain, Gives::Int},
    {"tuple.index", kNone, Needs::Plain, Gives::Int, kRaises},
    // deque
    {"collections.deque.append", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    {"collections.deque.appendleft", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    {"collections.deque.pop", kNone, Needs::Nothing, Gives::Item, kRaises, "", kChanges},
    {"collections.deque.popleft", kNone, Needs::Nothing, Gives::Item, kRaises, "", kChanges},
    {"collections.deque.clear", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    {"collections.deque.rotate", kNone, Needs::Plain, Gives::None, kRaises, "", kChanges},
    // dict
    {"dict.get", kNone, Needs::Key, Gives::Item, kRaises},
    {"dict.keys", kNone, Needs::Nothing, Gives::Over},
    {"dict.values", kNone, Needs::Nothing, Gives::Over},
    {"dict.items", kNone, Needs::Nothing, Gives::Over},
    {"dict.copy", kNone, Needs::Items, Gives::Dict},
    {"dict.clear", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    {"dict.pop", kNone, Needs::Key, Gives::Item, kRaises, "", kChanges},
    // set
    {"set.add", kNone, Needs::Key, Gives::None, kRaises, "", kChanges},
    {"set.discard", kNone, Needs::Key, Gives::None, kRaises, "", kChanges},
    {"set.remove", kNone, Needs::Key, Gives::None, kRaises, "", kChanges},
    {"set.clear", kNone, Needs::Items, Gives::None, kSafe, "", kChanges},
    // str and bytes
    {"str.format", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.join", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.split", kNone, Needs::Plain, Gives::List, kRaises},
    {"str.splitlines", kNone, Needs::Plain, Gives::List, kRaises},
    {"str.strip", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.lstrip", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.rstrip", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.lower", kNone, Needs::Plain, Gives::Str},
    {"str.upper", kNone, Needs::Plain, Gives::Str},
    {"str.title", kNone, Needs::Plain, Gives::Str},
    {"str.replace", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.startswith", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"str.endswith", kNone, Needs::Plain, Gives::Bool, kRaises},
    {"str.find", kNone, Needs::Plain, Gives::Int, kRaises},
    {"str.count", kNone, Needs::Plain, Gives::Int, kRaises},
    {"str.isdigit", kNone, Needs::Plain, Gives::Bool},
    {"str.ljust", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.rjust", kNone, Needs::Plain, Gives::Str, kRaises},
    {"str.zfill", kNone, Needs::Plain, Gives::Str, kRaises},
    {"bytes.decode", kNone, Needs::Plain, Gives::Str, kRaises},
    {"bytes.hex", kNone, Needs::Plain, Gives::Str, kRaises},
    {"int.bit_length", kNone, Needs::Plain, Gives::Int},
    {"int.to_bytes", kNone, Needs::Plain, Gives::Bytes, kRaises},
    {"float.is_integer", kNone, Needs::Plain, Gives::Bool},
    // datetime
    {"datetime.datetime.now", kNone, Needs::Plain, Gives::Moment, kRaises},
    {"datetime.datetime.utcnow", kNone, Needs::Plain, Gives::Moment},
    {"datetime.datetime.isoformat", kNone, Needs::Plain, Gives::Str, kRaises},
    {"datetime.datetime.timestamp", kNone, Needs::Plain, Gives::Float, kRaises},
    {"datetime.date.today", kNone, Needs::Plain, Gives::Moment},
    {"datetime.date.strftime", kNone, Needs::Plain, Gives::Str, kRaises},
    {"datetime.timedelta.total_seconds", kNone, Needs::Plain, Gives::Float},
    {"datetime.timedelta()", kNone, Needs::Plain, Gives::Moment, kRaises},
    // random, math
    {"_random.Random.random", kNone, Needs::Nothing, Gives::Float},
    {"_random.Random.getrandbits", kNone, Needs::Plain, Gives::Int, kRaises},
    {"math.floor", kNone, Needs::Plain, Gives::Int, kRaises},
    {"math.ceil", kNone, Needs::Plain, Gives::Int, kRaises},
    {"math.sqrt", kNone, Needs::Plain, Gives::Float, kRaises},
    {"math.sin", kNone, Needs::Plain, Gives::Float, kRaises},
    {"math.log", kNone, Needs::Plain, Gives::Float, kRaises},
    {"resource.getrusage", kNone, Needs::Plain, Gives::Plain, kRaises},
    {"_signal.default_int_handler", kNone, Needs::Nothing, Gives::None, kRaises, "", false, "KeyboardInterrupt"},
};

struct LibraryRow {
  std::string_view file;
  KnownCall call;
};

// Event.wait and its like take a lock that the interpreter's own code gives back: whoever waits for
// it at the time of the look waits for another holder.
constexpr LibraryRow kLibrary[] = {
    {"threading.py", {"Event.wait", kNone, Needs::Nothing, Gives::Bool, kSafe, "waits for an event with a timeout"}},
    {"threading.py", {"Event.is_set", kNone, Needs::Nothing, Gives::Bool}},
    {"threading.py", {"Event.set", kReleases, Needs::Nothing, Gives::None, kSafe, "sets an event", false, nullptr, "_cond"}},
    {"threading.py", {"Event.clear", kNone, Needs::Nothing, Gives::None}},
    {"threading.py", {"Condition.wait", kReleases, Needs::Nothing, Gives::Bool, kRaises, "waits for a condition with a timeout"}},
    {"threading.py", {"Condition.notify", kReleases, Needs::Nothing, Gives::None, kRaises, "notifies", false, nullptr, ""}},
    {"threading.py", {"Condition.notify_all", kReleases, Needs::Nothing, Gives::None, kRaises, "notifies", false, nullptr, ""}},
    {"threading.py", {"Semaphore.acquire", kNone, Needs::Nothing, Gives::Bool, kRaises, "takes a semaphore"}},
    {"threading.py", {"Semaphore.release", kReleases, Needs::Nothing, Gives::None, kRaises, "posts", false, nullptr, "_cond"}},
    {"threading.py", {"BoundedSemaphore.release", kReleases, Needs::Nothing, Gives::None, kRaises, "posts", false, nullptr, "_cond"}},
    {"threading.py", {"Barrier.wait", kReleases, Needs::Nothing, Gives::Int, kRaises, "waits at a barrier"}},
    {"threading.py", {"Thread.join", kNone, Needs::Nothing, Gives::None, kRaises, "joins a thread"}},
    {"threading.py", {"Thread.is_alive", kNone, Needs::Nothing, Gives::Bool}},
    {"threading.py", {"Thread.start", kForks, Needs::Nothing, Gives::None, kRaises, "starts a thread"}},
    // Of a child that was started: whoever else waits for its end is woken by that end itself.
    {"multiprocessing/process.py", {"BaseProcess.join", kNone, Needs::Nothing, Gives::None, kRaises, "waits for a child's end"}},
    {"multiprocessing/process.py", {"BaseProcess.is_alive", kNone, Needs::Nothing, Gives::Bool, kRaises}},
    {"multiprocessing/process.py", {"BaseProcess.terminate", kSignals, Needs::Nothing, Gives::None, kRaises, "sends a signal"}},
    {"multiprocessing/process.py", {"BaseProcess.kill", kSignals, Needs::Nothing, Gives::None, kRaises, "sends a signal"}},
    {"subprocess.py", {"Popen.wait", kNone, Needs::Nothing, Gives::Int, kRaises, "waits for a child's end"}},
    {"subprocess.py", {"Popen.poll", kNone, Needs::Nothing, Gives::Plain, kRaises, "looks for a child's end"}},
    {"subprocess.py", {"Popen.send_signal", kSignals, Needs::Nothing, Gives::None, kRaises, "sends a signal"}},
    {"subprocess.py", {"Popen.terminate", kSignals, Needs::Nothing, Gives::None, kRaises, "sends a signal"}},
    {"subprocess.py", {"Popen.kill", kSignals, Needs::Nothing, Gives::None, kRaises, "sends a signal"}},
    {"threading.py", {"current_thread", kNone, Needs::Nothing, Gives::Borrowed}},
    {"threading.py", {"active_count", kNone, Needs::Nothing, Gives::Int}},
    // run_forever() returns, and what follows it runs
    {"asyncio/base_events.py", {"BaseEventLoop.stop", snapshot::kRaises, Needs::Nothing, Gives::None, kSafe, "stops its event loop"}},
    {"asyncio/locks.py", {"Event.is_set", kNone, Needs::Nothing, Gives::Bool}},
    {"asyncio/locks.py", {"Event.set", kReleases, Needs::Nothing, Gives::None, kSafe, "sets an event", false, nullptr, ""}},
    {"asyncio/locks.py", {"Event.clear", kNone, Needs::Nothing, Gives::None}},
    {"queue.py", {"Queue.put", kReleases, Needs::Nothing, Gives::None, kRaises, "puts into a queue", false, nullptr, "not_empty"}},
    {"queue.py", {"Queue.put_nowait", kReleases, Needs::Nothing, Gives::None, kRaises, "puts into a queue", false, nullptr, "not_empty"}},
    {"queue.py", {"Queue.get", kReleases, Needs::Nothing, Gives::Owned, kRaises, "takes from a queue", false, nullptr, "not_full"}},
    {"queue.py", {"Queue.get_nowait", kReleases, Needs::Nothing, Gives::Owned, kRaises, "takes from a queue", false, nullptr, "not_full"}},
    {"queue.py", {"Queue.task_done", kReleases, Needs::Nothing, Gives::None, kRaises, "marks a task as done"}},
    {"queue.py", {"Queue.qsize", kNone, Needs::Nothing, Gives::Int}},
    {"queue.py", {"Queue.empty", kNone, Needs::Nothing, Gives::Bool}},
    {"queue.py", {"Queue.full", kNone, Needs::Nothing, Gives::Bool}},
};
// clang-format on

}  // namespace

const KnownCall* find_native(std::string_view name) {
  static const auto kByName = [] {
    std::unordered_map<std::string_view, const KnownCall*> all;
    for (const KnownCall& call : kNatives) all.emplace(call.name, &call);
    return all;
  }();
  const auto found = kByName.find(name);
  return found == kByName.end() ? nullptr : found->second;
}

const KnownCall* find_library(std::string_view file, std::string_view qualname) {
  for (const LibraryRow& row : kLibrary) {
    if (row.file == file && row.call.name == qualname) return &row.call;
  }
  return nullptr;
}

}  // namespace ipcdoctor::runtime::cpython
