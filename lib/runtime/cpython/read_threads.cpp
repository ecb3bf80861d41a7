#include "runtime/cpython/interpreter_impl.h"
#include "runtime/cpython/threads.h"

namespace ipcdoctor::runtime::cpython {

Result<std::vector<PythonThread>> Interpreter::Impl::read_threads(std::span<const NativeThread> native) {
  states.clear();
  const Layout& l = runtime.layout;
  const auto names = read_thread_names(objects, remote.pointer(runtime.interpreter + l.interp_modules));
  std::vector<PythonThread> out;
  for (const std::uint64_t address : read_thread_states(remote, l, runtime.interpreter)) {
    ThreadState state;
    state.address = address;
    state.ident = remote.word(address + l.thread_ident);
    const std::uint64_t native_id = l.thread_native_id == 0 ? 0 : remote.word(address + l.thread_native_id);
    state.tid = match_thread(remote, space.maps, native, state.ident, native_id);
    state.frames = frames.read(address);

    PythonThread thread;
    thread.tid = state.tid;
    if (const auto name = names.find(state.ident); name != names.end()) thread.name = name->second;
    thread.frames = describe(state.frames);
    out.push_back(std::move(thread));
    states.push_back(std::move(state));
  }
  if (out.empty()) return Error{Cause::Gone, 0, "read the threads of CPython in " + space.dir.path()};
  return out;
}

std::vector<snapshot::RuntimeObject> Interpreter::Impl::read_objects() { return {}; }

bool Interpreter::Impl::refine_lock(const snapshot::TaskRef&, RemoteAddr, snapshot::Lock&) { return false; }

}  // namespace ipcdoctor::runtime::cpython
