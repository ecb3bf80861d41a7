#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/cpython/frames.h"
#include "runtime/cpython/interpreter.h"
#include "runtime/cpython/objects.h"
#include "runtime/cpython/runtime_finder.h"

namespace ipcdoctor::runtime::cpython {

/// A thread state and what was read of it.
struct ThreadState {
  std::uint64_t address = 0;
  std::uint64_t ident = 0;       ///< pthread_self
  Tid tid;                       ///< 0 = not found among the native threads
  std::vector<PyFrame> frames;   ///< innermost first
};

struct Interpreter::Impl {
  Impl(const linux::AddressSpace& target, Runtime found)
      : space(target), runtime(std::move(found)), remote(target.memory), objects(remote, runtime.layout), frames(objects) {}

  Result<std::vector<PythonThread>> read_threads(std::span<const NativeThread> native);
  std::vector<snapshot::RuntimeObject> read_objects();
  bool refine_lock(const snapshot::TaskRef& waiter, RemoteAddr futex, snapshot::Lock& lock);

  const linux::AddressSpace& space;
  Runtime runtime;
  Remote remote;
  Objects objects;
  Frames frames;
  std::vector<ThreadState> states;
};

}  // namespace ipcdoctor::runtime::cpython
