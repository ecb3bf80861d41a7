#include "runtime/libc/lock.h"

#include <fmt/format.h>
#include <linux/futex.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "base/text.h"
#include "runtime/libc/glibc_objects.h"
#include "runtime/libc/lock_functions.h"
#include "runtime/libc/musl.h"
#include "runtime/libc/owner.h"

namespace ipcdoctor::runtime::libc {
namespace {

using snapshot::Lock;
using snapshot::LockKind;
using snapshot::LockNumber;
using snapshot::Ownership;

constexpr std::size_t kFramesToName = 12;
constexpr std::uint32_t kMaxWaiters = 1 << 22;

/// One look at one futex.
class Look {
 public:
  Look(const linux::AddressSpace& space, unwind::Images& images, const FutexCall& call,
       const FindTask& find_task)
      : space_(space), images_(images), call_(call), find_task_(find_task) {
    lock_.address = call.address;
    command_ = call.op & FUTEX_CMD_MASK;
    find_function();
  }

  Lock identify() {
    if (is_musl(space_) || is_static_musl()) {
      identify_musl_lock(space_, call_, find_task_, lock_);
      if (lock_.kind == LockKind::Unknown) identify_musl_by_call();
    } else {
      identify_glibc();
    }
    name();
    // Who was told that it is shared by processes leaves the flag out:
    // pthread_mutexattr_setpshared(3).
    if (call_.shared_memory)
      lock_.numbers.set(LockNumber::Pshared, (call_.op & FUTEX_PRIVATE_FLAG) == 0 ? 1 : 0);
    return std::move(lock_);
  }

 private:
  /// The innermost frame whose function is known to block in futex(2), by its own symbol or by what
  /// its caller called: pthread_join, sem_wait and others end in a tail call to an internal
  /// function without a public name.
  void find_function() {
    const std::size_t count = std::min(call_.frames.size(), kFramesToName);
    for (std::size_t i = 0; i < count && !call_.frames[i].guessed; ++i) {
      // a return address may be the first byte of the next function
      const auto own =
          images_.function_at(space_, RemoteAddr{call_.frames[i].pc.value - (i == 0 ? 0 : 1)});
      function_frame_ = i;
      if (own && recognise(*own)) return;
      if (i + 1 >= count || call_.frames[i + 1].guessed) return;
      const auto called = images_.function_called_at(space_, call_.frames[i + 1].pc);
      if (called && recognise(*called)) return;
    }
  }

  bool recognise(const std::string& function) {
    // only libc calls this one, for locks of its own: heap, streams, time zone
    private_lock_ = private_lock_ || function == "__lll_lock_wait_private";
    by_function_ = lock_kind_of_rust(function);
    is_rust_ = by_function_ != LockKind::Unknown;
    if (!is_rust_) by_function_ = lock_kind_of_function(function);
    if (by_function_ != LockKind::Unknown) function_ = function;
    return by_function_ != LockKind::Unknown;
  }

  bool in_libc() const {
    return !call_.frames.empty() && (call_.frames[0].module.starts_with("libc.so") ||
                                     call_.frames[0].module.starts_with("libc-2") ||
                                     call_.frames[0].module.starts_with("libpthread"));
  }

  template <std::size_t N>
  std::optional<std::array<std::byte, N>> read(std::uint64_t address) const {
    const auto bytes = space_.memory.read_object<std::array<std::byte, N>>(RemoteAddr{address});
    return bytes ? std::optional(*bytes) : std::nullopt;
  }

  /// No other library has this symbol (musl 1.2, src/thread/__timedwait.c).
  bool is_static_musl() {
    const bool has_libc = std::ranges::any_of(space_.notable_maps(), [](const linux::Mapping& m) {
      return m.path.find("/libc") != m.path.npos;
    });
    return !has_libc && images_.address_of(space_, "", "__timedwait_cp");
  }

  /// Musl's stacks are guessed: what a frame called may be a leftover, so only kinds without an
  /// owner are believed. Those take no waker away.
  void identify_musl_by_call() {
    for (const snapshot::Frame& frame : call_.frames | std::views::take(kFramesToName)) {
      const auto called = images_.function_called_at(space_, frame.pc);
      const LockKind kind = called ? lock_kind_of_function(*called) : LockKind::Unknown;
      if (kind != LockKind::Barrier && kind != LockKind::Condition && kind != LockKind::Semaphore)
        continue;
      lock_.kind = kind;
      lock_.evidence = fmt::format("musl: futex word in {}", *called);
      if (kind == LockKind::Barrier) read_musl_barrier(space_, call_, lock_);
      return;
    }
  }

