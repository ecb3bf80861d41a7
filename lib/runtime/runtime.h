#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

/// What a language's runtime may tell of a process: one function, and one line in the table.
namespace ipcdoctor::runtime {

/// A thread that is in a system call.
struct Blocked {
  Tid tid;
  int ns_tid = 0;  ///< in its own PID namespace
  RemoteAddr sp, pc;
};

struct Target {
  const linux::AddressSpace& space;
  unwind::Images& images;
  std::span<const Blocked> threads;
};

/// Of a thread. What is not told stays as the kernel and the C library have it.
struct Told {
  Tid tid;
  std::string name;                     ///< the language's own
  std::vector<snapshot::Frame> frames;  ///< innermost first; they follow the native ones
  std::optional<snapshot::Activity> activity;
  std::optional<snapshot::Lock> lock;  ///< what the futex is that it waits for
  std::vector<RemoteAddr> held_locks;
  std::string housekeeping;  ///< see snapshot::Thread
  bool comes_back = false;   ///< its program is inside a loop
};

/// Of a language that runs its program in the main thread alone.
inline Told of_main_thread(const Target& target, std::vector<snapshot::Frame> frames) {
  Told told;
  told.tid = Tid{target.space.pid.value};
  told.frames = std::move(frames);
  return told;
}

struct Runtime {
  std::string_view name;
  /// Reads memory only. @return Unsupported: the process has no such runtime; Malformed: it has,
  /// and what was read of it makes no sense.
  Result<std::vector<Told>> (*read)(const Target& target);
};

/// All but those that tell more than this: CPython (its interpreters are read again for what code
/// does next), Go and Ruby (their tasks are no threads), Java (its frames tell the native reader
/// what to leave alone) and shells (their frames are the native stack's).
std::span<const Runtime> runtimes();

}  // namespace ipcdoctor::runtime
