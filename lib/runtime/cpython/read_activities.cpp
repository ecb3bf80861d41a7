#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "runtime/cpython/coroutines.h"
#include "runtime/cpython/interpreter_impl.h"
#include "runtime/cpython/library_words.h"
#include "runtime/cpython/taken_locks.h"

namespace ipcdoctor::runtime::cpython {

using snapshot::Number;
using snapshot::Text;

// The word that a thread sleeps on, by /proc/PID/task/TID/syscall: "202 0xADDR ...".
std::optional<std::uint64_t> Interpreter::Impl::futex_of(Tid tid) const {
  if (tid.value == 0) return std::nullopt;
  const auto line = space.dir.read_record("task/" + std::to_string(tid.value) + "/syscall");
  if (!line || !line->starts_with("202 0x")) return std::nullopt;
  return std::strtoull(line->c_str() + 4, nullptr, 16);
}

Object Interpreter::Impl::local_of(const ThreadState& state, std::string_view function,
                                   std::string_view name) const {
  for (const PyFrame& f : state.frames) {
    if (f.library && f.code->name == function) return frames.local(f, name);
  }
  return 0;
}

// The object of that type that has this thread in one of the attributes.
Object Interpreter::Impl::object_with_thread(std::string_view type,
                                             std::initializer_list<std::string_view> attributes,
                                             const ThreadState& state) const {
  for (const Reached& r : reach.all()) {
    if (!r.type.starts_with(type)) continue;
    for (const std::string_view attribute : attributes) {
      const Object thread = objects.attribute(r.object, attribute);
      const auto ident =
          thread == 0 ? std::nullopt : objects.integer(objects.attribute(thread, "_ident"));
      if (ident && static_cast<std::uint64_t>(*ident) == state.ident) return r.object;
    }
  }
  return 0;
}

Object Interpreter::Impl::queue_of_feeder(Object thread) const {
  if (thread == 0) return 0;
  for (const Reached& r : reach.all()) {
    const bool queue =
        r.type == "multiprocessing.Queue" || r.type == "multiprocessing.JoinableQueue";
    if (queue && objects.attribute(r.object, "_thread") == thread) return r.object;
  }
  return 0;
}

// Goes from the object that the frame has to the one that objects.md promises.
void Interpreter::Impl::complete_activity(const ThreadState& state, Doing& doing) const {
  const std::string_view call = doing.call;
  const auto referent = [&](Object weak) {
    return types.is(weak, "weakref") ? remote.pointer(objects.member(weak, 16)) : weak;
  };
  if (call == "Pool.get" && types.is(doing.object, "Pool.result")) {
    doing.object = objects.attribute(doing.object, "_pool");
  } else if (call.starts_with("Pool.") && call.ends_with("_handler")) {
    doing.object = object_with_thread(
        "multiprocessing.Pool", {"_worker_handler", "_task_handler", "_result_handler"}, state);
  } else if (call == "Executor.worker.get" &&
             !types.of(doing.object).name.starts_with("multiprocessing.")) {
    doing.object = referent(local_of(state, "_worker", "executor_reference"));
  } else if (call == "Executor.manager") {
    doing.object = types.is(doing.object, "Executor.manager")
                       ? referent(objects.attribute(doing.object, "executor_reference"))
                       : 0;
  } else if (call.starts_with("multiprocessing.Queue.feed")) {
    doing.object = object_with_thread("multiprocessing.", {"_thread"}, state);
  } else if (call == "multiprocessing.exit.queue" ||
             (call == "multiprocessing.Queue.join_thread" && types.is(doing.object, "weakref"))) {
    doing.object = queue_of_feeder(referent(doing.object));
  }
}

// Whether the executor has this future among what it still has to do or is doing.
bool Interpreter::Impl::runs_future(const Reached& executor, Object future) const {
  const auto is_of = [&](Object item) {
    return item != 0 && objects.attribute(item, "future") == future;
  };
  bool found = false;
  if (executor.type == "ProcessPoolExecutor") {
    objects.each_entry(objects.attribute(executor.object, "_pending_work_items"),
                       [&](Object, Object item) {
                         found = is_of(item);
                         return !found;
                       });
    return found;
  }
  for (const ThreadState& state : states) {
    if (!is_of(local_of(state, "_worker", "work_item"))) continue;
    const Object weak = local_of(state, "_worker", "executor_reference");
    if (types.is(weak, "weakref") && remote.pointer(objects.member(weak, 16)) == executor.object)
      return true;
  }
  const Object queue = objects.attribute(executor.object, "_work_queue");
  if (!types.is(queue, "queue.SimpleQueue")) return false;
  const auto waiting = objects.simple_queue_items(queue, 4096);
  return std::ranges::any_of(waiting, is_of);
}

// Whether an event loop was asked for it: asyncio.run_coroutine_threadsafe() lets it cancel the
// task (asyncio/futures.py, _chain_future).
bool Interpreter::Impl::is_asked_of_loop(Object future) const {
  constexpr std::size_t kMost = 16;
  const auto callbacks = objects.items(objects.attribute(future, "_done_callbacks"), kMost);
  return std::ranges::any_of(callbacks, [&](Object callback) {
    return objects.function_name(callback) == "_call_check_cancel";
  });
}

void Interpreter::Impl::add_details(const ThreadState& state, const Doing& doing,
                                    snapshot::RuntimeObject& object) const {
  if (!doing.detail.empty()) object.texts.set(Text::Method, escape_untrusted(doing.detail));
  if (doing.call == "Manager.call") {
    const auto fd =
        objects.integer(objects.attribute(local_of(state, "_callmethod", "conn"), "_handle"));
    if (fd && *fd >= 0) object.numbers.set(Number::SocketFd, *fd);
  }
  if (doing.call == "Executor.result" && doing.object != 0) {
    for (const Reached& r : reach.all()) {
      const bool executor = r.type == "ThreadPoolExecutor" || r.type == "ProcessPoolExecutor";
      if (executor && runs_future(r, doing.object))
        object.numbers.set(Number::Doer, static_cast<std::int64_t>(r.object));
    }
  }
  for (const auto& [worker, task] :
       {std::pair{"worker", "job"}, {"_process_worker", "call_item"}, {"_worker", "work_item"}}) {
    const Object initializer = local_of(state, worker, "initializer");
    if (initializer != 0 && !objects.is_none(initializer) && local_of(state, worker, task) == 0)
      object.numbers.set(Number::Initializes, 1);
  }
  const bool maps = std::ranges::any_of(state.frames, [](const PyFrame& f) {
    return f.library && (f.code->name == "map" || f.code->name == "starmap") &&
           f.code->file.ends_with("/multiprocessing/pool.py");
  });
  if (doing.call == "Pool.get" && maps) object.numbers.set(Number::Maps, 1);
  if (doing.call.starts_with("asyncio.")) {
    object.numbers.set(Number::OfTask, state.awaits_task ? 1 : 0);
    std::size_t ring = 0;
    if (doing.call.ends_with(".acquire")) {
      const auto tasks = read_tasks(modules, state.frames, frames, objects);
      ring = ring_of_tasks(doing.object, tasks, frames, objects, types, runtime);
    }
    if (ring > 0) object.numbers.set(Number::Ring, static_cast<std::int64_t>(ring));
  }
}

snapshot::Activity Interpreter::Impl::describe_activity(ThreadState& state) const {
  snapshot::Activity activity;
  state.doing = find_activity(state.frames, frames, objects, types);
  complete_activity(state, state.doing);
  Doing& doing = state.doing;
  activity.part = part_of(state.frames);
  if (doing.call.empty() && state.awaits) doing.call = "asyncio.idle";
  if (doing.call.empty()) {
    // The user's code called a method that is written in C: the futex tells which object's.
    const auto futex = futex_of(state.tid);
    const LockObject lock = futex ? lock_of(&state, *futex) : LockObject{};
    if (lock.object == 0 || lock.type == "io.Buffered") return activity;
    doing.object = lock.object;
    // The class that wraps it, if that was reached, tells a Lock from a Semaphore.
    const std::string type = lock.type == "multiprocessing.SemLock"
                                 ? "multiprocessing." + sem_lock_class(lock.object)
                                 : std::string(lock.type);
    doing.call = type + (type == "queue.SimpleQueue" ? ".get" : ".acquire");
  }
  activity.call = doing.call;
  const Type type = types.of(doing.object);
  if (type.role == Role::Library) {
    const Describer describer(objects, types, tids, tids_complete);
    activity.object = describer.describe({doing.object, type.name, reach.name_of(doing.object)});
  }
  if (activity.object.type == "multiprocessing.SemLock") {
    activity.object.type = activity.call.substr(0, activity.call.rfind('.'));
    if (activity.object.name.ends_with("._semlock"))
      activity.object.name.resize(activity.object.name.size() - 9);
  }
  add_details(state, doing, activity.object);
  if (const std::string outer = enclosing(doing.call, state.frames); !outer.empty())
    activity.object.texts.set(Text::Enclosing, outer);
  add_words(activity);
  // Tasks that wait for each other's semaphores use them as locks.
  if (activity.object.numbers.contains(Number::Ring))
    activity.operation = snapshot::Operation::Acquire;
  if (activity.object.kind == snapshot::Resource::Future &&
      !activity.object.numbers.contains(Number::Doer) && !is_asked_of_loop(doing.object))
    activity.operation = snapshot::Operation::AwaitValue;
  return activity;
}

}  // namespace ipcdoctor::runtime::cpython
