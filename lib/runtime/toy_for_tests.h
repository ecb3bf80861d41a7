#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/runtime.h"

/// A language of two threads, each with a lock of its own that it has, and one that it wants: what
/// a runtime is at the least.
namespace ipcdoctor::runtime::toy {

struct State {
  std::uint64_t magic = 0;
  struct Fiber {
    std::int32_t tid = 0;
    std::uint32_t lock = 0;    ///< 1: it is taken
    std::uint64_t wanted = 0;  ///< number of the other's
  };
  std::array<Fiber, 2> fibers;
};

constexpr std::uint64_t kMagic = 0x79'6f'74'20'61;

/// Of this program and of its forked children.
inline State state;

/// What a fiber does: it takes its own lock and waits for the other's, for ever.
inline void run(std::size_t number) {
  State::Fiber& own = state.fibers[number];
  own.lock = 1;
  own.wanted = 1 - number;
  __atomic_store_n(&own.tid, static_cast<std::int32_t>(::syscall(SYS_gettid)), __ATOMIC_RELEASE);
  state.magic = kMagic;
  while (__atomic_load_n(&state.fibers[own.wanted].tid, __ATOMIC_ACQUIRE) == 0) ::usleep(1000);
  for (;;)
    ::syscall(SYS_futex, &state.fibers[own.wanted].lock, FUTEX_WAIT_PRIVATE, 1, nullptr, nullptr,
              0);
}

inline Result<std::vector<Told>> read(const Target& target) {
  State seen;
  const RemoteAddr at{reinterpret_cast<std::uint64_t>(&state)};
  const bool is_read =
      target.space.memory.read(at, std::as_writable_bytes(std::span(&seen, 1))).has_value();
  if (!is_read || seen.magic != kMagic) return Error{Cause::Unsupported, 0, "find a toy"};
  std::vector<Told> told;
  for (std::size_t i = 0; i < seen.fibers.size(); ++i) {
    if (seen.fibers[i].wanted >= seen.fibers.size())
      return Error{Cause::Malformed, 0, "read what a toy wants"};
    const auto address = [&](std::size_t fiber) {
      return RemoteAddr{at.value + offsetof(State, fibers) + fiber * sizeof(State::Fiber) +
                        offsetof(State::Fiber, lock)};
    };
    const State::Fiber& owner = seen.fibers[seen.fibers[i].wanted];
    Told of;
    of.tid = Tid{seen.fibers[i].tid};
    of.name = "fiber " + std::to_string(i);
    of.frames.emplace_back().function = "swap";
    of.activity.emplace();
    of.activity->call = "lock";
    of.activity->operation = snapshot::Operation::Acquire;
    of.activity->object.kind = snapshot::Resource::Lock;
    of.lock.emplace();
    of.lock->kind = snapshot::LockKind::ReentrantLock;
    of.lock->name = "a lock of toys";
    of.lock->address = address(seen.fibers[i].wanted);
    of.lock->ownership = snapshot::Ownership::Known;
    of.lock->owners = {{target.space.pid, Tid{owner.tid}}};
    of.lock->checked = true;
    of.held_locks = {address(i)};
    told.push_back(std::move(of));
  }
  return told;
}

}  // namespace ipcdoctor::runtime::toy
