#include "runtime/cpython/types.h"

#include <algorithm>

namespace ipcdoctor::runtime::cpython {
namespace {

struct Entry {
  std::string_view module, name, library_name;
};

// Classes written in Python, by __module__ and name.
constexpr Entry kClasses[] = {
    {"multiprocessing.queues", "JoinableQueue", "multiprocessing.JoinableQueue"},
    {"multiprocessing.queues", "Queue", "multiprocessing.Queue"},
    {"multiprocessing.queues", "SimpleQueue", "multiprocessing.SimpleQueue"},
    {"multiprocessing.synchronize", "Lock", "multiprocessing.Lock"},
    {"multiprocessing.synchronize", "RLock", "multiprocessing.RLock"},
    {"multiprocessing.synchronize", "BoundedSemaphore", "multiprocessing.BoundedSemaphore"},
    {"multiprocessing.synchronize", "Semaphore", "multiprocessing.Semaphore"},
    {"multiprocessing.synchronize", "Condition", "multiprocessing.Condition"},
    {"multiprocessing.synchronize", "Event", "multiprocessing.Event"},
    {"multiprocessing.synchronize", "Barrier", "multiprocessing.Barrier"},
    {"multiprocessing.process", "BaseProcess", "multiprocessing.Process"},
    {"multiprocessing.connection", "Connection", "multiprocessing.Connection"},
    {"multiprocessing.connection", "Listener", "multiprocessing.Listener"},
    {"multiprocessing.pool", "Pool", "multiprocessing.Pool"},
    {"multiprocessing.pool", "ApplyResult", "Pool.result"},
    {"multiprocessing.pool", "IMapIterator", "Pool.result"},
    {"multiprocessing.managers", "BaseProxy", "Manager.proxy"},
    {"multiprocessing.popen_fork", "Popen", "multiprocessing.Popen"},
    {"concurrent.futures._base", "Future", "concurrent.futures.Future"},
    {"concurrent.futures.thread", "ThreadPoolExecutor", "ThreadPoolExecutor"},
    {"concurrent.futures.process", "ProcessPoolExecutor", "ProcessPoolExecutor"},
    {"concurrent.futures.process", "_ExecutorManagerThread", "Executor.manager"},
    {"queue", "Queue", "queue.Queue"},
    {"threading", "Thread", "threading.Thread"},
    {"threading", "Condition", "threading.Condition"},
    {"threading", "Event", "threading.Event"},
    {"threading", "Semaphore", "threading.Semaphore"},
    {"threading", "Barrier", "threading.Barrier"},
    {"subprocess", "Popen", "subprocess.Popen"},
    {"logging", "Handler", "logging.Handler"},
    {"asyncio.locks", "Lock", "asyncio.Lock"},
    {"asyncio.locks", "Event", "asyncio.Event"},
    {"asyncio.locks", "Condition", "asyncio.Condition"},
    {"asyncio.locks", "Semaphore", "asyncio.Semaphore"},
    {"asyncio.locks", "Barrier", "asyncio.Barrier"},
    {"asyncio.queues", "Queue", "asyncio.Queue"},
    {"asyncio.subprocess", "Process", "asyncio.Process"},
    {"asyncio.streams", "StreamReader", "asyncio.StreamReader"},
    {"asyncio.streams", "StreamWriter", "asyncio.StreamWriter"},
    {"socketserver", "BaseServer", "socketserver.Server"},
    {"_frozen_importlib", "_ModuleLock", "import lock"},
    {"importlib._bootstrap", "_ModuleLock", "import lock"},
};

// Types written in C, by tp_name.
constexpr Entry kBuiltins[] = {
    {"", "_thread.lock", "threading.Lock"},
    {"", "_thread.RLock", "threading.RLock"},
    {"", "_multiprocessing.SemLock", "multiprocessing.SemLock"},
    {"", "_queue.SimpleQueue", "queue.SimpleQueue"},
    {"", "_io.BufferedWriter", "io.Buffered"},
    {"", "_io.BufferedReader", "io.Buffered"},
    {"", "_io.BufferedRandom", "io.Buffered"},
    {"", "_io.TextIOWrapper", "io.TextIOWrapper"},
    {"", "weakref", "weakref"},
    {"", "weakref.ReferenceType", "weakref"},
};

constexpr std::uint64_t kHeapType = 1 << 9;
constexpr std::uint64_t kTypeDict = 264;  // tp_dict
constexpr std::uint64_t kContainers =
    (1 << 25) | (1 << 26) | (1 << 29);  // list, tuple, dict subclasses

}  // namespace

Type Types::classify(Object type) const {
  const Remote& remote = objects_->remote();
  const Layout& l = objects_->layout();
  const std::uint64_t flags = remote.word(type + l.type_flags);
  bool instance = false;
  for (int depth = 0; type != 0 && depth < 32; ++depth, type = remote.pointer(type + l.type_base)) {
    const std::uint64_t at = remote.word(type + l.type_name);
    const std::string name = at == 0 ? std::string() : remote.text(at, 256);
    for (const Entry& e : kBuiltins) {
      if (name == e.name) return {Role::Library, e.library_name};
    }
    if (name == "method" || name == "builtin_function_or_method") return {Role::Method, {}};
    if (name == "collections.deque" || name == "set" || name == "frozenset")
      return {Role::Container, {}};
    if (name == "type" || name == "module" || name == "function") return {};
    if ((remote.word(type + l.type_flags) & kHeapType) == 0) continue;
    instance = true;
    if (std::ranges::find(kClasses, name, &Entry::name) == std::end(kClasses)) continue;
    const Object module =
        objects_->entry(remote.pointer(objects_->member(type, kTypeDict)), "__module__");
    const auto module_name = objects_->string(module, 128);
    for (const Entry& e : kClasses) {
      if (name == e.name && module_name == e.module) return {Role::Library, e.library_name};
    }
  }
  if ((flags & kContainers) != 0) return {Role::Container, {}};
  return {instance ? Role::Instance : Role::Plain, {}};
}

const Type& Types::of(Object object) const {
  const Object type = objects_->type_of(object);
  const auto known = known_.find(type);
  if (known != known_.end()) return known->second;
  return known_.emplace(type, type == 0 ? Type{} : classify(type)).first->second;
}

}  // namespace ipcdoctor::runtime::cpython
