#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "unwind/child_for_test.h"
#include "unwind/unwinder.h"

// What a blocked thread's stack costs. The target is this program, forked: 200 frames of its own
// recursion.
namespace ipcdoctor::unwind {
namespace {

pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

[[gnu::noinline]] int recurse(int depth) {
  if (depth == 0) return pthread_mutex_lock(&held);
  const int below = recurse(depth - 1);
  benchmark::DoNotOptimize(below);
  return below + 1;
}

void* block(void*) {
  return recurse(200) == 0 ? &held : nullptr;
}

/// `count` threads with equal stacks, blocked.
struct Target {
  explicit Target(std::size_t count)
      : child([count] {
          pthread_mutex_lock(&held);
          for (std::size_t i = 0; i < count; ++i) {
            pthread_t thread;
            pthread_attr_t attributes;
            pthread_attr_init(&attributes);
            pthread_attr_setstacksize(&attributes, 128 << 10);
            if (pthread_create(&thread, &attributes, block, nullptr) != 0) ::_exit(1);
          }
          for (;;) ::pause();
        }),
        calls(child.wait_blocked(SYS_futex, count)) {}
  test::Child child;
  std::vector<std::pair<int, linux::SyscallState>> calls;
};

void unwind_threads(benchmark::State& state) {
  const Target target(static_cast<std::size_t>(state.range(0)));
  if (target.calls.empty()) return state.SkipWithError("the threads did not block");
  std::size_t frames = 0;
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores)
    Images images;  // cold: the images of libc and of this program are read each time
    const auto space = linux::AddressSpace::open(Pid{target.child.pid()});
    for (const auto& [tid, call] : target.calls) {
      const auto stack = images.unwind(*space, test::registers_of(call));
      frames += stack ? stack->size() : 0;
    }
  }
  state.counters["frames"] =
      benchmark::Counter(static_cast<double>(frames), benchmark::Counter::kAvgIterations);
}
BENCHMARK(unwind_threads)->Arg(1)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);

void unwind_by_libunwind_alone(benchmark::State& state) {
  const Target target(static_cast<std::size_t>(state.range(0)));
  if (target.calls.empty()) return state.SkipWithError("the threads did not block");
  for ([[maybe_unused]] auto _ : state) {  // NOLINT(clang-analyzer-deadcode.DeadStores)
    ImageCache images;
    Unwinder unwinder(images);
    const auto space = linux::AddressSpace::open(Pid{target.child.pid()});
    for (const auto& [tid, call] : target.calls) {
      benchmark::DoNotOptimize(unwinder.unwind_slowly(*space, test::registers_of(call), 512));
    }
  }
}
BENCHMARK(unwind_by_libunwind_alone)->Arg(1)->Arg(100)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ipcdoctor::unwind