  /// Its writers wait for a second word, beside the one that counts readers and says that a writer
  /// waits (library/std/src/sys/sync/rwlock/futex.rs of Rust 1.62 and later).
  void rwlock_of_rust() {
    constexpr std::uint32_t kReaders = (1U << 30) - 1, kWritersWait = 1U << 31;
    for (const std::uint64_t at : {call_.address.value - 4, call_.address.value + 4}) {
      const auto state = space_.memory.read_object<std::uint32_t>(RemoteAddr{at});
      if (!state || (*state & kWritersWait) == 0) continue;
      lock_.address = RemoteAddr{at};
      const std::uint32_t readers = *state & kReaders;
      if (readers != kReaders) lock_.numbers.set(LockNumber::Readers, readers);
      return;
    }
  }

  void identify_glibc() {
    if (is_rust_) {
      lock_.kind = by_function_;
      lock_.evidence = fmt::format("futex word in {}", function_);
      if (by_function_ == LockKind::RwlockWrite) rwlock_of_rust();
      return;
    }
    switch (by_function_) {
      case LockKind::RwlockRead:
      case LockKind::RwlockWrite:
        return rwlock();
      case LockKind::Condition:
        return condition();
      case LockKind::Semaphore:
        return semaphore();
      case LockKind::Barrier:
        return barrier();
      case LockKind::FileStream:
        return file_stream();
      case LockKind::ThreadJoin:
        return thread_join();
      case LockKind::Mutex:
        return mutex();
      case LockKind::Unknown:
        return without_function();
      default:
        lock_.kind = by_function_;
        lock_.evidence = fmt::format("futex word in {}", function_);
        if (by_function_ == LockKind::Once) find_reentry();
    }
  }

  /// Whether the same initialisation, by its function, is under way further out in this very stack:
  /// pthread_once() itself, or the function whose static variable a guard is of. No proof, as there
  /// may be two of them.
  void find_reentry() {
    const bool guard = function_.find("guard") != std::string::npos;
    const std::size_t inner = function_frame_ + (guard ? 1 : 0);
    if (inner >= call_.frames.size()) return;
    const auto name_at = [&](std::size_t i) {
      return images_.function_at(space_, RemoteAddr{call_.frames[i].pc.value - 1});
    };
    const auto name = guard ? name_at(inner) : Result<std::string>(function_);
    for (std::size_t i = inner + 1; name && i < call_.frames.size(); ++i) {
      const auto outer = name_at(i);
      const auto called = i + 1 < call_.frames.size() && !outer
                              ? images_.function_called_at(space_, call_.frames[i + 1].pc)
                              : outer;
      if (!called || *called != *name) continue;
      lock_.numbers.set(LockNumber::Reentered, 1);
      lock_.evidence += ", which is on its stack once more";
      return;
    }
  }

  /// libc's internal functions have no public name: then the object itself must be unmistakable.
  void without_function() {
    if (!in_libc()) return;
    thread_join();
    if (lock_.kind != LockKind::Unknown) return;
    const auto bytes = read<40>(call_.address.value);
    const auto decoded = bytes ? decode_mutex(*bytes) : std::nullopt;
    if (decoded && decoded->kind != LockKind::Mutex && decoded->owner > 0) return mutex();
    file_stream();
    if (lock_.kind == LockKind::Unknown && private_lock_) lock_.kind = LockKind::LibcInternal;
  }

  void mutex() {
    const bool priority_call = command_ == FUTEX_LOCK_PI || command_ == FUTEX_LOCK_PI2;
    const auto bytes = read<40>(call_.address.value);
    const auto decoded = bytes ? decode_mutex(*bytes) : std::nullopt;
    lock_.kind = priority_call ? LockKind::PiMutex : LockKind::Mutex;
    if (!decoded || priority_call != (decoded->kind == LockKind::PiMutex)) {
      if (parked_on_stack()) return;
      lock_.ownership = Ownership::Unreadable;
      lock_.evidence = "not a mutex of a known layout";
      return;
    }
    take(*decoded, call_.address.value);
  }

