#include "runtime/ruby/threads.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "runtime/ruby/frames.h"

namespace ipcdoctor::runtime::ruby {
namespace {

constexpr std::size_t kMaxThreads = 20'000;
constexpr std::size_t kMaxRactors = 1'000;
constexpr std::size_t kMaxMutexes = 10'000;  // of all threads
constexpr int kSignals = 65;                 // RUBY_NSIG
constexpr std::uint64_t kTrue = 20;
/// enum rb_thread_status
constexpr std::uint8_t kStopped = 1, kStoppedForever = 2, kStatus = 3;

/// Calls found(entry) for each of a list of ccan's, `node` bytes into each entry.
/// @return false: its end was not found.
bool for_each(const Remote& remote, std::uint64_t list, std::uint64_t node, std::size_t limit,
              const std::function<void(std::uint64_t)>& found) {
  std::uint64_t at = remote.pointer(list);
  for (std::size_t i = 0; i < limit && at != 0 && at != list; ++i, at = remote.pointer(at))
    found(at - node);
  return at == list;
}

class Reader {
 public:
  explicit Reader(const Vm& vm) : vm_(vm), remote_(vm.remote()), layout_(vm.layout()) {}

  Result<std::vector<Thread>> read() {
    const Error error{Cause::Malformed, 0, "read the threads of Ruby " + vm_.version()};
    const auto add = [&](std::uint64_t address) { threads_.emplace_back().address = address; };
    bool whole = true;
    if (layout_.ractor_node == 0) {
      whole = for_each(remote_, vm_.address() + layout_.vm_threads, 0, kMaxThreads, add);
    } else {
      const auto of_ractor = [&](std::uint64_t ractor) {
        if (threads_.size() < kMaxThreads &&
            !for_each(remote_, ractor + layout_.ractor_threads, 0, kMaxThreads, add))
          whole = false;
      };
      if (!for_each(remote_, vm_.address() + layout_.vm_threads, layout_.ractor_node, kMaxRactors,
                    of_ractor))
        whole = false;
    }
    const std::uint64_t main = vm_.main_thread();
    const bool fits = std::ranges::all_of(threads_, [&](const Thread& thread) {
      return remote_.word(thread.address + layout_.th_vm) == vm_.address();
    });
    if (!whole || !fits || std::ranges::find(threads_, main, &Thread::address) == threads_.end())
      return error;
    for (Thread& thread : threads_) {
      thread.is_main = thread.address == main;
      read(thread);
    }
    return std::move(threads_);
  }

 private:
  void read(Thread& thread) {
    const std::uint64_t context = remote_.pointer(thread.address + layout_.th_ec);
    if (context == 0) return;
    thread.stack = remote_.word(context + layout_.ec_stack);
    thread.stack_size = remote_.word(context + layout_.ec_stack + 16);
    const std::vector<Frame> frames = read_frames(vm_, context);
    thread.frames = told(frames);
    thread.keeps_time = std::ranges::any_of(
        frames, [](const Frame& frame) { return frame.file.ends_with("/timeout.rb"); });
    const auto status = remote_.get<std::uint8_t>(thread.address + layout_.th_status) & kStatus;
    const bool sleeps = (status == kStopped || status == kStoppedForever) &&
                        remote_.word(thread.address + layout_.th_blocking) == 0;
    if (!sleeps) return;
    thread.sleep = Sleep::Other;
    if (const std::uint64_t mutex = remote_.word(thread.address + layout_.th_locking); mutex != 0)
      return find_owner(thread, mutex);
    if (layout_.vm_waiting != 0 && waits_for_child(thread, context)) return;
    // the method that sleeps is its own, or that of what is built upon it
    for (std::size_t i = 0; i < std::min<std::size_t>(frames.size(), 2); ++i)
      if (name(thread, frames[i])) return;
  }

