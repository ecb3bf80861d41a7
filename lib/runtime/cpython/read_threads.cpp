#include <algorithm>

#include "base/text.h"
#include "runtime/cpython/coroutines.h"
#include "runtime/cpython/interpreter_impl.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {

using snapshot::Number;
namespace {

// Objects that are followed in a process: those that user code names, and in all.
constexpr std::size_t kUserObjects = 3000;
constexpr std::size_t kAllObjects = 4000;
constexpr std::size_t kMaxDescribed = 512;
constexpr std::size_t kMaxAllFrames = 200'000;  // of all threads of a process

// Objects that tell nothing by themselves: those inside others of the library, and what only the
// library's frames name.
bool is_part(const Reached& r) {
  if (r.type == "multiprocessing.SemLock" || r.type == "multiprocessing.Process" ||
      r.type == "threading.Thread")
    return false;
  const bool whole =
      r.type == "multiprocessing.Pool" || r.type.ends_with("Executor") || r.type.ends_with("Queue");
  // The program, and an event loop, may call what is theirs so, too.
  const bool own = whole && r.part_of.empty();
  if (r.name.find("._") != std::string::npos && !own) return true;
  return r.name.empty() && !whole;
}

// Where the semaphore's word is in shared memory: the same for all processes that map it
// (snapshot::PageId).
void add_page(const std::vector<linux::Mapping>& maps, snapshot::RuntimeObject& object) {
  const std::int64_t* handle = object.numbers.find(Number::Handle);
  if (handle == nullptr) return;
  const auto address = static_cast<std::uint64_t>(*handle);
  const linux::Mapping* mapping = linux::find_mapping(maps, RemoteAddr{address});
  if (mapping == nullptr || !mapping->shared) return;
  object.numbers.set(Number::PageDev, static_cast<std::int64_t>(mapping->dev));
  object.numbers.set(Number::PageIno, static_cast<std::int64_t>(mapping->ino));
  object.numbers.set(Number::PageOffset,
                     static_cast<std::int64_t>(address - mapping->start + mapping->offset));
}

void mark_inherited(const std::vector<PyFrame>& frames, std::vector<snapshot::Frame>& out) {
  for (std::size_t i = own_frames(frames); i < out.size(); ++i) out[i].user_code = false;
}

}  // namespace

Interpreter::Impl::Impl(const linux::AddressSpace& target, Runtime found)
    : space(target),
      runtime(std::move(found)),
      remote(target.memory),
      objects(remote, runtime.layout),
      frames(objects),
      types(objects),
      reach(objects, types, frames),
      modules(remote.pointer(runtime.interpreter + runtime.layout.interp_modules)) {}

ThreadState Interpreter::Impl::read_state(std::uint64_t address,
                                          std::span<const NativeThread> native,
                                          std::size_t& budget) {
  const Layout& l = runtime.layout;
  ThreadState state;
  state.address = address;
  state.ident = remote.word(address + l.thread_ident);
  const std::uint64_t native_id =
      l.thread_native_id == 0 ? 0 : remote.word(address + l.thread_native_id);
  state.tid = match_thread(remote, space, native, state.ident, native_id);
  state.frames = frames.read(address, std::min(budget, kMaxFrames));
  budget -= state.frames.size();
  auto awaited = read_awaited(state.frames, frames, objects);
  state.awaits = !awaited.frames.empty();
  state.awaits_task = awaited.tasks > 1;
  state.frames.insert(state.frames.begin(), std::make_move_iterator(awaited.frames.begin()),
                      std::make_move_iterator(awaited.frames.end()));
  return state;
}

// A thread that calls into a sub-interpreter has a state in both: what runs there is further in.
void Interpreter::Impl::read_states(std::span<const NativeThread> native) {
  const Layout& l = runtime.layout;
  std::size_t budget = kMaxAllFrames;
  const ThreadStates main = read_thread_states(remote, l, runtime.interpreter);
  tids_complete = main.complete;
  for (const std::uint64_t address : main.addresses) {
    states.push_back(read_state(address, native, budget));
    tids.emplace(states.back().ident, states.back().tid);
  }
  main_states = states.size();
  for (auto at = runtime.sub_interpreters.rbegin(); at != runtime.sub_interpreters.rend(); ++at) {
    const ThreadStates sub = read_thread_states(remote, l, *at);
    tids_complete = tids_complete && sub.complete;
    for (const std::uint64_t address : sub.addresses) {
      ThreadState inner = read_state(address, native, budget);
      if (inner.tid.value == 0 || inner.frames.empty()) continue;
      const auto outer = std::ranges::find(states, inner.tid, &ThreadState::tid);
      if (outer == states.end()) {
        tids.emplace(inner.ident, inner.tid);
        states.push_back(std::move(inner));
      } else {
        outer->frames.insert(outer->frames.begin(), std::make_move_iterator(inner.frames.begin()),
                             std::make_move_iterator(inner.frames.end()));
      }
    }
  }
}