  void take(const GlibcMutex& decoded, std::uint64_t address) {
    lock_.kind = decoded.kind;
    lock_.address = RemoteAddr{address};
    lock_.numbers.set(LockNumber::Value, decoded.word);
    lock_.evidence = fmt::format(
        "owner word {} in the glibc mutex at {:#x} (kind {:#x}); only the owner may unlock it",
        decoded.owner, address, decoded.kind_bits);
    FutexCall call = call_;  // that of a parked thread waits on its own stack
    if (const auto* mapping = linux::find_mapping(space_.maps(), lock_.address);
        address != call_.address.value && mapping != nullptr)
      call.shared_memory = mapping->shared;
    find_owner(space_, call, find_task_, decoded.owner_died ? 0 : decoded.owner, lock_);
    check();
  }

  /// The kernel refused a priority-inheriting mutex (its owner is dead, or is the caller): glibc
  /// then waits for ever on a word of its own stack, and the mutex is what its frames still point
  /// at.
  bool parked_on_stack() {
    if (command_ == FUTEX_LOCK_PI || command_ == FUTEX_LOCK_PI2 || call_.frames.empty())
      return false;
    const linux::Mapping* stack = linux::find_mapping(space_.maps(), call_.address);
    if (stack == nullptr || !stack->writable || stack->shared) return false;
    std::vector<std::uint64_t> candidates = call_.registers;
    // compilers keep the address of __kind (struct __pthread_mutex_s, glibc 2.36), at 16
    for (const std::uint64_t value : call_.registers) candidates.push_back(value - 16);
    constexpr std::uint64_t kWords = 128;  // half of them below: what the functions inside saved
    const std::uint64_t begin =
        std::max((call_.address.value & ~std::uint64_t{7}) - kWords * 4, stack->start);
    for (std::uint64_t i = 0; i < kWords; ++i) {
      const auto word = space_.memory.read_u64(RemoteAddr{begin + i * 8});
      if (word) candidates.push_back(*word);
    }
    for (const std::uint64_t candidate : candidates) {
      const auto bytes = read<40>(candidate);
      const auto decoded = bytes ? decode_mutex(*bytes) : std::nullopt;
      if (!decoded || decoded->kind != LockKind::PiMutex || decoded->owner == 0) continue;
      take(*decoded, candidate);
      const bool own = lock_.owners.size() == 1 && lock_.owners[0] == call_.task;
      if (own || lock_.ownership == Ownership::Dead || lock_.unseen_owner != 0) return true;
      lock_ = Lock{};
      lock_.address = call_.address;
    }
    return false;
  }

  /// Owners replace all other wakers only if the thread is in a function that locks such an object.
  void check() {
    const bool owned =
        lock_.ownership != Ownership::NotStored && lock_.ownership != Ownership::Unreadable;
    const bool named = by_function_ != LockKind::Unknown || in_libc();
    lock_.checked = owned && named;
    // the thread that forked may well unlock its copy: with others around, somebody may do it for a
    // dead owner
    if (lock_.ownership == Ownership::LeftInParent) {
      const auto threads = space_.dir.list_numbers("task", 16);
      lock_.checked = lock_.checked && threads && threads->size() == 1;
    }
  }

  void file_stream() {
    const auto bytes = read<16>(call_.address.value);
    const auto decoded = bytes ? decode_file_lock(*bytes) : std::nullopt;
    const bool known = by_function_ == LockKind::FileStream;
    if (known) lock_.kind = LockKind::FileStream;
    if (!decoded || decoded->owner == 0) {
      if (known) lock_.ownership = Ownership::Unreadable;
      return;
    }
    const auto tid = read_pthread_tid(space_, RemoteAddr{decoded->owner});
    if (!tid) {
      if (known) lock_.ownership = Ownership::Unreadable;
      return;
    }
    lock_.kind = LockKind::FileStream;
    if (*tid > 0)
      find_owner(space_, call_, find_task_, *tid, lock_);
    else
      lock_.ownership = Ownership::Dead;
    lock_.evidence = fmt::format(
        "owner {:#x} in the FILE lock at {:#x} is thread {}; only the owner may unlock it",
        decoded->owner, call_.address.value, *tid);
    check();
  }

