#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "snapshot/activity.h"

/// What the types and the calls of Python's library mean, in the words that hold for all languages.
/// Where a call is met on a stack, activity.cpp says; objects.md shows both.
namespace ipcdoctor::runtime::cpython {

using snapshot::Operation;
using snapshot::Part;
using snapshot::Resource;
using Whom = snapshot::Reach;

struct KnownType {
  std::string_view type;
  Resource kind;
  Whom reach;
};

/// A method that has no row is known by its name and the type that it is called on.
struct CallWords {
  std::string_view call;
  Operation operation;
  /// For a person what it waits for; with a blank at the end, the object follows.
  std::string_view phrase = {};
  Part part = Part::Program;
  /// Of what it waits for, where that is not what it is called on.
  Resource kind = Resource::Unknown;
  Whom reach = Whom::Unknown;
  std::string_view type = {};    ///< of what was not found
  std::string_view nobody = {};  ///< the phrase where the object has no name, if another
};

// clang-format off
inline constexpr KnownType kTypes[] = {
    {"threading.Lock", Resource::Lock, Whom::Memory},
    {"threading.RLock", Resource::Lock, Whom::Memory},
    {"threading.Semaphore", Resource::Semaphore, Whom::Memory},
    {"threading.Event", Resource::Event, Whom::Memory},
    {"threading.Condition", Resource::Condition, Whom::Memory},
    {"threading.Barrier", Resource::Barrier, Whom::Memory},
    {"threading.Thread", Resource::Thread, Whom::Memory},
    {"queue.Queue", Resource::Queue, Whom::Memory},
    {"queue.SimpleQueue", Resource::Queue, Whom::Memory},
    {"concurrent.futures.Future", Resource::Future, Whom::Memory},
    {"ThreadPoolExecutor", Resource::FuturesPool, Whom::Memory},
    {"ProcessPoolExecutor", Resource::FuturesPool, Whom::Tree},
    {"multiprocessing.Pool", Resource::Pool, Whom::Tree},
    {"multiprocessing.Lock", Resource::Lock, Whom::Tree},
    {"multiprocessing.RLock", Resource::Lock, Whom::Tree},
    {"multiprocessing.Semaphore", Resource::Semaphore, Whom::Tree},
    {"multiprocessing.BoundedSemaphore", Resource::Semaphore, Whom::Tree},
    {"multiprocessing.Event", Resource::Event, Whom::Tree},
    {"multiprocessing.Condition", Resource::Condition, Whom::Tree},
    {"multiprocessing.Barrier", Resource::Barrier, Whom::Tree},
    {"multiprocessing.Queue", Resource::Queue, Whom::Tree},
    {"multiprocessing.JoinableQueue", Resource::Queue, Whom::Tree},
    {"multiprocessing.SimpleQueue", Resource::Queue, Whom::Tree},
    {"multiprocessing.Process", Resource::Process, Whom::Tree},
    {"multiprocessing.Connection", Resource::Channel, Whom::Tree},
    {"multiprocessing.Listener", Resource::Listener, Whom::Anywhere},
    {"Manager.proxy", Resource::Proxy, Whom::Tree},
    {"subprocess.Popen", Resource::Process, Whom::Tree},
    {"socketserver.Server", Resource::Server, Whom::Anywhere},
    {"logging.Handler", Resource::Lock, Whom::Memory},
    {"import lock", Resource::Module, Whom::Memory},
    {"asyncio.Lock", Resource::Lock, Whom::Loop},
    {"asyncio.Semaphore", Resource::Semaphore, Whom::Loop},
    {"asyncio.Event", Resource::Event, Whom::Loop},
    {"asyncio.Condition", Resource::Condition, Whom::Loop},
    {"asyncio.Barrier", Resource::Barrier, Whom::Loop},
    {"asyncio.Queue", Resource::Queue, Whom::Loop},
    {"asyncio.Process", Resource::Process, Whom::Tree},
    {"asyncio.StreamReader", Resource::Channel, Whom::Anywhere},
    {"asyncio.StreamWriter", Resource::Channel, Whom::Anywhere},
};

inline constexpr CallWords kCalls[] = {
    // of threads
    {"threading.Event.wait", Operation::AwaitSignal, "a set() of ", {}, {}, {}, {}, "a threading.Event to be set"},
    {"threading.Condition.wait", Operation::AwaitSignal, "a notify() of "},
    {"threading.Semaphore.acquire", Operation::AwaitSignal, "a release() of "},
    {"threading.Barrier.wait", Operation::AwaitParties, "the other parties of "},
    {"threading.Thread.start", Operation::AwaitResult},
    {"threading.Thread.join", Operation::AwaitEnd},
    {"threading.shutdown", Operation::AwaitEnd, "the end of its other threads", {}, Resource::Thread, Whom::Memory},
    {"queue.Queue.get", Operation::Take, "an item of "},
    {"queue.Queue.put", Operation::Put, "room in "},
    {"queue.Queue.join", Operation::AwaitEnd, "task_done() for all items of "},
    {"queue.SimpleQueue.get", Operation::Take, "an item of "},
    {"QueueListener.get", Operation::Serve, "records to log", Part::Helper, Resource::Queue, Whom::Memory},
    {"import", Operation::Acquire, {}, {}, Resource::Module, Whom::Memory},
    {"logging.acquire", Operation::Acquire, {}, {}, Resource::Lock, Whom::Memory},
    // between processes
    {"multiprocessing.Event.wait", Operation::AwaitSignal, "a set() of ", {}, {}, {}, {}, "a multiprocessing.Event to be set"},
    {"multiprocessing.Condition.wait", Operation::AwaitSignal, "a notify() of "},
    {"multiprocessing.Semaphore.acquire", Operation::AwaitSignal},
    {"multiprocessing.Barrier.wait", Operation::AwaitParties, "the other parties of "},
    {"multiprocessing.Queue.get", Operation::Take},
    {"multiprocessing.Queue.put", Operation::Put, "room in "},
    {"multiprocessing.Queue.feed", Operation::Put, {}, Part::Feeder},
    {"multiprocessing.Queue.feeder_idle", Operation::Serve, "items to send", Part::Feeder},
    {"multiprocessing.Queue.join_thread", Operation::AwaitEnd, {}, {}, Resource::Thread, Whom::Memory},
    {"multiprocessing.JoinableQueue.join", Operation::AwaitEnd, "task_done() for all items of ", {}, {}, {}, {}, "task_done() for all items of a JoinableQueue"},
    {"multiprocessing.JoinableQueue.task_done", Operation::Acquire},
    {"multiprocessing.SimpleQueue.get", Operation::Take},
    {"multiprocessing.SimpleQueue.put", Operation::Put},
    {"multiprocessing.Process.start", Operation::AwaitResult, {}, {}, Resource::Server, Whom::Tree},
    {"multiprocessing.Process.join", Operation::AwaitEnd},
    {"multiprocessing.exit", Operation::AwaitEnd},
    {"multiprocessing.exit.join", Operation::AwaitEnd, {}, {}, Resource::Process, Whom::Tree},
    {"multiprocessing.exit.queue", Operation::AwaitEnd, {}, {}, Resource::Thread, Whom::Memory},
    {"multiprocessing.exit.pool", Operation::AwaitEnd, {}, {}, Resource::Thread, Whom::Memory},
    {"multiprocessing.resource_sharer", Operation::Serve, {}, Part::Helper, Resource::Server, Whom::Tree, "sharer of descriptors"},
    {"multiprocessing.resource_tracker", Operation::Serve, {}, Part::Helper, Resource::Server, Whom::Tree},
    {"multiprocessing.forkserver", Operation::Serve, {}, Part::Helper, Resource::Server, Whom::Tree, "fork server"},
    {"multiprocessing.resource_tracker.send", Operation::Put, {}, {}, Resource::Server, Whom::Tree},
    {"Connection.recv", Operation::Receive, {}, {}, Resource::Channel, Whom::Tree},
    {"Connection.send", Operation::Send, {}, {}, Resource::Channel, Whom::Tree},
    {"Connection.poll", Operation::Receive, {}, {}, {}, Whom::Tree},
    {"Connection.wait", Operation::Receive, {}, {}, {}, Whom::Tree},
    {"Listener.accept", Operation::Accept, {}, {}, Resource::Listener, Whom::Anywhere},
    {"Listener.auth", Operation::AwaitResult, {}, {}, Resource::Listener, Whom::Anywhere},
    {"Client.auth", Operation::AwaitResult, {}, {}, Resource::Listener, Whom::Anywhere},
    {"Client.connect", Operation::AwaitResult},
    // pools
    {"Pool.get", Operation::AwaitResult, "a result of ", {}, Resource::Pool, Whom::Tree, "multiprocessing.Pool"},
    {"Pool.join", Operation::AwaitEnd, {}, {}, Resource::Pool, Whom::Tree},
    {"Pool.terminate", Operation::AwaitEnd, {}, {}, Resource::Thread, Whom::Memory},
    {"Pool.worker.get", Operation::Serve, {}, Part::Worker, Resource::Pool, Whom::Tree},
    {"Pool.worker.put", Operation::Put, {}, Part::Worker, Resource::Pool, Whom::Tree},
    {"Pool.worker_handler", Operation::Serve, {}, Part::Helper, Resource::Pool, Whom::Tree},
    {"Pool.task_handler", Operation::Serve, {}, Part::Helper, Resource::Pool, Whom::Tree},
    {"Pool.result_handler", Operation::Serve, {}, Part::Helper, Resource::Pool, Whom::Tree},
    {"Executor.result", Operation::AwaitResult, "the result of ", {}, Resource::Future, Whom::Memory, {}, "the result of a Future"},
    {"Executor.wait", Operation::AwaitResult, "the result of ", {}, Resource::Future, Whom::Memory, {}, "the results of Futures"},
    {"Executor.submit", Operation::AwaitResult, {}, {}, Resource::Lock, Whom::Memory},
    {"Executor.shutdown", Operation::AwaitEnd, {}, {}, Resource::FuturesPool},
    {"Executor.exit", Operation::AwaitEnd, {}, {}, Resource::FuturesPool},
    {"Executor.worker.get", Operation::Serve, "work from ", Part::Worker, Resource::FuturesPool, {}, {}, "work from its executor"},
    {"Executor.worker.put", Operation::Put, {}, Part::Worker, Resource::FuturesPool},
    {"Executor.manager", Operation::Serve, {}, Part::Helper, Resource::FuturesPool},
    // managers
    {"Manager.call", Operation::AwaitResult, {}, {}, Resource::Proxy, Whom::Tree},
    {"Manager.connect", Operation::AwaitResult},
    {"Manager.start", Operation::AwaitResult},
    {"Manager.shutdown", Operation::AwaitEnd},
    {"Manager.serve", Operation::Serve, "a client of the manager", Part::Server, Resource::Server, Whom::Tree, "manager"},
    {"Manager.serve.method", Operation::None, "what its client waits for: ", Part::Server, {}, {}, {}, "what its client waits for"},
    // commands
    {"subprocess.start", Operation::AwaitResult, {}, {}, Resource::Channel, Whom::Tree},
    {"subprocess.wait", Operation::AwaitEnd, {}, {}, Resource::Process, Whom::Tree},
    {"subprocess.communicate", Operation::AwaitResult, {}, {}, Resource::Process, Whom::Tree},
    // tasks of an event loop
    {"asyncio.idle", Operation::Serve},
    {"asyncio.Event.wait", Operation::AwaitSignal, "a set() of "},
    {"asyncio.Condition.wait", Operation::AwaitSignal, "a notify() of "},
    {"asyncio.Lock.acquire", Operation::Acquire, "a release() of "},
    {"asyncio.Semaphore.acquire", Operation::AwaitSignal, "a release() of "},
    {"asyncio.Barrier.wait", Operation::AwaitParties, "all parties of "},
    {"asyncio.Queue.get", Operation::Take, "an item of "},
    {"asyncio.Queue.put", Operation::Put, "room in "},
    {"asyncio.Queue.join", Operation::AwaitEnd, "a task_done() for each item of "},
    {"asyncio.Process.wait", Operation::AwaitEnd, "the exit of its subprocess"},
    {"asyncio.Process.communicate", Operation::AwaitResult, "the output and exit of its subprocess"},
    {"asyncio.StreamReader.read", Operation::Receive},
    {"asyncio.StreamWriter.drain", Operation::Send},
    {"asyncio.child_watcher", Operation::Serve, {}, Part::Helper, Resource::Process, Whom::Tree},
    // servers, and what waits for descriptors
    {"socketserver.serve", Operation::Serve, {}, {}, Resource::Server, Whom::Anywhere},
    {"socketserver.shutdown", Operation::AwaitEnd, {}, {}, Resource::Server, Whom::Memory},
    {"socketserver.close", Operation::AwaitEnd, {}, {}, Resource::Thread, Whom::Memory},
    {"socket.accept", Operation::Accept},
    {"socket.connect", Operation::AwaitResult},
    {"socket.recv", Operation::Receive},
    {"selectors.select", Operation::Receive},
    {"input", Operation::Receive},
};
// clang-format on

inline const KnownType* find_type(std::string_view type) {
  const auto* found = std::ranges::find(kTypes, type, &KnownType::type);
  return found == std::end(kTypes) ? nullptr : found;
}

/// Kind and reach by the type, as far as nothing else has told them.
inline void add_words(snapshot::RuntimeObject& object) {
  const KnownType* known = find_type(object.type);
  if (known == nullptr) return;
  if (object.kind == Resource::Unknown) object.kind = known->kind;
  if (object.reach == Whom::Unknown) object.reach = known->reach;
}

/// "threading.Event" of "threading.Event.wait".
inline std::string_view owner_of(std::string_view call) {
  return call.substr(0, std::min(call.rfind('.'), call.size()));
}

/// What a method of that name waits for on such a thing.
inline Operation operation_of(std::string_view method, Resource kind) {
  if (kind == Resource::Queue)
    return method == "get"    ? Operation::Take
           : method == "put"  ? Operation::Put
           : method == "join" ? Operation::AwaitEnd
                              : Operation::None;
  if (method == "wait")
    return kind == Resource::Barrier ? Operation::AwaitParties : Operation::AwaitSignal;
  if (method == "acquire" && kind == Resource::Semaphore) return Operation::AwaitSignal;
  const bool by_turns =
      method == "acquire" || method == "notify" || method == "set" || method == "release";
  return by_turns ? Operation::Acquire : Operation::None;
}

inline std::string wants_of(const CallWords& row, const snapshot::RuntimeObject& object) {
  const std::string phrase(row.phrase);
  if (!phrase.ends_with(' ')) return phrase;
  if (!object.type.empty() && !object.name.empty())
    return phrase + object.type + " `" + object.name + "`";
  if (!row.nobody.empty()) return std::string(row.nobody);
  const std::string type(owner_of(row.call));
  return phrase + (type.starts_with('a') ? "an " : "a ") + type;
}

/// All that follows from the name of the call and the type of what it is called on; the part, where
/// the stack has not told it.
inline void add_words(snapshot::Activity& activity) {
  const std::string_view call = activity.call;
  snapshot::RuntimeObject& object = activity.object;
  const auto* row = std::ranges::find(kCalls, call, &CallWords::call);
  const bool is_row = row != std::end(kCalls);
  if (is_row && row->kind != Resource::Unknown) object.kind = row->kind;
  if (is_row && object.type.empty()) object.type = row->type;
  add_words(object);
  if (is_row && object.reach == Whom::Unknown) object.reach = row->reach;
  if (const KnownType* owner = find_type(owner_of(call)); owner != nullptr) {
    if (object.kind == Resource::Unknown) object.kind = owner->kind;
    if (object.reach == Whom::Unknown) object.reach = owner->reach;
  }
  const std::string* method = object.texts.find(snapshot::Text::Method);
  if (!is_row) {
    if (!call.empty())
      activity.operation = operation_of(call.substr(call.rfind('.') + 1), object.kind);
    return;
  }
  if (activity.part == Part::Program) activity.part = row->part;
  activity.in_loop = call.starts_with("asyncio.") && row->part == Part::Program;
  activity.wants = wants_of(*row, object);
  // A server's thread waits in the name of its client.
  activity.operation = row->part == Part::Server && method != nullptr
                           ? operation_of(*method, object.kind)
                           : row->operation;
}

}  // namespace ipcdoctor::runtime::cpython
