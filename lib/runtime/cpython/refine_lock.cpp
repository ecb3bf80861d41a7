#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "runtime/cpython/interpreter_impl.h"
#include "runtime/cpython/taken_locks.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {
namespace {

using snapshot::LockKind;
using snapshot::Ownership;

std::string hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

std::string label(std::string_view type, const std::string& name) {
  return std::string(type) + (name.empty() ? std::string() : " `" + escape_untrusted(name) + "`");
}

}  // namespace

const ThreadState* Interpreter::Impl::state_of(Tid tid) const {
  for (const ThreadState& state : states) {
    if (state.tid == tid && tid.value != 0) return &state;
  }
  return nullptr;
}

// From 3.13 on some waits, from 3.14 on those of all locks, sleep on a semaphore in their own stack
// frame: struct wait_entry {park_arg, addr, sema} of Python/parking_lot.c, where addr is the object
// that is waited for. 0 = not such a wait.
std::uint64_t Interpreter::Impl::parked_address(const ThreadState& state,
                                                std::uint64_t futex) const {
  if (runtime.layout.minor < 13) return 0;
  const linux::Mapping* stack = linux::find_mapping(space.maps(), RemoteAddr{futex});
  if (stack == nullptr || (stack->path != "[stack]" &&
                           stack != linux::find_mapping(space.maps(), RemoteAddr{state.ident})))
    return 0;
  const std::uint64_t address = remote.word(futex - 8);
  const bool is_mapped =
      address >= 4096 && linux::find_mapping(space.maps(), RemoteAddr{address}) != nullptr;
  return is_mapped ? address : 0;
}

LockObject Interpreter::Impl::lock_of(const ThreadState* state, std::uint64_t futex) const {
  if (const auto found = locks.find(futex); found != locks.end()) return found->second;
  if (state == nullptr) return {};
  const std::uint64_t parked = parked_address(*state, futex);
  if (const auto found = locks.find(parked); found != locks.end()) return found->second;
  return find_lock_in_frames(state->frames, parked != 0 ? parked : futex, frames, objects, types);
}

// The owner by its ident. One that has no thread state here has ended, or stayed behind in the
// parent at a fork: then the lock is a copy that nobody can release. The collection, which sees the
// parent, tells the two apart.
void Interpreter::Impl::set_owner(std::uint64_t ident, Pid pid, snapshot::Lock& lock) const {
  if (ident == 0) return;
  const auto found = tids.find(ident);
  if (found == tids.end()) {
    lock.ownership = tids_complete ? Ownership::Dead : Ownership::Unreadable;
    lock.checked = tids_complete;
  } else if (found->second.value == 0) {
    lock.ownership = Ownership::Unreadable;
  } else {
    lock.ownership = Ownership::Known;
    lock.owners = {{pid, found->second}};
    lock.checked = true;
  }
}

bool Interpreter::Impl::refine_gil(const snapshot::TaskRef& waiter, std::uint64_t futex,
                                   snapshot::Lock& lock) const {
  const Layout& l = runtime.layout;
  const std::uint64_t gil = l.gil_in_runtime != 0
                                ? runtime.address + l.gil_in_runtime
                                : remote.pointer(runtime.interpreter + l.gil_in_interp);
  // The condition and the mutex of take_gil() begin 16 bytes behind `locked`; behind them is what a
  // thread that gives it up waits on.
  const std::uint64_t condition = gil + l.gil_locked + 16;
  if (gil == 0 || futex < condition || futex >= condition + 88) return false;
  lock.kind = LockKind::InterpreterLock;
  lock.name = "the GIL";
  lock.address = RemoteAddr{gil};
  lock.ownership = Ownership::Unreadable;
  const std::uint64_t holder = remote.pointer(gil + l.gil_holder);
  const int locked = remote.get<int>(gil + l.gil_locked);
  lock.evidence = "gil.locked " + std::to_string(locked) + ", last_holder " + hex(holder);
  if (locked != 1) return true;
  for (const ThreadState& state : states) {
    if (state.address != holder || state.tid.value == 0 || state.tid == waiter.tid) continue;
    lock.ownership = Ownership::Known;
    lock.owners = {{waiter.pid, state.tid}};
    lock.checked = true;
  }
  return true;
}