// What user code names is followed first, so that it keeps its names and its share of the budget.
void Interpreter::Impl::reach_objects() {
  for (const ThreadState& state : states) reach.add_user_roots(state.frames);
  if (const Object main = objects.entry(modules, "__main__"); main != 0)
    reach.add_module(remote.pointer(objects.member(main, 16)));
  reach.add_root(module_global(objects, modules, "sys", "stdout"), "sys.stdout");
  reach.add_root(module_global(objects, modules, "sys", "stderr"), "sys.stderr");
  reach.walk(kUserObjects);
  for (const ThreadState& state : states) reach.add_library_roots(state.frames);
  reach.walk(kAllObjects);
}

void Interpreter::Impl::index_locks() {
  for (const Reached& r : reach.all()) {
    const LockObject lock = read_lock(objects, types, r.object);
    if (lock.futex != 0) locks.emplace(lock.futex, lock);
  }
  for (ThreadState& state : states) {
    state.held = read_held_locks(state.frames, frames, objects, types);
    for (const auto& [futex, lock] : locks) {
      if (lock.owner != 0 && lock.owner == state.ident) state.held.push_back(lock);
    }
  }
}

Result<std::vector<PythonThread>> Interpreter::Impl::read_threads(
    std::span<const NativeThread> native, Extent extent) {
  const auto leader =
      std::ranges::find(native, space.pid.value, [](const NativeThread& t) { return t.tid.value; });
  ns_pid = leader == native.end() ? 0 : leader->ns_tid;
  states.clear();
  tids.clear();
  locks.clear();
  read_states(native);
  if (states.empty())
    return Error{Cause::Gone, 0, "read the threads of CPython in " + space.dir.path()};
  if (extent == Extent::All) {
    reach_objects();
    index_locks();
  }
  const auto names = read_thread_names(objects, modules);
  std::vector<PythonThread> out;
  for (ThreadState& state : states) {
    PythonThread thread;
    thread.tid = state.tid;
    if (const auto name = names.find(state.ident); name != names.end()) thread.name = name->second;
    auto described = describe(state.frames);
    mark_inherited(state.frames, described);
    thread.frames = std::move(described);
    if (extent == Extent::All) thread.activity = describe_activity(state);
    if (thread.activity.call.starts_with("multiprocessing.") &&
        thread.activity.call.ends_with(".acquire"))
      std::ranges::copy(read_acquired_semaphores(state.frames, frames, objects, types, runtime),
                        std::back_inserter(state.held));
    for (const LockObject& lock : state.held) {
      const RemoteAddr object{lock.object};
      if (std::ranges::find(thread.held_locks, object) != thread.held_locks.end()) continue;
      thread.held_locks.push_back(object);
      thread.held_locks.push_back(RemoteAddr{lock.futex});
    }
    out.push_back(std::move(thread));
  }
  return out;
}

// Python/pystate.c, 3.11 to 3.15: threads.next_unique_id counts every thread state that was made,
// and stands right before threads.head.
std::optional<std::uint32_t> Interpreter::Impl::ended_threads() const {
  constexpr std::uint64_t kMost = 1'000'000'000;
  const Layout& l = runtime.layout;
  if (l.minor < 11 || !tids_complete) return std::nullopt;
  const auto made = remote.find<std::uint64_t>(runtime.interpreter + l.interp_threads - 8);
  if (!made || *made < main_states || *made > kMost) return std::nullopt;
  return static_cast<std::uint32_t>(*made - main_states);
}

// A Process object lives on in forked children of its maker, where it tells nothing: a pool of n
// workers has n * n / 2 of them.
bool Interpreter::Impl::is_copy(const Reached& r) const {
  if (r.type != "multiprocessing.Process") return false;
  const auto maker = objects.integer(objects.attribute(r.object, "_parent_pid"));
  return maker && *maker != space.pid.value && *maker != ns_pid;
}

std::vector<snapshot::RuntimeObject> Interpreter::Impl::read_objects() {
  const Describer describer(objects, types, tids, tids_complete);
  std::vector<snapshot::RuntimeObject> out;
  for (const Reached& r : reach.all()) {
    if (out.size() >= kMaxDescribed) break;
    const bool internal = r.type == "weakref" || r.type.starts_with("io.") ||
                          r.type == "Pool.result" || r.type == "multiprocessing.Popen" ||
                          r.type == "Executor.manager";
    if (internal || is_part(r) || is_copy(r)) continue;
    auto object = describer.describe(r);
    if (r.type == "multiprocessing.SemLock") {
      if (object.numbers.get_or(Number::Count, 0) == 0) continue;
      add_page(space.maps(), object);
    }
    out.push_back(std::move(object));
  }
  return out;
}

}  // namespace ipcdoctor::runtime::cpython