  void rwlock() {
    // The first writer and all readers wait on wrphase_futex, more writers on writers_futex, which
    // is not 0 while any writer is there: that keeps the first from being taken for the second.
    for (const std::uint64_t offset : {std::uint64_t{12}, std::uint64_t{8}, std::uint64_t{0}}) {
      const auto bytes = read<56>(call_.address.value - offset);
      const auto decoded = bytes ? decode_rwlock(*bytes) : std::nullopt;
      if (!decoded) continue;
      lock_.kind = by_function_;
      lock_.address = RemoteAddr{call_.address.value - offset};
      lock_.numbers = {{LockNumber::Readers, decoded->readers}};
      lock_.evidence = fmt::format("rwlock at {:#x}: {} readers, writer {}", lock_.address.value,
                                   decoded->readers, decoded->writer);
      if (decoded->writer == 0) return;  // readers are only counted
      find_owner(space_, call_, find_task_, decoded->writer, lock_);
      check();
      return;
    }
    lock_.kind = by_function_;
    lock_.ownership = Ownership::Unreadable;
  }

  void condition() {
    const bool mutex_call = command_ == FUTEX_LOCK_PI || command_ == FUTEX_LOCK_PI2 ||
                            (command_ == FUTEX_WAIT && call_.value != 0);
    if (mutex_call) return mutex();  // signalled already: it takes its mutex back
    lock_.kind = LockKind::Condition;
    // g_signals[2] is at 40 (2.25 to 2.40) or 32 (since 2.41); wrefs, 8 a waiter, 4 or 4+4 bytes
    // before it
    const std::uint64_t index = call_.address.value % 8;
    for (const auto& [signals, wrefs] : {std::pair{40, 36}, std::pair{32, 28}}) {
      const std::uint64_t base = call_.address.value - index - static_cast<std::uint64_t>(signals);
      const auto word =
          space_.memory.read_u32(RemoteAddr{base + static_cast<std::uint64_t>(wrefs)});
      if (!word || (*word >> 3) == 0 || (*word >> 3) > kMaxWaiters) continue;
      lock_.address = RemoteAddr{base};
      break;
    }
    lock_.evidence =
        fmt::format("{} on the condition variable at {:#x}", function_, lock_.address.value);
  }

  void semaphore() {
    const auto bytes = read<32>(call_.address.value);
    const auto decoded = bytes ? decode_semaphore(*bytes) : std::nullopt;
    lock_.kind = LockKind::Semaphore;
    if (!decoded) return;
    lock_.numbers = {{LockNumber::Value, decoded->value}};
    lock_.evidence = fmt::format("semaphore at {:#x}: value {}, {} waiters", call_.address.value,
                                 decoded->value, decoded->waiters);
  }

  void barrier() {
    lock_.kind = LockKind::Barrier;
    const std::uint64_t base = call_.address.value - 4;
    const auto bytes = read<32>(base);
    const auto decoded = bytes ? decode_barrier(*bytes) : std::nullopt;
    if (!decoded) return;
    lock_.address = RemoteAddr{base};
    lock_.numbers = {{LockNumber::Parties, decoded->parties}};
    lock_.evidence = fmt::format("barrier at {:#x}: {} of {} have arrived", base, decoded->arrived,
                                 decoded->parties);
  }

  void thread_join() {
    if (by_function_ == LockKind::ThreadJoin) lock_.kind = LockKind::ThreadJoin;
    const RemoteAddr pthread{call_.address.value - kPthreadTid};
    const auto tid = read_pthread_tid(space_, pthread);
    if (!tid || static_cast<std::uint32_t>(*tid) != call_.value || *tid == 0) {
      if (by_function_ == LockKind::ThreadJoin) lock_.ownership = Ownership::Unreadable;
      return;
    }
    lock_.kind = LockKind::ThreadJoin;
    lock_.evidence =
        fmt::format("waits until thread {} clears the word at {:#x}", *tid, call_.address.value);
    find_owner(space_, call_, find_task_, *tid, lock_);
    check();
  }