bool Interpreter::Impl::refine_import(const ThreadState& state, Pid pid,
                                      snapshot::Lock& lock) const {
  const Object module_lock = local_of(state, "acquire", "self");
  if (!types.is(module_lock, "import lock")) return false;
  const auto name = objects.string(objects.attribute(module_lock, "name"), 256);
  lock.kind = LockKind::ImportLock;
  lock.name = label("import lock of module", name.value_or(std::string()));
  lock.address = RemoteAddr{module_lock};
  const auto owner = objects.integer(objects.attribute(module_lock, "owner"));
  lock.evidence = "_ModuleLock.owner " +
                  (owner ? hex(static_cast<std::uint64_t>(*owner)) : std::string("None"));
  if (owner) set_owner(static_cast<std::uint64_t>(*owner), pid, lock);
  return true;
}

Object Interpreter::Impl::thread_with_lock(Object tstate_lock) const {
  Object thread = 0;
  objects.each_entry(module_global(objects, modules, "threading", "_active"),
                     [&](Object, Object value) {
                       if (objects.attribute(value, "_tstate_lock") == tstate_lock) thread = value;
                       return thread == 0;
                     });
  return thread;
}

// Up to 3.12 a join waits for the lock that a thread state releases at its end.
bool Interpreter::Impl::refine_join(const ThreadState& state, Pid pid, const LockObject& found,
                                    std::uint64_t futex, snapshot::Lock& lock) const {
  if (found.type != "threading.Lock") return false;
  Object thread = local_of(state, "_wait_for_tstate_lock", "self");
  if (thread == 0 || objects.attribute(thread, "_tstate_lock") != found.object)
    thread = thread_with_lock(found.object);
  if (thread == 0) return false;
  const auto ident = objects.integer(objects.attribute(thread, "_ident"));
  lock.kind = LockKind::ThreadJoin;
  lock.name =
      label("end of thread",
            objects.string(objects.attribute(thread, "_name"), 128).value_or(std::string()));
  lock.address = RemoteAddr{found.object};
  lock.evidence = "_tstate_lock at " + hex(found.object) + ", futex " + hex(futex);
  if (ident) set_owner(static_cast<std::uint64_t>(*ident), pid, lock);
  return true;
}

bool Interpreter::Impl::refine_parked(const ThreadState& state, Pid pid, std::uint64_t futex,
                                      snapshot::Lock& lock) const {
  const std::uint64_t address = parked_address(state, futex);
  if (address == 0) return false;
  lock.kind = LockKind::Parked;
  lock.address = RemoteAddr{address};
  lock.evidence = "parking lot entry at " + hex(futex - 16) + " waits for " + hex(address);
  if (state.doing.call != "threading.Thread.join" ||
      !types.is(state.doing.object, "threading.Thread"))
    return true;
  const auto ident = objects.integer(objects.attribute(state.doing.object, "_ident"));
  lock.kind = LockKind::ThreadJoin;
  lock.name = label(
      "end of thread",
      objects.string(objects.attribute(state.doing.object, "_name"), 128).value_or(std::string()));
  if (ident) set_owner(static_cast<std::uint64_t>(*ident), pid, lock);
  return true;
}

// A BoundedSemaphore(1), such as the room of a Queue(1), has the numbers of a Lock, but it is not
// for its holder to release.
std::string Interpreter::Impl::sem_lock_class(Object sem_lock) const {
  constexpr std::uint64_t kMaxValue = 36, kKind = 40;  // as in describe_multiprocessing.cpp
  if (remote.get<int>(objects.member(sem_lock, kKind)) == 0) return "RLock";
  const bool binary = remote.get<int>(objects.member(sem_lock, kMaxValue)) == 1;
  const bool counts = reach.owner_type_of(sem_lock) == "multiprocessing.BoundedSemaphore";
  return binary && !counts ? "Lock" : "Semaphore";
}

