#include "probes/internal/pools.h"

#include <algorithm>

#include "probes/internal/dead_ones.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Operation;
using snapshot::Resource;
using snapshot::RuntimeObject;

const RuntimeObject* object_at(const Process& process, std::uint64_t address) {
  const auto it = std::ranges::find_if(process.interpreter.objects, [&](const RuntimeObject& o) {
    return o.address.value == address;
  });
  return address == 0 || it == process.interpreter.objects.end() ? nullptr : &*it;
}

const RuntimeObject* only_executor(const Process& process) {
  const RuntimeObject* found = nullptr;
  for (const RuntimeObject& object : process.interpreter.objects) {
    if (object.kind != Resource::FuturesPool) continue;
    if (found != nullptr) return nullptr;
    found = &object;
  }
  return found;
}

const RuntimeObject* pool_object(const Member& waiter) {
  const RuntimeObject& object = waiter.thread->activity.object;
  if (is_pool(object)) {
    const RuntimeObject* whole = object_at(*waiter.process, object.address.value);
    return whole != nullptr && whole->numbers.size() > object.numbers.size() ? whole : &object;
  }
  if (const std::int64_t* executor = object.numbers.find(Number::Doer))
    if (const RuntimeObject* found =
            object_at(*waiter.process, static_cast<std::uint64_t>(*executor)))
      return found;
  const bool by_future = object.kind == Resource::Future || object.kind == Resource::FuturesPool;
  return by_future ? only_executor(*waiter.process) : nullptr;
}

bool is_worker(const Thread& thread) {
  return thread.activity.part == snapshot::Part::Worker;
}

/// Between two tasks: it waits for the next one, or hands on what came of the last one.
bool is_between_tasks(const Thread& thread) {
  const snapshot::Activity& activity = thread.activity;
  const bool own = activity.operation == Operation::Serve || activity.operation == Operation::Put;
  return is_worker(thread) && own && is_pool(activity.object);
}

/// Every idle worker of a Pool queues for one pipe: the first reads it, the others wait for its
/// lock.
bool is_idle(const Thread& thread) {
  return is_worker(thread) && thread.activity.operation == Operation::Serve;
}

void find_workers(const Context& context, Pool& pool) {
  if (pool.of_threads) {
    // The main thread of a process may be the worker of a pool of processes that its parent has.
    for (const Thread& thread : pool.owner->threads)
      if (thread.tid.value != pool.owner->pid.value && is_worker(thread))
        pool.threads.push_back(&thread);
    return;
  }
  for (const std::int64_t pid : pool.object->worker_pids)
    if (const Process* worker = living_process(context, *pool.owner, pid))
      pool.workers.push_back(worker);
}

}  // namespace

bool is_pool(const RuntimeObject& object) {
  return object.kind == Resource::Pool || object.kind == Resource::FuturesPool;
}

bool waits_for_a_pool(const snapshot::Activity& activity) {
  const bool waits = activity.operation == Operation::AwaitResult ||
                     activity.operation == Operation::AwaitValue ||
                     activity.operation == Operation::AwaitEnd;
  return waits && (is_pool(activity.object) || activity.object.kind == Resource::Future);
}

std::optional<Pool> awaited_pool(const Context& context, const Member& waiter) {
  if (!waits_for_a_pool(waiter.thread->activity)) return std::nullopt;
  Pool pool;
  pool.owner = waiter.process;
  pool.object = pool_object(waiter);
  if (pool.object == nullptr || !is_pool(*pool.object)) return std::nullopt;
  pool.of_threads = pool.object->reach == snapshot::Reach::Memory;
  const std::string short_type = pool.object->type.substr(pool.object->type.rfind('.') + 1);
  pool.name =
      "the " + short_type + (pool.object->name.empty() ? "" : " `" + pool.object->name + "`");
  find_workers(context, pool);
  return pool;
}

const Thread* working_thread(const Process& worker) {
  for (const Thread& thread : worker.threads)
    if (is_worker(thread)) return &thread;
  return worker.threads.empty() ? nullptr : &worker.threads.front();
}

bool all_idle(const Pool& pool) {
  std::vector<const Thread*> threads = pool.threads;
  for (const Process* worker : pool.workers) threads.push_back(working_thread(*worker));
  return !threads.empty() &&
         std::ranges::all_of(threads, [](const Thread* t) { return t != nullptr && is_idle(*t); });
}

bool all_busy_and_stuck(const Pool& pool, const Members& members) {
  std::vector<TaskRef> tasks;
  std::vector<const Thread*> threads = pool.threads;
  for (const Thread* thread : pool.threads) tasks.push_back({pool.owner->pid, thread->tid});
  for (const Process* worker : pool.workers) {
    const Thread* thread = working_thread(*worker);
    if (thread == nullptr) return false;
    threads.push_back(thread);
    tasks.push_back({worker->pid, thread->tid});
  }
  return !threads.empty() &&
         std::ranges::none_of(threads, [](const Thread* t) { return is_between_tasks(*t); }) &&
         std::ranges::all_of(tasks, [&](const TaskRef& task) { return is_member(members, task); });
}

}  // namespace ipcdoctor::probes
