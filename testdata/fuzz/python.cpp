// The memory of a CPython with threads, locks, queues, coroutines and handlers, in which the input
// changes words: 8 bytes say which one of those that are read, 8 bytes what it is then.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "runtime/cpython/interpreter.h"

using namespace ipcdoctor;
using namespace ipcdoctor::runtime::cpython;

namespace {

constexpr char kProgram[] = R"(
import asyncio, queue, signal, threading, time
lock, full, event = threading.Lock(), queue.Queue(), threading.Event()
def take():
    with lock:
        full.get()
def ask():
    while not event.is_set():
        time.sleep(1000)
async def wait():
    await asyncio.gather(asyncio.Event().wait(), asyncio.sleep(1000))
signal.signal(signal.SIGTERM, lambda *a: event.set())
for target in (take, take, ask, lambda: asyncio.run(wait())):
    threading.Thread(target=target, daemon=True).start()
time.sleep(.3)
print("ready", flush=True)
event.wait()
)";

/// A program that waits, and every page of it that a reader asks for.
class Program {
 public:
  Program() {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    pid_.value = ::fork();
    if (pid_.value == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], 1);
      ::execlp("python3", "python3", "-c", kProgram, nullptr);
      ::_exit(127);
    }
    char byte = 0;
    if (::read(ends[0], &byte, 1) != 1) std::abort();
    const auto space = linux::AddressSpace::open(pid_);
    if (!space) std::abort();
    for (const int tid : space->dir.list_numbers("task").value_or(std::vector<int>{}))
      threads_.push_back({Tid{tid}, tid, RemoteAddr{}});
    read(*space);
    pages_ = space->memory.recorded_pages();
  }

  void read_with(const std::uint8_t* data, std::size_t size) const {
    auto pages = pages_;
    for (; size >= 16; data += 16, size -= 16) {
      std::uint64_t which = 0;
      std::memcpy(&which, data, sizeof which);
      auto page = pages.begin();
      std::advance(page, static_cast<long>(which / 512 % pages.size()));
      std::memcpy(page->second.data() + which % 512 * 8, data + 8, 8);
    }
    auto dir = linux::ProcDir::open(pid_);
    if (!dir) std::abort();
    read({pid_, *std::move(dir), linux::ProcessMemory::from_pages(pages)});
  }

 private:
  void read(const linux::AddressSpace& space) const {
    KnownRuntimes known;
    auto interpreter = Interpreter::find(space, known);
    if (!interpreter) return;
    (void)interpreter->read_threads(threads_, Extent::All);
    (void)interpreter->read_objects();
    std::vector<Tid> tids;
    for (const NativeThread& thread : threads_) tids.push_back(thread.tid);
    (void)interpreter->read_effects(tids, {});
  }

  Pid pid_{};
  std::vector<NativeThread> threads_;
  std::map<std::uint64_t, linux::ProcessMemory::Page> pages_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Program program;
  program.read_with(data, size);
  return 0;
}
