#include "probes/internal/pools.h"

#include <algorithm>

#include "probes/internal/dead_ones.h"
#include "probes/internal/function_name.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::Frame;
using snapshot::RuntimeObject;

bool waits_for_a_pool(const std::string& call) {
  return call == "Pool.get" || call == "Pool.join" || call == "Executor.result" ||
         call == "Executor.wait" || call == "Executor.shutdown" || call == "Executor.exit";
}

const RuntimeObject* object_at(const Process& process, std::uint64_t address) {
  const auto it = std::ranges::find_if(
      process.python.objects, [&](const RuntimeObject& o) { return o.address.value == address; });
  return address == 0 || it == process.python.objects.end() ? nullptr : &*it;
}

const RuntimeObject* only_executor(const Process& process) {
  const RuntimeObject* found = nullptr;
  for (const RuntimeObject& object : process.python.objects) {
    if (object.type != "ThreadPoolExecutor" && object.type != "ProcessPoolExecutor") continue;
    if (found != nullptr) return nullptr;
    found = &object;
  }
  return found;
}

const RuntimeObject* pool_object(const Member& waiter) {
  const RuntimeObject& object = waiter.thread->activity.object;
  if (is_pool_type(object.type)) {
    const RuntimeObject* whole = object_at(*waiter.process, object.address.value);
    return whole != nullptr && whole->numbers.size() > object.numbers.size() ? whole : &object;
  }
  if (const std::int64_t* executor = object.numbers.find(Number::Executor))
    if (const RuntimeObject* found =
            object_at(*waiter.process, static_cast<std::uint64_t>(*executor)))
      return found;
  return waiter.thread->activity.call.starts_with("Executor.") ? only_executor(*waiter.process)
                                                               : nullptr;
}

bool is_worker_call(const std::string& call) {
  return call.starts_with("Pool.worker.") || call.starts_with("Executor.worker.");
}

bool has_worker_frame(const Thread& thread) {
  return thread.python && std::ranges::any_of(*thread.python, [](const Frame& f) {
           const bool library = f.file.ends_with("multiprocessing/pool.py") ||
                                f.file.ends_with("concurrent/futures/thread.py") ||
                                f.file.ends_with("concurrent/futures/process.py");
           return library && (is_function(f, "worker") || is_function(f, "_worker") ||
                              is_function(f, "_process_worker"));
         });
}

/// Every idle worker of a Pool queues for one pipe: the first reads it, the others wait for its
/// lock.
bool is_idle(const Thread& thread) {
  return thread.activity.call == "Pool.worker.get" || thread.activity.call == "Executor.worker.get";
}

void find_workers(const Context& context, Pool& pool) {
  if (pool.of_threads) {
    // The main thread of a process may be the worker of a pool of processes that its parent has.
    for (const Thread& thread : pool.owner->threads)
      if (thread.tid.value != pool.owner->pid.value &&
          (is_worker_call(thread.activity.call) || has_worker_frame(thread)))
        pool.threads.push_back(&thread);
    return;
  }
  for (const std::int64_t pid : pool.object->worker_pids)
    if (const Process* worker = living_process(context, *pool.owner, pid))
      pool.workers.push_back(worker);
}

}  // namespace

bool is_pool_type(const std::string& type) {
  return type == "multiprocessing.Pool" || type == "ThreadPoolExecutor" ||
         type == "ProcessPoolExecutor";
}

std::optional<Pool> awaited_pool(const Context& context, const Member& waiter) {
  if (!waits_for_a_pool(waiter.thread->activity.call)) return std::nullopt;
  Pool pool;
  pool.owner = waiter.process;
  pool.object = pool_object(waiter);
  if (pool.object == nullptr || !is_pool_type(pool.object->type)) return std::nullopt;
  pool.of_threads = pool.object->type == "ThreadPoolExecutor" ||
                    pool.object->numbers.get_or(Number::IsThreadPool, 0) == 1;
  const std::string short_type = pool.object->type.substr(pool.object->type.rfind('.') + 1);
  pool.name =
      "the " + short_type + (pool.object->name.empty() ? "" : " `" + pool.object->name + "`");
  find_workers(context, pool);
  return pool;
}

const Thread* working_thread(const Process& worker) {
  for (const Thread& thread : worker.threads)
    if (is_worker_call(thread.activity.call) || has_worker_frame(thread)) return &thread;
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
  return !threads.empty() && std::ranges::none_of(threads, [](const Thread* t) {
    return is_worker_call(t->activity.call);
  }) && std::ranges::all_of(tasks, [&](const TaskRef& task) { return is_member(members, task); });
}

}  // namespace ipcdoctor::probes