void Interpreter::Impl::refine_sem_lock(const LockObject& found, snapshot::Lock& lock) const {
  const Describer describer(objects, types, tids, tids_complete);
  std::string name = reach.name_of(found.object);
  if (name.ends_with("._semlock")) name.resize(name.size() - 9);
  const auto object = describer.describe({found.object, found.type, name});
  lock.kind = LockKind::SharedSemaphore;
  using snapshot::LockNumber;
  const auto copy = [&](LockNumber to, snapshot::Number from) {
    lock.numbers.set(to, object.numbers.get_or(from, 0));
  };
  const std::string its_class = sem_lock_class(found.object);
  lock.name = label("multiprocessing." + its_class, name);
  copy(LockNumber::Value, snapshot::Number::Value);
  copy(LockNumber::Kind, snapshot::Number::Kind);
  // one slot that others give back is no lock, whatever its numbers
  const bool is_one_slot =
      its_class == "Semaphore" && object.numbers.get_or(snapshot::Number::Maxvalue, 0) == 1;
  if (!is_one_slot) copy(LockNumber::Max, snapshot::Number::Maxvalue);
  lock.evidence = "SemLock at " + hex(found.object) + ", handle " + hex(found.futex);
}

// What lib/runtime/libc made of the word (a semaphore, a condition) is replaced as a whole, not
// mixed with.
bool Interpreter::Impl::refine_lock(const snapshot::TaskRef& waiter, RemoteAddr futex,
                                    snapshot::Lock& lock) {
  snapshot::Lock refined;
  if (!identify(waiter, futex.value, refined)) return false;
  lock = std::move(refined);
  return true;
}

bool Interpreter::Impl::identify(const snapshot::TaskRef& waiter, std::uint64_t futex,
                                 snapshot::Lock& lock) const {
  if (refine_gil(waiter, futex, lock)) return true;
  const ThreadState* state = state_of(waiter.tid);
  if (state != nullptr && refine_import(*state, waiter.pid, lock)) return true;
  const LockObject found = lock_of(state, futex);
  if (found.object == 0) return state != nullptr && refine_parked(*state, waiter.pid, futex, lock);
  if (state != nullptr && refine_join(*state, waiter.pid, found, futex, lock)) return true;
  lock.address = RemoteAddr{found.object};
  if (found.type == "multiprocessing.SemLock") {
    refine_sem_lock(found, lock);
    return true;
  }
  lock.name = label(found.type == "io.Buffered" ? "lock of the buffered file" : found.type,
                    reach.name_of(found.object));
  lock.evidence =
      std::string(found.type) + " at " + hex(found.object) + ", futex " + hex(found.futex);
  if (found.type == "threading.RLock" || found.type == "io.Buffered") {
    lock.kind = LockKind::ReentrantLock;
    set_owner(found.owner, waiter.pid, lock);
    return true;
  }
  lock.kind = LockKind::UnownedLock;
  if (found.type == "queue.SimpleQueue") {
    lock.kind = LockKind::Condition;  // put() by anyone wakes it
    return true;
  }
  if (state != nullptr && local_of(*state, "wait", "waiter") == found.object) {
    lock.kind = LockKind::Condition;  // a fresh lock that notify() releases
    lock.name = state->doing.call;
    return true;
  }
  for (const ThreadState& holder : states) {
    for (const LockObject& held : holder.held) {
      if (held.object == found.object && holder.tid.value != 0)
        lock.likely_owners.push_back({waiter.pid, holder.tid});
    }
  }
  if (!lock.likely_owners.empty()) return true;
  for (const ThreadState& taker : states) {
    if (taker.tid.value == 0) continue;
    const auto taken = read_taken_locks(taker.frames, frames, objects, types, runtime);
    if (std::ranges::find(taken, found.object) != taken.end())
      lock.numbers.set(snapshot::LockNumber::TakenBy, taker.tid.value);
  }
  return true;
}

}  // namespace ipcdoctor::runtime::cpython