  bool name(Thread& thread, const Frame& frame) const {
    const Vm::Data data = vm_.data(frame.self);
    const bool pushes = frame.function.empty()  // an operator, <<
                        || frame.function.find("push") != std::string::npos;
    if (data.type == "queue") thread.sleep = Sleep::Queue;
    if (data.type == "sized_queue") thread.sleep = pushes ? Sleep::FullQueue : Sleep::Queue;
    if (data.type == "condvar") thread.sleep = Sleep::Condition;
    if (data.type == "VM/thread" && data.address != thread.address) {
      thread.sleep = Sleep::Join;
      thread.other = data.address;
    }
    thread.object = data.address;
    return thread.sleep != Sleep::Other;
  }

  /// Who has a mutex has it in a list of his own.
  void find_owner(Thread& thread, std::uint64_t mutex) const {
    const Vm::Data data = vm_.data(mutex);
    if (data.type != "mutex" || data.address == 0) return;
    thread.sleep = Sleep::Mutex;
    thread.object = data.address;
    std::size_t left = kMaxMutexes;
    for (const Thread& other : threads_) {
      std::uint64_t kept = remote_.pointer(other.address + layout_.th_keeping);
      for (; kept != 0 && left > 0; kept = remote_.pointer(kept + 8), --left) {
        if (kept != data.address) continue;
        thread.other = other.address;
        return;
      }
    }
  }

  /// struct waitpid_state {list_node; ec 16; cond 24; ret 32; pid 36; ...} of process.c
  bool waits_for_child(Thread& thread, std::uint64_t context) const {
    bool waits = false;
    for (const std::uint64_t list : {layout_.vm_waiting, layout_.vm_waiting + 16})
      (void)for_each(remote_, vm_.address() + list, 0, kMaxThreads, [&](std::uint64_t state) {
        const bool own = remote_.word(state + 16) == context && remote_.get<int>(state + 32) == 0;
        if (!own) return;
        waits = true;
        thread.child = remote_.get<int>(state + 36);
      });
    if (waits) thread.sleep = Sleep::Child;
    return waits;
  }

  const Vm& vm_;
  const Remote& remote_;
  const Layout& layout_;
  std::vector<Thread> threads_;
};

/// A block, or text to be evaluated.
bool is_code(const Vm& vm, std::uint64_t value) {
  return vm.data(value).type == "proc" || !vm.string(value).empty();
}

/// Of the block of a Proc: struct rb_block {self; ep; code 16; type 24}.
std::string where_is(const Vm& vm, std::uint64_t value) {
  const std::uint64_t proc = vm.data(value).address;
  const std::uint64_t code = vm.remote().word(proc + 16);
  const bool is_block = vm.remote().get<std::int32_t>(proc + 24) == 0;
  if (proc == 0 || !is_block || !vm.is_code(code)) return "";
  const std::uint64_t body = vm.body_of(code);
  const std::string file = vm.file_of(body);
  if (file.empty()) return "";
  return escape_untrusted(file.substr(file.rfind('/') + 1)) + ":" +
         std::to_string(vm.first_line_of(body));
}

}  // namespace

Result<std::vector<Thread>> read_threads(const Vm& vm) {
  return Reader(vm).read();
}

std::optional<std::vector<Trap>> read_traps(const Vm& vm) {
  const std::uint64_t table = vm.address() + vm.layout().vm_traps;
  // Patches of a version have moved it by a word: before it stands a table, vm->loading_table, and
  // its own first word is what is to be done at the end of the program.
  const std::uint64_t before = vm.remote().pointer(table - 8);
  if (before == 0 || is_code(vm, before)) return std::nullopt;
  std::vector<Trap> traps;
  for (int signal = 0; signal < kSignals; ++signal) {
    const auto value =
        vm.remote().find<std::uint64_t>(table + static_cast<std::uint64_t>(signal) * 8);
    if (!value) return std::nullopt;
    if (*value == kTrue || *value == vm.layout().nil) continue;  // ignored
    Trap trap;
    trap.signal = signal;
    if (*value == vm.layout().undef)
      trap.kind = Trap::Kind::Exit;
    else if (*value != 0)
      trap.kind = Trap::Kind::Code;
    if (trap.kind == Trap::Kind::Code) {
      if (!is_code(vm, *value)) return std::nullopt;
      trap.where = where_is(vm, *value);
    }
    if (signal != 0) traps.push_back(std::move(trap));
  }
  return traps;
}

}  // namespace ipcdoctor::runtime::ruby