  /// libstdc++ blocks for all of these in the same two functions; the frames around tell which it
  /// is.
  void tell_apart_libstdcxx() {
    struct Noun {
      std::string_view part, noun;
      LockKind kind;
    };
    static constexpr Noun kNouns[] = {{"std::latch::", "std::latch", LockKind::Latch},
                                      {"barrier", "std::barrier", LockKind::Latch},
                                      {"semaphore", "std::counting_semaphore", LockKind::Slots},
                                      {"__future_base", "std::future", LockKind::Future},
                                      {"__basic_future", "std::future", LockKind::Future},
                                      {"_M_futex_wait_until", "std::future", LockKind::Future}};
    constexpr std::size_t kFrames = 16;
    lock_.kind = LockKind::SharedValue;
    lock_.name = "std::atomic wait";
    for (std::size_t i = 0; i < std::min(call_.frames.size(), kFrames); ++i) {
      const auto function =
          images_.function_at(space_, RemoteAddr{call_.frames[i].pc.value - (i == 0 ? 0 : 1)});
      if (!function) continue;
      for (const Noun& row : kNouns) {
        if (function->find(row.part) == std::string::npos) continue;
        lock_.kind = row.kind;
        lock_.name = row.noun;
        return;
      }
    }
  }

  void name() {
    if (lock_.kind == LockKind::Latch) return tell_apart_libstdcxx();
    if (lock_.kind == LockKind::Unknown || lock_.kind == LockKind::ThreadJoin) return;
    std::string noun(noun_of(lock_.kind));
    if (lock_.kind == LockKind::RwlockRead || lock_.kind == LockKind::RwlockWrite) noun = "rwlock";
    if (lock_.kind == LockKind::LibcInternal || lock_.kind == LockKind::Arena) {
      lock_.name = function_.empty() ? noun : fmt::format("{} ({})", noun, function_);
      return;
    }
    if (lock_.kind == LockKind::FileStream) {
      const auto stream = standard_stream();
      if (!stream.empty()) {
        lock_.name = fmt::format("lock of {}", stream);
        return;
      }
    }
    const auto variable = images_.variable_at(space_, lock_.address);
    if (!variable)
      lock_.name = fmt::format("a {} {}", noun, place());
    else if (variable->module.find(".so") == std::string::npos)  // the program itself
      lock_.name = fmt::format("{} `{}`", noun, variable->name);
    else
      lock_.name = fmt::format("{} `{}` in {}", noun, variable->name, variable->module);
  }

  /// stdin, stdout or stderr, if the lock is its own: struct _IO_FILE has the pointer to it at 136.
  std::string_view standard_stream() const {
    constexpr std::uint64_t kLockOfFile = 136;
    for (const auto& [symbol, stream] :
         {std::pair<std::string_view, std::string_view>{"_IO_2_1_stdin_", "stdin"},
          {"_IO_2_1_stdout_", "stdout"},
          {"_IO_2_1_stderr_", "stderr"}}) {
      const auto file = images_.address_of(space_, "libc", symbol);
      const auto lock = file ? space_.memory.read_u64(RemoteAddr{file->value + kLockOfFile})
                             : Result<std::uint64_t>();
      if (lock && *lock == lock_.address.value) return stream;
    }
    return "";
  }

  std::string place() const {
    const linux::Mapping* mapping = linux::find_mapping(space_.maps(), lock_.address);
    if (mapping == nullptr) return "in unmapped memory";
    if (mapping->path == "[heap]") return "on the heap";
    if (mapping->path == "[stack]") return "on the stack";
    if (mapping->path.empty()) return "in anonymous memory";
    if (mapping->shared && mapping->path.starts_with("/dev/zero")) return "in shared memory";
    return "in " + escape_untrusted(mapping->path);
  }

  const linux::AddressSpace& space_;
  unwind::Images& images_;
  const FutexCall& call_;
  const FindTask& find_task_;
  int command_ = 0;
  std::size_t function_frame_ = 0;  ///< the frame of function_
  LockKind by_function_ = LockKind::Unknown;
  std::string function_;
  bool private_lock_ = false;
  bool is_rust_ = false;
  Lock lock_;
};

}  // namespace

Lock identify_lock(const linux::AddressSpace& space, unwind::Images& images, const FutexCall& call,
                   const FindTask& find_task) {
  return Look(space, images, call, find_task).identify();
}

}  // namespace ipcdoctor::runtime::libc
