#include "probes/internal/lock_facts.h"

#include <algorithm>
#include <string_view>

#include "probes/internal/pools.h"

namespace ipcdoctor::probes {
namespace {

using snapshot::FileLock;
using snapshot::Lock;
using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Ownership;
using snapshot::Resource;
using snapshot::RuntimeObject;

constexpr std::size_t kMaxHolders = 1024;

bool awaits_an_end(const snapshot::Activity& activity) {
  return activity.operation == Operation::AwaitEnd &&
         (activity.object.kind == Resource::Process || activity.object.kind == Resource::Thread);
}

const Lock* lock_of(const Member& member) {
  const Wait* wait = wait_of(member);
  return wait != nullptr && wait->kind == WaitKind::Futex ? &wait->futex.lock : nullptr;
}

/// Its word is there in shared memory.
bool is_at(const RuntimeObject& object, const snapshot::PageId& page) {
  const auto is = [&](Number key, std::uint64_t value) {
    const std::int64_t* number = object.numbers.find(key);
    return number != nullptr && static_cast<std::uint64_t>(*number) == value;
  };
  return is(Number::PageDev, page.dev) && is(Number::PageIno, page.ino) &&
         is(Number::PageOffset, page.offset);
}

bool lives(const Context& context, TaskRef task) {
  const Process* process = snapshot::find_process(context.snapshot, task.pid);
  return process != nullptr && !process->dead && !process->exited;
}

void add(std::vector<LockHolder>& holders, LockHolder holder) {
  const bool known =
      std::ranges::any_of(holders, [&](const LockHolder& h) { return h.task == holder.task; });
  if (!known && holders.size() < kMaxHolders) holders.push_back(std::move(holder));
}

bool holds(const Thread& thread, RemoteAddr lock, RemoteAddr futex) {
  return std::ranges::any_of(thread.held_locks, [&](RemoteAddr held) {
    return held.value != 0 && (held == lock || held == futex);
  });
}

bool is_semaphore_object(const RuntimeObject& object) {
  return object.numbers.contains(Number::Count) && object.numbers.contains(Number::Maxvalue);
}

/// The name that the creator gave it (/mp-abc) is the same in every process, its address need not
/// be.
bool same_semaphore(const RuntimeObject& a, const RuntimeObject& b) {
  const std::string *name_a = a.texts.find(Text::Semaphore),
                    *name_b = b.texts.find(Text::Semaphore);
  return name_a != nullptr && name_b != nullptr && !name_a->empty() && *name_a == *name_b;
}

void add_by_count(const Context& context, const Member& waiter, std::vector<LockHolder>& holders) {
  const RuntimeObject& wanted = waiter.thread->activity.object;
  if (!wanted.texts.contains(Text::Semaphore)) return;
  for (const Process& process : context.snapshot.processes) {
    if (process.dead || process.exited) continue;
    for (const RuntimeObject& object : process.interpreter.objects) {
      if (!is_semaphore_object(object) || object.numbers.get_or(Number::Count, 0) <= 0 ||
          !same_semaphore(object, wanted))
        continue;
      const bool one_thread = process.threads.size() == 1;
      add(holders,
          {{process.pid, one_thread ? process.threads.front().tid : Tid{}},
           false,
           "it acquired the semaphore " + std::to_string(object.numbers.get_or(Number::Count, 0)) +
               " times more than it released it"});
    }
  }
}

/// A threading.Lock taken by acquire(), a mutex without an owner word, or a rwlock, which only
/// counts its readers: whoever waits for another such lock of the same memory (for any, if readers
/// have it) is likely to have it, else he would not be in the same deadlock.
void add_likely_holders(const Context& context, const Member& waiter,
                        std::vector<LockHolder>& holders) {
  const Lock& wanted = wait_of(waiter)->futex.lock;
  const bool read_locked = wanted.numbers.get_or(LockNumber::Readers, 0) > 0;
  if (!read_locked && wanted.kind != LockKind::Mutex && wanted.kind != LockKind::UnownedLock)
    return;
  if (wanted.ownership != Ownership::NotStored || waits_in_library_queue(waiter)) return;
  for (const Process& process : context.snapshot.processes) {
    if (process.mm_group != waiter.process->mm_group || process.mm_group.value == 0) continue;
    for (const Thread& thread : process.threads) {
      const Member other{{process.pid, thread.tid}, &process, &thread, true};
      const Lock* its = lock_of(other);
      if (other.task == waiter.task || its == nullptr || waits_in_library_queue(other)) continue;
      const bool other_lock = its->address != wanted.address;
      const bool alike = its->kind == wanted.kind && its->ownership == Ownership::NotStored;
      if (other_lock && (read_locked ? is_mutex_like(*its) : alike))
        add(holders, {other.task, false,
                      read_locked ? "it waits for another lock, and no reader is stored"
                                  : "it waits for another such lock"});
    }
  }
}

/// Nothing stores who runs a one-time initialisation. The only other thread that waits for anything
/// else is likely to.
void add_likely_initialiser(const Context& context, const Member& waiter,
                            std::vector<LockHolder>& holders) {
  const Lock& wanted = wait_of(waiter)->futex.lock;
  if (wanted.kind != LockKind::Once || wanted.numbers.contains(LockNumber::Reentered)) return;
  std::vector<TaskRef> others;
  for (const Process& process : context.snapshot.processes) {
    if (process.mm_group != waiter.process->mm_group || process.mm_group.value == 0) continue;
    for (const Thread& thread : process.threads) {
      const Member other{{process.pid, thread.tid}, &process, &thread, true};
      const Lock* its = lock_of(other);
      if (its == nullptr || its->address != wanted.address) others.push_back(other.task);
    }
  }
  if (others.size() == 1)
    add(holders, {others.front(), false, "it is the only thread that does not wait for it"});
}

/// Whose code has called acquire() and calls release() later.
void add_taker(const Member& waiter, std::vector<LockHolder>& holders) {
  const Lock& wanted = wait_of(waiter)->futex.lock;
  const std::int64_t* taker = wanted.numbers.find(LockNumber::TakenBy);
  if (taker == nullptr) return;
  const std::int64_t* pid = wanted.numbers.find(LockNumber::TakenByPid);
  const Pid its = pid == nullptr ? waiter.task.pid : Pid{static_cast<int>(*pid)};
  add(holders, {{its, Tid{static_cast<int>(*taker)}},
                false,
                "its code has called acquire(), and calls release() later"});
}

void add_futex_holders(const Context& context, const Member& waiter,
                       std::vector<LockHolder>& holders) {
  const snapshot::FutexWait& futex = wait_of(waiter)->futex;
  if (futex.lock.ownership == Ownership::Known)
    for (const TaskRef& owner : futex.lock.owners)
      if (lives(context, owner)) add(holders, {owner, true, futex.lock.evidence});
  for (const TaskRef& owner : futex.lock.likely_owners)
    if (lives(context, owner)) add(holders, {owner, false, futex.lock.evidence});
  for (const Process& process : context.snapshot.processes) {
    if (process.mm_group != waiter.process->mm_group || process.mm_group.value == 0) continue;
    for (const LockHolder& holder : holders_in(process, futex.lock.address, futex.address))
      add(holders, holder);
  }
  if (futex.lock.kind == LockKind::SharedSemaphore && holders.empty())
    add_by_count(context, waiter, holders);
  if (holders.empty()) add_taker(waiter, holders);
  if (holders.empty()) add_likely_holders(context, waiter, holders);
  if (holders.empty()) add_likely_initialiser(context, waiter, holders);
}

/// An ancestor has the lock too: the process got its copy over fork.
bool inherited(const Context& context, const FileLock& lock, Pid holder) {
  return std::ranges::any_of(lock.holders, [&](const auto& other) {
    return lives(context, {other.first, {}}) && is_ancestor(context.snapshot, other.first, holder);
  });
}

void add_file_holders(const Context& context, const Member& waiter,
                      std::vector<LockHolder>& holders) {
  for (const FileLock& lock : context.snapshot.file_locks) {
    if (!snapshot::is_in_the_way(context.snapshot, lock, wait_of(waiter)->file_lock,
                                 waiter.task.pid))
      continue;
    // The taker answers for a lock that others merely inherited over fork.
    const bool taker_holds =
        std::ranges::any_of(lock.holders, [&](const auto& h) { return h.first == lock.taker; });
    if (taker_holds && lives(context, {lock.taker, {}})) {
      add(holders, {{lock.taker, {}},
                    true,
                    lock.type + " lock in /proc/locks, taken by " +
                        snapshot::number_of(context.snapshot, lock.taker)});
      continue;
    }
    for (const auto& [pid, fd] : lock.holders)
      if (lives(context, {pid, {}}) && !inherited(context, lock, pid))
        add(holders, {{pid, {}},
                      true,
                      lock.type + " lock on fd " + std::to_string(fd) + " of " +
                          snapshot::number_of(context.snapshot, pid)});
  }
}

}  // namespace

bool is_mutex_like(const Lock& lock) {
  if (lock.kind != LockKind::SharedSemaphore)
    return lock.kind == LockKind::UnownedLock || snapshot::has_owner(lock.kind);
  return lock.numbers.get_or(LockNumber::Max, -1) == 1 ||
         lock.numbers.get_or(LockNumber::Kind, -1) == 0 ||
         lock.numbers.get_or(LockNumber::UsedAsLock, -1) == 1;
}

bool waits_for_lock(const Member& member) {
  if (waits_in(member, WaitKind::FileLock)) return true;
  const Lock* lock = lock_of(member);
  return lock != nullptr && is_mutex_like(*lock);
}

// These block in locks of the library's own, but for a semaphore between processes.
bool waits_in_library_queue(const Member& member) {
  const snapshot::Activity& activity = member.thread->activity;
  switch (activity.operation) {
    case Operation::Take:
    case Operation::Put:
    case Operation::AwaitParties:
    case Operation::Serve:
      return true;
    case Operation::AwaitResult:
    case Operation::AwaitValue:
      return waits_for_a_pool(activity);
    case Operation::AwaitSignal:
      return activity.object.kind != Resource::Semaphore ||
             activity.object.reach == snapshot::Reach::Memory;
    case Operation::AwaitEnd:
      return activity.object.kind == Resource::Queue;
    default:
      return false;
  }
}

// A Condition takes its own lock again, a feeder queues for the pipe: the user wrote no lock there.
bool waits_for_own_lock(const Member& member) {
  return waits_for_lock(member) && !waits_in_library_queue(member);
}

bool waits_for_semaphore(const Member& member) {
  if (waits_in(member, WaitKind::SysvSem)) {
    const auto& ops = wait_of(member)->sysv.ops;
    return std::ranges::any_of(ops, [](const auto& op) { return op.second < 0; });
  }
  const Lock* lock = lock_of(member);
  if (lock == nullptr) return false;
  return lock->kind == LockKind::Semaphore ||
         (lock->kind == LockKind::SharedSemaphore && !is_mutex_like(*lock));
}

bool waits_for_end(const Member& member) {
  const Wait* wait = wait_of(member);
  if (wait == nullptr) return false;
  // who stands by until a thread ends, as its runtime made it
  const bool stands_by = wait->kind == WaitKind::Futex && !member.thread->is_interpreted &&
                         member.thread->activity.operation == Operation::Serve;
  if (stands_by) return false;
  if (wait->kind == WaitKind::Child || wait->kind == WaitKind::Vfork ||
      wait->kind == WaitKind::Exiting)
    return true;
  if (wait->kind == WaitKind::Futex)
    return snapshot::is_join(wait->futex.lock.kind) || awaits_an_end(member.thread->activity);
  if (wait->kind != WaitKind::Poll || wait->objects.empty()) return false;
  const bool only_pidfds = std::ranges::all_of(wait->objects, [](const snapshot::Awaited& a) {
    return a.object.kind == snapshot::ObjectKind::PidFd;
  });
  return only_pidfds || awaits_an_end(member.thread->activity);
}

bool is_idle_helper(const Thread& thread) {
  return snapshot::is_idle(thread.activity);
}

bool is_native_worker(const Member& member) {
  return member.task.tid.value != member.task.pid.value && member.thread->activity.call.empty() &&
         waits_in(member, WaitKind::Futex) &&
         wait_of(member)->futex.lock.kind == LockKind::Condition;
}

bool may_bring(const Thread& thread) {
  if (thread.wait && thread.wait->asked) return false;
  return !thread.next || thread.next->may(snapshot::kReleases | snapshot::kForks);
}

bool serves_a_client(const Thread& thread) {
  return thread.activity.part == snapshot::Part::Server && !snapshot::is_idle(thread.activity);
}

std::vector<LockHolder> holders_of(const Context& context, const Member& waiter) {
  std::vector<LockHolder> holders;
  if (waits_in(waiter, WaitKind::Futex)) add_futex_holders(context, waiter, holders);
  if (waits_in(waiter, WaitKind::FileLock)) add_file_holders(context, waiter, holders);
  return holders;
}

std::vector<LockHolder> holders_in(const Process& other, RemoteAddr lock, RemoteAddr futex) {
  std::vector<LockHolder> holders;
  if (other.dead || other.exited) return holders;
  for (const Thread& thread : other.threads) {
    if (!holds(thread, lock, futex)) continue;
    const std::string at = place(thread);
    holders.push_back(
        {{other.pid, thread.tid},
         false,
         at.empty() ? "its stack is inside the lock" : "it is inside the lock at " + at});
  }
  return holders;
}

std::string lock_name(const Context& context, const Member& waiter) {
  const Lock* lock = lock_of(waiter);
  if (lock != nullptr && !lock->name.empty()) return lock->name;
  const RuntimeObject& object = waiter.thread->activity.object;
  const bool takes =
      waiter.thread->activity.operation == Operation::Acquire || object.kind == Resource::Semaphore;
  if (lock != nullptr && !object.name.empty() && takes)
    return object.type + " `" + object.name + "`";
  return diagnosis::describe_wait(context.snapshot, waiter.task);
}

std::string lock_name_in(const Context& context, const Process& holder, const Member& waiter) {
  constexpr std::string_view kInner = "._semlock";  // Lib/multiprocessing/synchronize.py, SemLock
  const std::vector<RuntimeObject>& objects = holder.interpreter.objects;
  const Wait* wait = wait_of(waiter);
  if (wait != nullptr && wait->kind == WaitKind::Futex && wait->futex.shared_memory)
    for (const RuntimeObject& inner : objects) {
      if (!is_at(inner, wait->futex.page) || !inner.name.ends_with(kInner)) continue;
      const std::string name = inner.name.substr(0, inner.name.size() - kInner.size());
      const auto outer = std::ranges::find(objects, name, &RuntimeObject::name);
      if (outer != objects.end() && name != "self") return outer->type + " `" + name + "`";
    }
  return lock_name(context, waiter);
}

}  // namespace ipcdoctor::probes
