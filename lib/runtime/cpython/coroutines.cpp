#include "runtime/cpython/coroutines.h"

#include <algorithm>
#include <unordered_set>

#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

constexpr std::size_t kMaxAwaited = 256;  // frames, and tasks
constexpr std::uint64_t kMaxTaskSize = 512;

bool is_coroutine(const std::string& type) {
  return type == "coroutine" || type == "generator" || type == "async_generator";
}

/// The coroutine behind what `await` leaves on the value stack. Objects/genobject.c: a
/// coroutine_wrapper, and the objects of `async for`, have it right behind their header.
Object unwrap(const Objects& objects, Object awaited) {
  const std::string type = objects.type_name(awaited);
  const bool wraps = type == "coroutine_wrapper" || type == "async_generator_asend" ||
                     type == "async_generator_athrow" || type == "anext_awaitable";
  return wraps ? objects.remote().pointer(objects.member(awaited, 16)) : awaited;
}

std::uint64_t size_of(const Objects& objects, Object task) {
  const std::uint64_t tp_basicsize = objects.member(objects.type_of(task), 32);
  return std::min(objects.remote().word(tp_basicsize), kMaxTaskSize);
}

struct Task {
  Object coroutine = 0;
  Object waiter = 0;  ///< the future that it awaits
};

/// TaskObj of Modules/_asynciomodule.c has task_fut_waiter right before task_coro in 3.8 to 3.15,
/// at different offsets. Those of uvloop and others are tasks of asyncio, too.
Task read_task(const Objects& objects, Object task) {
  const Remote& remote = objects.remote();
  const std::uint64_t size = size_of(objects, task);
  for (std::uint64_t at = objects.member(0, 24); at + 8 <= size; at += 8) {
    const Object object = remote.pointer(task + at);
    if (object == 0 || !is_coroutine(objects.type_name(object))) continue;
    const Object waiter = remote.pointer(task + at - 8);
    return {object, objects.is_a(waiter, "Future") || objects.is_a(waiter, "Task") ? waiter : 0};
  }
  return {};
}

/// A task and those that are linked with it. Since 3.14 a thread's tasks are nodes of a list that
/// goes round through a head which is none (TaskObj.task_node; llist_node of pycore_llist.h is
/// {next, prev}). Where the node is, its links tell: both neighbours point back at it.
std::vector<Object> linked_tasks(const Objects& objects, Object task) {
  const Remote& remote = objects.remote();
  const std::uint64_t size = size_of(objects, task);
  for (std::uint64_t at = objects.member(0, 24); at + 16 <= size; at += 8) {
    const std::uint64_t node = task + at;
    std::uint64_t next = remote.pointer(node);
    const std::uint64_t prev = remote.pointer(node + 8);
    const bool linked = next != 0 && prev != 0 && next != node &&
                        remote.pointer(next + 8) == node && remote.pointer(prev) == node;
    if (!linked) continue;
    std::vector<Object> tasks{task};
    for (; next != 0 && next != node && tasks.size() < kMaxAwaited; next = remote.pointer(next))
      if (objects.is_a(next - at, "Task")) tasks.push_back(next - at);
    return tasks;
  }
  return {};
}

/// The frame of asyncio's run_until_complete(), or the end.
std::vector<PyFrame>::const_iterator loop_of(const std::vector<PyFrame>& thread) {
  return std::ranges::find_if(thread, [](const PyFrame& f) {
    return f.library && f.code->name == "run_until_complete" &&
           f.code->file.ends_with("/asyncio/base_events.py");
  });
}

class Chain {
 public:
  Chain(const Frames& reader, const Objects& objects) : reader_(reader), objects_(objects) {}

  Awaited follow(Object future) {
    for (std::size_t i = 0; future != 0 && i < kMaxAwaited && seen_.insert(future).second; ++i)
      future = next(future);
    return innermost_first();
  }

  /// Not through other tasks.
  std::vector<PyFrame> of_task(Object task) {
    add_frames(read_task(objects_, task).coroutine);
    return innermost_first().frames;
  }

 private:
  Awaited innermost_first() {
    std::ranges::reverse(frames_);
    return {std::move(frames_), tasks_};
  }

  Object next(Object future) {
    if (objects_.is_a(future, "_GatheringFuture")) return first_pending(future);
    const Task task = read_task(objects_, future);
    if (task.coroutine == 0) return one_of_many();
    ++tasks_;
    add_frames(task.coroutine);
    return task.waiter;
  }

  void add_frames(Object coroutine) {
    while (coroutine != 0 && frames_.size() < kMaxAwaited && seen_.insert(coroutine).second) {
      if (!is_coroutine(objects_.type_name(coroutine))) return;
      const auto frame = reader_.suspended(coroutine);
      if (!frame) return;
      frames_.push_back(*frame);
      coroutine = unwrap(objects_, reader_.top_of_stack(*frame));
    }
  }

  /// The innermost frame waits for all tasks of a TaskGroup, or in asyncio.wait(): one that has not
  /// ended.
  Object one_of_many() const {
    if (frames_.empty() || !frames_.back().library) return 0;
    const PyFrame& frame = frames_.back();
    const std::string& file = frame.code->file;
    const bool leaves = frame.code->name == "__aexit__" || frame.code->name == "_aexit";  // 3.13
    if (leaves && file.ends_with("/asyncio/taskgroups.py"))
      return pending(objects_.attribute(reader_.local(frame, "self"), "_tasks"));
    if (frame.code->name == "_wait" && file.ends_with("/asyncio/tasks.py"))
      return pending(reader_.local(frame, "fs"));
    return 0;
  }

  Object first_pending(Object gathering) const {
    return pending(objects_.attribute(gathering, "_children"));
  }

  Object pending(Object tasks) const {
    for (const Object child : objects_.items(tasks, kMaxAwaited)) {
      const Task task = read_task(objects_, child);
      if (task.coroutine != 0 && reader_.suspended(task.coroutine)) return child;
    }
    return 0;
  }

  const Frames& reader_;
  const Objects& objects_;
  std::unordered_set<Object> seen_;
  std::vector<PyFrame> frames_;
  std::size_t tasks_ = 0;
};

}  // namespace

Awaited read_awaited(const std::vector<PyFrame>& thread, const Frames& reader,
                     const Objects& objects) {
  const auto loop = loop_of(thread);
  const bool idle = !thread.empty() && thread.front().code->name == "select";
  if (loop == thread.end() || !idle) return {};
  return Chain(reader, objects).follow(reader.local(*loop, "future"));
}

std::vector<std::vector<PyFrame>> read_tasks(Object modules, const std::vector<PyFrame>& thread,
                                             const Frames& reader, const Objects& objects) {
  std::vector<Object> tasks;
  const auto loop = loop_of(thread);
  if (loop != thread.end()) tasks = linked_tasks(objects, reader.local(*loop, "future"));
  for (const char* name : {"_scheduled_tasks", "_all_tasks"}) {  // 3.12 and 3.13, and before
    if (!tasks.empty()) break;
    const Object set = module_global(objects, modules, "asyncio.tasks", name);
    for (const Object reference : objects.items(objects.attribute(set, "data"), kMaxAwaited))
      tasks.push_back(objects.remote().pointer(objects.member(reference, 16)));  // wr_object
  }
  std::vector<std::vector<PyFrame>> suspended;
  for (const Object task : tasks) {
    auto frames = Chain(reader, objects).of_task(task);
    if (!frames.empty()) suspended.push_back(std::move(frames));
  }
  return suspended;
}

}  // namespace ipcdoctor::runtime::cpython
