#include "runtime/cpython/interpreter.h"

#include "runtime/cpython/interpreter_impl.h"

namespace ipcdoctor::runtime::cpython {

Interpreter::Interpreter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Interpreter::Interpreter(Interpreter&&) noexcept = default;
Interpreter::~Interpreter() = default;

Result<Interpreter> Interpreter::find(const linux::AddressSpace& space, KnownRuntimes& known) {
  auto runtime = find_runtime(space, known);
  if (!runtime) return runtime.error();
  known.insert(runtime->address);
  return Interpreter(std::make_unique<Impl>(space, std::move(*runtime)));
}

const std::string& Interpreter::version() const {
  return impl_->runtime.version;
}

Result<std::vector<PythonThread>> Interpreter::read_threads(std::span<const NativeThread> threads,
                                                            Extent extent) {
  return impl_->read_threads(threads, extent);
}

std::optional<std::uint32_t> Interpreter::ended_threads() const {
  return impl_->ended_threads();
}

std::vector<snapshot::RuntimeObject> Interpreter::read_objects() {
  return impl_->read_objects();
}

bool Interpreter::comes_back(Tid tid) {
  return impl_->comes_back(tid);
}

CodeEffects Interpreter::read_effects(std::span<const Tid> alive, std::span<const Tid> others,
                                      RemoteAddr main_futex) {
  return impl_->read_effects(alive, others, main_futex);
}

bool Interpreter::refine_lock(const snapshot::TaskRef& waiter, RemoteAddr futex,
                              snapshot::Lock& lock) {
  return impl_->refine_lock(waiter, futex, lock);
}

}  // namespace ipcdoctor::runtime::cpython
