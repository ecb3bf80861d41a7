#include "runtime/cpython/locks.h"

#include <algorithm>

#include "runtime/cpython/taken_locks.h"

namespace ipcdoctor::runtime::cpython {
namespace {

// Modules/_threadmodule.c: {header 16, lock 16, weakrefs 24, char locked 32}; RLock {lock 16, owner
// 24, count 32}.
constexpr std::uint64_t kLock = 16, kRlockOwner = 24, kRlockCount = 32;
constexpr std::uint64_t kLockLocked = 32;  // the char of a plain lock
constexpr std::uint64_t kSemCount = 32;    // SemLock: times that this process acquired it
// Modules/_io/bufferedio.c, 3.8 to 3.15. Behind the pointer is what a thread sleeps on or is parked
// for.
constexpr std::uint64_t kBufferedLock = 104, kBufferedOwner = 112;
constexpr std::size_t kSearchedFrames = 16;

// The lock that leaving `with object` releases.
Object lock_behind(const Objects& objects, const Types& types, Object object) {
  for (int depth = 0; depth < 3; ++depth) {
    const std::string_view type = types.of(object).name;
    if (type == "import lock" || type == "io.Buffered") return object;
    if (type.empty() && objects.class_name(object) == "_ModuleLockManager") {
      object = objects.attribute(object, "_lock");
    } else if (type == "threading.Condition" || type == "multiprocessing.Condition") {
      object = objects.attribute(object, "_lock");
    } else if (type.starts_with("multiprocessing.") && type != "multiprocessing.SemLock") {
      object = objects.attribute(object, "_semlock");
    } else {
      return object;
    }
  }
  return object;
}

// Whether the lock is taken at all, as far as the object itself tells.
bool is_taken(const Objects& objects, const LockObject& lock) {
  const Remote& remote = objects.remote();
  if (lock.type == "threading.RLock") return lock.owner != 0;
  if (lock.type == "multiprocessing.SemLock")
    return remote.get<int>(objects.member(lock.object, kSemCount)) > 0;
  if (lock.type == "threading.Lock") return is_locked(objects, lock.object).value_or(false);
  return true;
}

// A condition's wait() gives its lock back until it returns.
bool given_back(const std::vector<PyFrame>& frames, const Frames& reader, const Objects& objects,
                const Types& types, Object lock) {
  for (const PyFrame& f : frames) {
    if (!f.library || f.code->name != "wait") continue;
    const Object self = reader.local(f, "self");
    const std::string_view type = types.of(self).name;
    if (type != "threading.Condition" && type != "multiprocessing.Condition") continue;
    if (lock_behind(objects, types, self) == lock) return true;
  }
  return false;
}

}  // namespace

bool is_mutex(const Objects& objects, Object lock) {
  constexpr std::uint64_t kOldSize = 40;
  const int minor = objects.layout().minor;
  if (minor != 13) return minor > 13;
  return objects.remote().word(objects.member(objects.type_of(lock), 32)) <
         kOldSize + objects.layout().header_growth;  // tp_basicsize
}

std::optional<bool> is_locked(const Objects& objects, Object lock) {
  const std::uint64_t at = is_mutex(objects, lock) ? kLock : kLockLocked;
  const auto bits = objects.remote().find<std::uint8_t>(objects.member(lock, at));
  return bits ? std::optional((*bits & 1) != 0) : std::nullopt;  // _Py_LOCKED
}

std::uint64_t futex_of(const Objects& objects, Object lock) {
  const std::uint64_t inner = objects.member(lock, kLock);
  return is_mutex(objects, lock) ? inner : objects.remote().word(inner);
}

LockObject read_lock(const Objects& objects, const Types& types, Object object) {
  const Type type = types.of(object);
  if (type.role != Role::Library) return {};
  const Remote& remote = objects.remote();
  const int minor = objects.layout().minor;
  LockObject lock{object, type.name, 0, 0};
  const std::uint64_t inner = objects.member(object, kLock);
  if (type.name == "threading.Lock") {
    lock.futex = futex_of(objects, object);
  } else if (type.name == "threading.RLock") {
    lock.futex = futex_of(objects, object);
    // From 3.14 on _PyRecursiveMutex, whose level is 0 in the first turn and whose thread is then
    // set.
    if (minor >= 14 || remote.word(objects.member(object, kRlockCount)) != 0)
      lock.owner = remote.word(objects.member(object, kRlockOwner));
  } else if (type.name == "multiprocessing.SemLock") {
    lock.futex = remote.pointer(inner);
  } else if (type.name == "queue.SimpleQueue") {
    lock.futex = minor <= 12 ? remote.word(inner) : inner;
  } else if (type.name == "import lock") {
    lock.futex = read_lock(objects, types, objects.attribute(object, "wakeup")).futex;
    lock.owner =
        static_cast<std::uint64_t>(objects.integer(objects.attribute(object, "owner")).value_or(0));
  } else if (type.name == "io.Buffered") {
    lock.futex = remote.word(objects.member(object, kBufferedLock));
    lock.owner = remote.word(objects.member(object, kBufferedOwner));
  }
  return lock;
}

std::vector<LockObject> read_held_locks(const std::vector<PyFrame>& frames, const Frames& reader,
                                        const Objects& objects, const Types& types) {
  std::vector<LockObject> held;
  for (const PyFrame& f : frames) {
    for (std::uint32_t i = 0; i < f.live_stack; ++i) {
      const Object exit = reader.slot(f.stack + 8 * std::uint64_t{i});
      if (exit == 0 || objects.function_name(exit) != "__exit__") continue;
      // Up to 3.13 `with` leaves a bound method on the stack, then the function and behind it self.
      Object self = objects.bound_self(exit);
      if (self == 0 && objects.layout().minor >= 14)
        self = reader.slot(f.stack + 8 * (std::uint64_t{i} + 1));
      if (self == 0) continue;
      const LockObject lock = read_lock(objects, types, lock_behind(objects, types, self));
      if (lock.futex == 0 || !is_taken(objects, lock)) continue;
      if (!given_back(frames, reader, objects, types, lock.object)) held.push_back(lock);
    }
  }
  return held;
}

std::vector<LockObject> read_acquired_semaphores(const std::vector<PyFrame>& frames,
                                                 const Frames& reader, const Objects& objects,
                                                 const Types& types, const Runtime& runtime) {
  std::vector<LockObject> held;
  for (const Object taken : read_taken_locks(frames, reader, objects, types, runtime)) {
    const LockObject lock = read_lock(objects, types, lock_behind(objects, types, taken));
    if (lock.type == "multiprocessing.SemLock" && lock.futex != 0 && is_taken(objects, lock))
      held.push_back(lock);
  }
  return held;
}

LockObject find_lock_in_frames(const std::vector<PyFrame>& frames, std::uint64_t futex,
                               const Frames& reader, const Objects& objects, const Types& types) {
  for (std::size_t n = 0; n < std::min(frames.size(), kSearchedFrames); ++n) {
    const PyFrame& f = frames[n];
    const std::uint64_t slots = f.code->locals.size() + f.stack_size;
    for (std::uint64_t i = 0; i < slots; ++i) {
      // A slot above the live ones may be stale: what it points at must look like a lock with this
      // very futex.
      const std::uint64_t at =
          i < f.code->locals.size() ? f.locals + 8 * i : f.stack + 8 * (i - f.code->locals.size());
      Object object = objects.through_cell(reader.slot(at));
      if (const Object self = objects.bound_self(object); self != 0) object = self;
      const LockObject lock = read_lock(objects, types, object);
      if (lock.futex == futex && futex != 0) return lock;
    }
  }
  return {};
}

}  // namespace ipcdoctor::runtime::cpython
