#include "collect/stacks.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "collect/examine.h"
#include "collect/goroutines.h"
#include "collect/lock_owners.h"
#include "collect/native_code.h"
#include "collect/python_locks.h"
#include "collect/ruby.h"
#include "collect/syscall_names.h"
#include "collect/tables.h"
#include "linux/auxv.h"
#include "linux/confined.h"
#include "linux/deputy.h"
#include "linux/ptrace.h"
#include "linux/robust_list.h"
#include "runtime/cpython/interpreter.h"
#include "runtime/libc/lock.h"
#include "runtime/native/library_calls.h"
#include "runtime/native/loops.h"
#include "runtime/shell/bash.h"
#include "runtime/shell/dash.h"
#include "runtime/shell/trap.h"
#include "unwind/image.h"
#include "unwind/unwind.h"

namespace ipcdoctor::collect {
namespace {

using runtime::cpython::Extent;
using runtime::cpython::Interpreter;
using runtime::cpython::NativeThread;
using runtime::cpython::PythonThread;
using snapshot::Fd;
using snapshot::WaitKind;

constexpr std::size_t kMaxStacks = 32768;
constexpr std::size_t kMaxReadThreads = 32;  // of a process: whose code is read

RemoteAddr stack_pointer(const ThreadEntry& thread) {
  return thread.call ? thread.call->sp : RemoteAddr{};
}

bool is_incomplete(const ThreadEntry& thread) {
  const auto& native = thread.out.native;
  return !native || native->size() < 3 || std::ranges::any_of(*native, &snapshot::Frame::guessed);
}

/// While a process without rights works for us: that is progress, until it is late.
linux::Confined::GoOn go_on(Progress& progress) {
  return [&progress] {
    progress.step();
    return !progress.is_late();
  };
}

/// An owner stands in the first words of a mutex and of a FILE's lock, and in the next of a rwlock
/// (struct __pthread_mutex_s, _IO_lock_t, struct __pthread_rwlock_arch_t; glibc 2.36).
Result<std::vector<std::byte>> lock_words(const linux::ProcessMemory& memory,
                                          const snapshot::Lock& lock) {
  const bool is_rwlock =
      lock.kind == snapshot::LockKind::RwlockRead || lock.kind == snapshot::LockKind::RwlockWrite;
  constexpr std::uint64_t kWriter = 24;
  std::vector<std::byte> words(is_rwlock ? 4 : 16);
  const Status read =
      memory.read(RemoteAddr{lock.address.value + (is_rwlock ? kWriter : 0)}, words);
  if (!read) return read.error();
  return words;
}

/// What was found out in one process and is of use in the next.
struct Found {
  unwind::Images images;
  runtime::cpython::KnownRuntimes pythons;
  std::optional<NativeCode> code;
};

/// What a forked process has in common with its parent and siblings: the program, and where the
/// kernel put its stack.
using Image = std::pair<std::string, std::uint64_t>;

/// Fetches for a process, and for the next ones of its image, what the reading of the one before
/// used.
class PagesOfImages {
 public:
  explicit PagesOfImages(System& system) : system_(system) {
    std::unordered_map<Pid, int> sharing;
    for (const auto& process : system.processes()) ++sharing[process->out.mm_group];
    may_fetch_ = system.numbers_as_proc_does();
    for_each_table(system, [&](ProcessEntry&, Tid, std::vector<Fd>& fds) {
      may_fetch_ = may_fetch_ && std::ranges::none_of(fds, [](const Fd& fd) {
                     return fd.object.kind == snapshot::ObjectKind::UserFault;
                   });
    });
    if (!may_fetch_) return;
    for (const auto& process : system.processes())
      if (process->space && sharing[process->out.mm_group] == 1)  // its memory is nobody else's
        images_[image_of(*process)].pids.push_back(process->space->pid.value);
  }

  void fetch(const ProcessEntry& process, const linux::AddressSpace& space) {
    const auto known = images_.find(image_of(process));
    if (known == images_.end() || known->second.used.empty()) return;
    const int pid = space.pid.value;
    auto at = std::ranges::find(pids_, pid);
    if (at == pids_.end() && fetch_from(pid, known->second)) at = pids_.begin();
    if (at == pids_.end()) return;
    const auto place = static_cast<std::size_t>(at - pids_.begin());
    if (place < fetched_.size()) space.memory.take(fetched_[place]);
  }
  void keep(const ProcessEntry& process, const linux::AddressSpace& space) {
    const auto known = images_.find(image_of(process));
    if (known != images_.end() && known->second.pids.size() > 1)
      known->second.used = space.memory.used_pages();
  }

 private:
  struct Processes {
    std::vector<int> pids;
    std::vector<std::uint64_t> used;  ///< of the one that was read last
    std::size_t at_once = 1;          ///< grows: the first of them may not be like the others
  };

  static Image image_of(const ProcessEntry& process) {
    return {process.out.exe, process.stat.start_stack};
  }

  bool fetch_from(int pid, Processes& image) {
    const auto begin = std::ranges::find(image.pids, pid);
    // whose memory does not come is not known: then all of it is read as always
    const Risk risk(system_.progress(), Pid{}, Fact::Memory);
    if (begin == image.pids.end() || !risk.allowed()) return false;
    const auto pages =
        std::span(image.used).first(std::min(image.used.size(), linux::deputy::kMostPages));
    const auto left = static_cast<std::size_t>(image.pids.end() - begin);
    const std::size_t count =
        std::min({left, image.at_once, linux::deputy::kMostPages / pages.size()});
    image.at_once = std::min(2 * image.at_once, linux::deputy::kMostPages);
    pids_.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    fetched_ = linux::deputy::fetch_pages(pids_, pages);
    return true;
  }

  System& system_;
  bool may_fetch_ = false;  ///< nobody is seen to have a userfaultfd
  std::map<Image, Processes> images_;
  std::vector<int> pids_;  ///< whose pages were fetched last
  std::vector<linux::deputy::FetchedPages> fetched_;
};

/// The stacks of one process and what they tell.
class ProcessStacks {
 public:
  ProcessStacks(System& system, ProcessEntry& process, linux::AddressSpace& space, Found& found)
      : system_(system),
        process_(process),
        space_(space),
        images_(found.images),
        pythons_(found.pythons),
        code_(found.code) {}

  /// @param which  None: only of threads that have no frames of a language
  void read_native(std::size_t& budget, Symbols which = Symbols::All) {
    for (ThreadEntry& thread : process_.threads) {
      if (thread.of_runtime || (thread.out.interpreted && which == Symbols::None)) continue;
      const bool blocked = thread.call && thread.call->kind != linux::SyscallState::Kind::Running;
      if (!blocked || budget == 0 || system_.progress().is_late()) continue;
      --budget;
      const Risk risk(system_.progress(), process_.pid, Fact::Stack, thread.tid.value);
      if (!risk.allowed()) continue;
      unwind::Registers registers;
      registers.sp = thread.call->sp;
      registers.pc = thread.call->pc;
      thread.out.native = images_.unwind(space_, registers);
      if (is_incomplete(thread)) unwind_with_all_registers(thread);
    }
  }

  /// A shell's user code is its script: the outermost frames of its only thread.
  void read_shell() {
    const auto leader = std::ranges::find(process_.threads, process_.pid.value,
                                          [](const ThreadEntry& t) { return t.tid.value; });
    if (leader == process_.threads.end() || !leader->out.native) return;
    const Risk risk(system_.progress(), process_.pid, Fact::Runtime);
    if (!risk.allowed()) return;
    if (leader->out.wait && may_come_back(*leader->out.wait) &&
        (runtime::shell::is_in_loop(space_, images_) || runtime::shell::is_in_dash_loop(space_)))
      leader->out.wait->comes_back = true;
    read_traps(*leader->out.native);
    std::string awaited;
    if (leader->out.wait && leader->out.wait->kind == snapshot::WaitKind::Child)
      for (const Pid child : leader->out.wait->children)
        if (const ProcessEntry* entry = system_.find(child); entry != nullptr && awaited.empty())
          awaited = entry->stat.comm;
    auto frames = runtime::shell::read_script_frames(space_, images_, awaited);
    if (!frames) return;
    auto& native = *leader->out.native;
    native.insert(native.end(), frames->begin(), frames->end());
  }

  /// Traps of a script, behind bash's own handler.
  void read_traps(const std::vector<snapshot::Frame>& frames) {
    const auto is_bash = [](const snapshot::Handler& handler) {
      return handler.name.starts_with("trap_handler in bash");
    };
    if (!process_.out.handlers || std::ranges::none_of(*process_.out.handlers, is_bash)) return;
    const bool in_wait = std::ranges::any_of(frames, [&](const snapshot::Frame& frame) {
      return images_.function_at(space_, frame.pc).value_or("") == "wait_builtin";
    });
    for (snapshot::Handler& handler : *process_.out.handlers) {
      if (!is_bash(handler)) continue;
      const auto effects = runtime::shell::read_trap(space_, images_, handler.signal, in_wait);
      if (!effects) continue;
      handler.effects = *effects;
      handler.restarts = !in_wait;
    }
  }

  /// Of compiled programs the code tells; of a language whose loops nobody reads here it is not
  /// known, so it may.
  void read_loops() {
    if (!process_.out.interpreter.version.empty()) return;
    for (ThreadEntry& thread : process_.threads) {
      if (!thread.out.wait || thread.out.wait->kind != WaitKind::OpenFifo) continue;
      if (thread.out.wait->comes_back || runtime::shell::is_read(space_)) continue;
      const auto& frames = thread.language_frames;
      const std::string language = frames.empty() ? "" : frames.front().module;
      if (language == "perl" || language == "node") continue;
      thread.out.wait->comes_back = !language.empty() || runtime::shell::is_other(space_) ||
                                    images_.address_of(space_, "libjvm.so", "gHotSpotVMStructs") ||
                                    (thread.out.native && runtime::native::opens_in_loop(
                                                              space_, images_, *thread.out.native));
    }
  }

  /// What each runtime of the table tells of the threads.
  void read_runtimes(std::span<const runtime::Runtime> runtimes) {
    std::vector<runtime::Blocked> blocked;
    for (const ThreadEntry& thread : process_.threads)
      if (thread.call && thread.call->kind == linux::SyscallState::Kind::InCall)
        blocked.push_back({thread.tid, thread.ns_tid, thread.call->sp, thread.call->pc});
    std::int32_t number = 0;
    for (const runtime::Runtime& one : runtimes) {
      const Risk risk(system_.progress(), process_.pid, Fact::Runtime, ++number);
      if (!risk.allowed()) continue;
      auto told = one.read({space_, images_, blocked});
      if (!told) system_.note_unread(process_.pid, told.error());
      if (told) std::ranges::for_each(*told, [&](runtime::Told& of) { add(of); });
    }
  }

  /// Those of the language follow those of its interpreter.
  void add_language_frames() {
    for (ThreadEntry& thread : process_.threads) {
      if (!thread.out.native || thread.language_frames.empty()) continue;
      auto& native = *thread.out.native;
      std::erase_if(native, &snapshot::Frame::guessed);
      native.insert(native.end(), thread.language_frames.begin(), thread.language_frames.end());
    }
  }

  /// What the kernel would release if a thread died; worth reading where somebody waits for such a
  /// mutex.
  void read_robust_locks() {
    const bool any_waits = std::ranges::any_of(process_.threads, [](const ThreadEntry& t) {
      return waits_on_futex(t) && (t.out.wait->futex.lock.kind == snapshot::LockKind::RobustMutex ||
                                   t.out.wait->futex.lock.kind == snapshot::LockKind::PiMutex);
    });
    if (!any_waits) return;
    for (ThreadEntry& thread : process_.threads) {
      const Risk risk(system_.progress(), process_.pid, Fact::Lock, -thread.tid.value);
      if (!risk.allowed()) continue;
      const auto words = linux::read_robust_list(thread.tid, space_.memory);
      if (words)
        thread.out.held_locks.insert(thread.out.held_locks.end(), words->begin(), words->end());
    }
  }

  void identify_locks() {
    for (ThreadEntry& thread : process_.threads) {
      if (!waits_on_futex(thread)) continue;
      const Risk risk(system_.progress(), process_.pid, Fact::Lock, thread.tid.value);
      if (!risk.allowed()) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      runtime::libc::FutexCall call;
      call.task = {process_.pid, thread.tid};
      call.address = futex.address;
      call.op = static_cast<int>(thread.call->args[1]);
      call.value = futex.expected;
      call.shared_memory = futex.shared_memory;
      if (thread.out.native) call.frames = *thread.out.native;
      const bool on_own_stack = futex.address.value - thread.call->sp.value < 4096;
      if (const auto* task = on_own_stack ? kernel_task_of(thread) : nullptr)
        call.registers = {task->rbx, task->rbp, task->r12, task->r13, task->r14, task->r15};
      futex.lock = runtime::libc::identify_lock(space_, images_, call,
                                                [&](int ns_tid) { return find_owner(ns_tid); });
      if (futex.lock.checked)
        thread.lock_words =
            lock_words(space_.memory, futex.lock).value_or(std::vector<std::byte>());
    }
  }

  /// A mutex that stores no owner is somebody's: if all threads but one wait for it, that one's, as
  /// his stack refers to it; or else it is taken a second time by whoever waits, where nobody but
  /// him could go on.
  void find_last_candidates() {
    for (ThreadEntry& waiter : process_.threads) {
      if (!waits_on_futex(waiter) || waiter.of_runtime) continue;
      snapshot::FutexWait& futex = waiter.out.wait->futex;
      snapshot::Lock& lock = futex.lock;
      const bool kept_by_one = lock.kind == snapshot::LockKind::Mutex ||
                               lock.kind == snapshot::LockKind::RwlockRead ||
                               lock.kind == snapshot::LockKind::RwlockWrite;
      if (!kept_by_one || futex.shared_memory || lock.address.value == 0 ||
          lock.ownership != snapshot::Ownership::NotStored || !lock.likely_owners.empty() ||
          lock.numbers.contains(snapshot::LockNumber::Readers) || shares_memory())
        continue;
      std::vector<const ThreadEntry*> others;
      for (const ThreadEntry& thread : process_.threads)
        if (!waits_on_futex(thread) || thread.out.wait->futex.lock.address != lock.address)
          others.push_back(&thread);
      const auto waiters = process_.threads.size() - others.size();
      // Of one that lives it would be a bold word: what it holds need not be on its stack.
      const bool alone = others.empty() || joins(*others.front(), waiter.tid);
      if (others.size() == 1 && has_on_its_stack(*others.front(), lock.address)) {
        lock.likely_owners = {{process_.pid, others.front()->tid}};
        lock.evidence += "; all other threads wait for it";
      } else if (others.size() <= 1 && waiters == 1 && alone) {
        lock.likely_owners = {{process_.pid, waiter.tid}};
        lock.evidence += "; no other thread refers to it";
      }
    }
  }

  /// What those that live by themselves may do next.
  void read_code() {
    if (!code_) code_.emplace(system_, images_);
    code_->read(process_, space_);
  }

  /// Names and lines for the native frames of threads that have nothing else, or of all.
  void name_native(Symbols symbols) {
    for (ThreadEntry& thread : process_.threads) {
      if (!thread.out.native || (thread.out.interpreted && symbols != Symbols::All)) continue;
      const Risk risk(system_.progress(), process_.pid, Fact::Stack, -thread.tid.value);
      if (!risk.allowed() || system_.progress().is_late()) continue;
      for (Error& why : images_.describe(space_, *thread.out.native, go_on(system_.progress())))
        system_.note_unseen(process_.pid, Tid{}, std::move(why));
      find_library_call(thread.out);
    }
  }

  void find_teams() {
    for (ThreadEntry& thread : process_.threads) {
      if (!thread.out.native || !runtime::native::is_of_a_team(*thread.out.native)) continue;
      thread.out.activity.object.kind = snapshot::Resource::Team;
      thread.out.activity.object.type = "team of OpenMP";
    }
  }

  void read_python(Extent extent = Extent::All) {
    const Risk risk(system_.progress(), process_.pid, Fact::Runtime);
    if (!risk.allowed()) return;
    auto interpreter = Interpreter::find(space_, pythons_);
    if (!interpreter) return system_.note_unread(process_.pid, interpreter.error());
    process_.out.interpreter.version = interpreter->version();
    const auto before =
        extent == Extent::All ? switches_of_alive() : std::map<Tid, std::uint64_t>{};
    std::vector<NativeThread> natives;
    for (const ThreadEntry& thread : process_.threads)
      natives.push_back({thread.tid, thread.ns_tid, stack_pointer(thread)});
    auto threads = interpreter->read_threads(natives, extent);
    if (!threads) {
      system_.note_unseen(process_.pid, Tid{}, threads.error());
      return;
    }
    for (PythonThread& python : *threads) add_python(python);
    if (extent == Extent::Stacks) return;
    if (const auto ended = interpreter->ended_threads())
      process_.out.interpreter.ended_threads = *ended;
    process_.out.interpreter.objects = interpreter->read_objects();
    for (auto& object : process_.out.interpreter.objects) resolve_fds(object);
    for (ThreadEntry& thread : process_.threads) {
      if (thread.out.wait && thread.out.wait->kind == WaitKind::OpenFifo)
        thread.out.wait->comes_back = interpreter->comes_back(thread.tid);
      if (!waits_on_futex(thread)) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      (void)interpreter->refine_lock({process_.pid, thread.tid}, futex.address, futex.lock);
    }
    read_effects(*interpreter, before);
  }

 private:
  void add(runtime::Told& told) {
    const auto it = std::ranges::find(process_.threads, told.tid, &ThreadEntry::tid);
    if (it == process_.threads.end()) return;
    snapshot::Thread& thread = it->out;
    if (!told.name.empty()) thread.name = std::move(told.name);
    if (!told.housekeeping.empty()) thread.housekeeping = std::move(told.housekeeping);
    if (told.activity) thread.activity = *std::move(told.activity);
    if (told.lock && waits_on_futex(*it)) thread.wait->futex.lock = *std::move(told.lock);
    if (thread.wait && may_come_back(*thread.wait)) thread.wait->comes_back |= told.comes_back;
    std::ranges::copy(told.held_locks, std::back_inserter(thread.held_locks));
    it->language_frames = std::move(told.frames);
  }

  bool shares_memory() const {
    return std::ranges::count_if(system_.processes(), [&](const auto& other) {
             return other->out.mm_group == process_.out.mm_group;
           }) != 1;
  }

  bool joins(const ThreadEntry& thread, Tid whom) const {
    if (!waits_on_futex(thread) || !thread.out.wait->untimed) return false;
    const snapshot::Lock& lock = thread.out.wait->futex.lock;
    return snapshot::is_join(lock.kind) && lock.ownership == snapshot::Ownership::Known &&
           std::ranges::find(lock.owners, snapshot::TaskRef{process_.pid, whom}) !=
               lock.owners.end();
  }

  /// Whether some word above its stack pointer is that address, as that of a guard is.
  bool has_on_its_stack(const ThreadEntry& thread, RemoteAddr address) const {
    constexpr std::uint64_t kMost = 128 << 10;
    if (!thread.call || thread.call->kind != linux::SyscallState::Kind::InCall) return false;
    const std::uint64_t begin = thread.call->sp.value & ~std::uint64_t{7};
    const linux::Mapping* stack = linux::find_mapping(space_.maps(), RemoteAddr{begin});
    if (stack == nullptr) return false;
    std::vector<std::uint64_t> words(std::min(stack->end - begin, kMost) / 8);
    return space_.memory.read(RemoteAddr{begin}, std::as_writable_bytes(std::span(words))) &&
           std::ranges::find(words, address.value) != words.end();
  }

  /// Whether it matters that it is in a loop.
  static bool may_come_back(const snapshot::Wait& wait) {
    const bool reads_fifo = wait.kind == WaitKind::Read && wait.objects.size() == 1 &&
                            wait.objects[0].object.kind == snapshot::ObjectKind::Fifo;
    return reads_fifo || wait.kind == WaitKind::OpenFifo || wait.kind == WaitKind::Child;
  }

  /// It goes on without anybody's help: after a time, or right now.
  static bool goes_on_alone(const ThreadEntry& thread) {
    if (!thread.out.wait) return true;
    const snapshot::Wait& wait = *thread.out.wait;
    return wait.kind == WaitKind::Running || wait.kind == WaitKind::Sleep || !wait.untimed;
  }

  /// It may go on by a stranger's help.
  static bool waits_for_strangers(const ThreadEntry& thread) {
    if (!thread.out.wait) return false;
    const snapshot::Wait& wait = *thread.out.wait;
    return wait.kind == WaitKind::Accept || wait.kind == WaitKind::Poll ||
           wait.kind == WaitKind::Epoll ||
           std::ranges::any_of(wait.objects, [](const snapshot::Awaited& awaited) {
             return awaited.object.kind == snapshot::ObjectKind::InetSocket;
           });
  }

  static bool is_alive_by_itself(const ThreadEntry& thread) {
    return goes_on_alone(thread) || waits_for_strangers(thread);
  }

  std::optional<std::uint64_t> switches_of(Tid tid) const {
    const auto text = process_.dir->read_record("task/" + std::to_string(tid.value) + "/status");
    const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
    if (!status) return std::nullopt;
    return status->switches();
  }

  std::map<Tid, std::uint64_t> switches_of_alive() const {
    std::map<Tid, std::uint64_t> out;
    for (const ThreadEntry& thread : process_.threads) {
      if (!is_alive_by_itself(thread)) continue;
      if (out.size() == kMaxReadThreads) break;
      if (const auto switches = switches_of(thread.tid)) out.emplace(thread.tid, *switches);
    }
    return out;
  }

  /// What its threads that live by themselves may do next, and its signal handlers. A thread that
  /// ran since `before`, or is about to, is not where it was read: as it may change what the others
  /// call, nothing is known of them either.
  void read_effects(Interpreter& interpreter, const std::map<Tid, std::uint64_t>& before) {
    std::vector<Tid> alive, others;
    bool all_seen = true;
    for (const ThreadEntry& thread : process_.threads) {
      if (!thread.out.is_interpreted || !is_alive_by_itself(thread)) continue;
      const bool runs = !thread.out.wait || thread.out.wait->kind == WaitKind::Running ||
                        thread.out.wait->futex.lock.kind == snapshot::LockKind::InterpreterLock;
      if (runs || !before.contains(thread.tid)) all_seen = false;
      (goes_on_alone(thread) ? alive : others).push_back(thread.tid);
    }
    const Error moved{Cause::Other, 0, "read what its code does next: it runs"};
    if (!all_seen) {
      // also where its switches could not be read: who is not read may do anything
      for (ThreadEntry& thread : process_.threads)
        if (thread.out.is_interpreted && is_alive_by_itself(thread)) thread.out.next = moved;
      alive.clear();
      others.clear();
    }
    const auto main = std::ranges::find(process_.threads, process_.pid.value,
                                        [](const ThreadEntry& t) { return t.tid.value; });
    const bool waits = main != process_.threads.end() && main->out.wait &&
                       main->out.wait->kind == snapshot::WaitKind::Futex;
    auto effects = interpreter.read_effects(alive, others,
                                            waits ? main->out.wait->futex.address : RemoteAddr{});
    alive.insert(alive.end(), others.begin(), others.end());
    all_seen =
        std::ranges::all_of(alive, [&](Tid tid) { return switches_of(tid) == before.at(tid); });
    for (auto& [tid, next] : effects.threads) {
      const auto it = std::ranges::find(process_.threads, tid, &ThreadEntry::tid);
      if (it == process_.threads.end()) continue;
      if (all_seen)
        it->out.next = std::move(next);
      else
        it->out.next = moved;
    }
    for (const auto& [tid, polling] : effects.polling) {
      const auto it = std::ranges::find(process_.threads, tid, &ThreadEntry::tid);
      if (it != process_.threads.end() && all_seen) add_questions(interpreter, *it, polling);
    }
    if (!effects.handlers) return;
    if (process_.status) {
      const std::uint64_t caught = process_.status->caught;
      std::erase_if(*effects.handlers, [&](const snapshot::Handler& handler) {
        return (caught >> (handler.signal - 1) & 1) == 0;
      });
    }
    process_.out.handlers = std::move(effects.handlers);
  }

  /// What it asks for takes the place of what it waits for; nothing, where one of these things was
  /// not found.
  void add_questions(Interpreter& interpreter, ThreadEntry& thread,
                     const runtime::cpython::Polling& polling) {
    using Kind = runtime::cpython::Question::Kind;
    std::vector<snapshot::Wait> waits;
    for (const auto& question : polling.questions) {
      if (question.kind == Kind::Own) continue;  // the whole process is asked anyway
      auto wait = wait_for(interpreter, thread, question);
      if (!wait) return;
      waits.push_back(*std::move(wait));
    }
    if (waits.empty()) {
      waits.emplace_back().kind = WaitKind::Futex;
      waits.back().futex.word = std::uint32_t{0};
      waits.back().futex.lock = as_named(thread.out.wait->futex.lock);
    }
    for (snapshot::Wait& wait : waits) {
      wait.call = thread.out.wait->call;
      wait.untimed = wait.asked = true;
    }
    thread.out.wait = std::move(waits.front());
    thread.out.asks.assign(std::make_move_iterator(waits.begin() + 1),
                           std::make_move_iterator(waits.end()));
    thread.out.meanwhile = polling.meanwhile;
  }

  /// A lock that a loop tries to take: for the words of a report. Whoever can reach the memory may
  /// still release it, as the loop may ask for other things besides.
  static snapshot::Lock as_named(const snapshot::Lock& tried) {
    snapshot::Lock lock;
    if (tried.kind != snapshot::LockKind::UnownedLock &&
        tried.kind != snapshot::LockKind::ReentrantLock)
      return lock;
    lock.kind = snapshot::LockKind::UnownedLock;
    lock.name = tried.name;
    lock.address = tried.address;
    lock.evidence = tried.evidence;
    lock.numbers = tried.numbers;
    const auto& owners = tried.owners.empty() ? tried.likely_owners : tried.owners;
    if (!owners.empty()) lock.numbers.set(snapshot::LockNumber::TakenBy, owners.front().tid.value);
    return lock;
  }

  /// The blocking call that a question stands for.
  std::optional<snapshot::Wait> wait_for(Interpreter& interpreter, const ThreadEntry& thread,
                                         const runtime::cpython::Question& question) {
    using Kind = runtime::cpython::Question::Kind;
    snapshot::Wait wait;
    switch (question.kind) {
      case Kind::Own:
        return std::nullopt;
      case Kind::Child: {
        wait.kind = WaitKind::Child;
        wait.any_child = question.number < 0;
        if (wait.any_child) {
          for (const auto& process : system_.processes())
            if (process->stat.ppid == process_.pid) wait.children.push_back(process->pid);
          return wait;
        }
        const auto task = find_task(system_, process_, static_cast<int>(question.number));
        const ProcessEntry* child = task && *task ? system_.find((*task)->pid) : nullptr;
        if (child == nullptr || child->stat.ppid != process_.pid) return std::nullopt;
        wait.children = {child->pid};
        return wait;
      }
      case Kind::Data: {
        const auto* table = System::table_of(process_, thread.tid);
        if (table == nullptr) return std::nullopt;
        const auto fd = static_cast<int>(question.number);
        const auto it = std::ranges::lower_bound(*table, fd, {}, &Fd::fd);
        if (it == table->end() || it->fd != fd) return std::nullopt;
        wait.kind = WaitKind::Read;
        wait.objects = {{fd, it->object, true, false}};
        wait.detail = "fd " + std::to_string(fd);
        return wait;
      }
      case Kind::Semaphore: {
        const RemoteAddr address{question.address};
        const linux::Mapping* mapping = linux::find_mapping(space_.maps(), address);
        std::uint32_t word = 0;
        const bool read =
            space_.memory.read(address, std::as_writable_bytes(std::span(&word, 1))).has_value();
        if (mapping == nullptr || !mapping->shared || !read) return std::nullopt;
        wait.kind = WaitKind::Futex;
        wait.futex.address = address;
        wait.futex.shared_memory = true;
        wait.futex.page = {mapping->dev, mapping->ino,
                           mapping->offset + (address.value - mapping->start)};
        wait.futex.word = word;
        (void)interpreter.refine_lock({process_.pid, thread.tid}, address, wait.futex.lock);
        return wait;
      }
    }
    return std::nullopt;
  }

  /// What the kernel says of it, as of the same moment: with the stack pointer and the place that
  /// /proc gave. nullptr: not known.
  const linux::KernelTask* kernel_task_of(const ThreadEntry& thread) {
    const auto found = system_.kernel_task(thread.tid);
    if (!found) return nullptr;
    const linux::KernelTask& task = **found;
    const bool same = task.sp == thread.call->sp.value && task.pc == thread.call->pc.value;
    return task.is_user && same ? &task : nullptr;
  }

  void unwind_with_all_registers(ThreadEntry& thread) {
    const linux::KernelTask* task = kernel_task_of(thread);
    if (task == nullptr) return;
    unwind::Registers registers{thread.call->sp, thread.call->pc, task->rbp, task->rbx,
                                task->r12,       task->r13,       task->r14, task->r15};
    auto frames = images_.unwind(space_, registers);
    if (frames) thread.out.native = std::move(frames);
  }

  /// Whoever lived a moment ago is a waker; that nobody has the number is looked up each time.
  Result<std::optional<snapshot::TaskRef>> find_owner(int ns_tid) {
    if (const auto known = owners_.find(ns_tid); known != owners_.end()) return known->second;
    auto found = find_task(system_, process_, ns_tid);
    if (found && *found) owners_.emplace(ns_tid, *found);
    return found;
  }

  static bool waits_on_futex(const ThreadEntry& thread) {
    return thread.out.wait && thread.out.wait->kind == WaitKind::Futex && thread.call &&
           !thread.wait_told;
  }

  void add_python(PythonThread& python) {
    const auto it = std::ranges::find(process_.threads, python.tid, &ThreadEntry::tid);
    if (it == process_.threads.end()) return;
    it->out.is_interpreted = true;
    it->out.name = python.name;
    it->out.interpreted = std::move(python.frames);
    it->out.activity = std::move(python.activity);
    resolve_fds(it->out.activity.object);
    it->out.held_locks.insert(it->out.held_locks.end(), python.held_locks.begin(),
                              python.held_locks.end());
  }

  /// Gives an object of a language the kernel objects behind its descriptors.
  void resolve_fds(snapshot::RuntimeObject& object) {
    if (!process_.fds) return;
    using snapshot::End;
    using snapshot::Number;
    const auto resolve = [&](Number key, End end) {
      const std::int64_t* number = object.numbers.find(key);
      if (number == nullptr) return;
      const auto it =
          std::ranges::lower_bound(*process_.fds, static_cast<int>(*number), {}, &Fd::fd);
      if (it != process_.fds->end() && it->fd == *number) object.objects.set(end, it->object);
    };
    resolve(Number::ReaderFd, End::Reader);
    resolve(Number::WriterFd, End::Writer);
    resolve(Number::HandleFd, End::Handle);
    resolve(Number::SocketFd, End::Socket);
  }

  System& system_;
  ProcessEntry& process_;
  linux::AddressSpace& space_;
  unwind::Images& images_;
  runtime::cpython::KnownRuntimes& pythons_;
  std::optional<NativeCode>& code_;
  std::map<int, std::optional<snapshot::TaskRef>> owners_;  ///< of locks, that live
};

/// fork without exec since: the same image as the parent's.
void mark_forked_copies(System& system) {
  std::map<Pid, std::optional<linux::ImageStamp>> stamps;  // of parents
  const auto stamp_of = [&](ProcessEntry& process) -> const std::optional<linux::ImageStamp>& {
    auto [it, is_new] = stamps.try_emplace(process.pid);
    if (!is_new) return it->second;
    const auto space = system.space_of(process);
    const Risk risk(system.progress(), process.pid, Fact::Memory);
    if (!space || !risk.allowed()) return it->second;
    const auto stamp = linux::read_image_stamp(*process.dir, (*space)->memory);
    if (stamp) it->second = *stamp;
    return it->second;
  };
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead) continue;
    ProcessEntry* parent = system.find(process->stat.ppid);
    const bool may = parent != nullptr && parent->examined &&
                     parent->stat.start_stack == process->stat.start_stack &&
                     process->stat.start_stack != 0;
    if (!may) continue;
    const auto& stamp = stamp_of(*parent);
    const auto space = system.space_of(*process);
    const Risk risk(system.progress(), process->pid, Fact::Memory);
    process->out.forked_copy =
        stamp && space && risk.allowed() && linux::has_stamp((*space)->memory, *stamp);
  }
}

/// Of a semaphore in the own memory of a forked copy: what lies there in its parent. A post that
/// came went into one of the two.
void read_parents_semaphores(System& system) {
  for (const auto& process : system.processes()) {
    ProcessEntry* parent = process->out.forked_copy ? system.find(process->stat.ppid) : nullptr;
    if (parent == nullptr) continue;
    for (ThreadEntry& thread : process->threads) {
      if (!thread.out.wait || thread.out.wait->kind != WaitKind::Futex) continue;
      snapshot::FutexWait& futex = thread.out.wait->futex;
      if (futex.lock.kind != snapshot::LockKind::Semaphore || futex.shared_memory) continue;
      const auto space = system.space_of(*parent);
      const Risk risk(system.progress(), parent->pid, Fact::Memory);
      if (!space || !risk.allowed()) continue;
      if (const auto word = (*space)->memory.read_u32(futex.address))
        futex.lock.numbers.set(snapshot::LockNumber::ParentsValue, *word);
    }
  }
}

}  // namespace

namespace {

/// What was read of its memory lacks something, nobody knows what: a handler, an owner, an item.
/// Its stacks may be shown, but nothing is to be concluded from them.
void forget_conclusions(ProcessEntry& process, const Error& why) {
  process.out.handlers = why;
  for (ThreadEntry& thread : process.threads) {
    thread.out.wait = why;
    thread.out.next = why;
    thread.out.meanwhile = why;
    thread.out.asks.clear();
  }
}

/// Whose memory has gone is no gap, if he has as well.
Error unless_it_lives(const ProcessEntry& process, Error error) {
  const auto stat = linux::read_stat(*process.dir);
  if (error.cause == Cause::Gone && stat && !stat->has_exited()) error.cause = Cause::NotRead;
  return error;
}

/// Calls read(stacks) for every process that is looked into.
template <class Read>
void for_each_space(System& system, Read read) {
  Found found;
  PagesOfImages pages(system);
  std::vector<linux::deputy::File> programs;
  for (const auto& process : system.processes())
    if (process->space && system.dir_to_read_ahead(*process) >= 0)
      programs.push_back({process->space->dir.fd(), "exe"});
  const linux::deputy::ReadAhead links(linux::deputy::Wish::ReadLink, programs);
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || system.progress().is_late()) continue;
    const auto space = system.space_of(*process);
    if (!space) {
      system.note_unseen(process->pid, Tid{}, unless_it_lives(*process, space.error()));
      continue;
    }
    pages.fetch(*process, **space);
    read(ProcessStacks(system, *process, **space, found));
    pages.keep(*process, **space);
    if (const Status failure = (*space)->read_failure(); !failure) {
      system.note_unseen(process->pid, Tid{}, failure.error());
      forget_conclusions(*process, failure.error());
    }
    (*space)->memory.drop_cache();  // the next process gets its pages
  }
  for (Error& why : found.images.cache().unread()) system.note_unseen(Pid{}, Tid{}, std::move(why));
}

/// Where it is in the kernel; for whom it waits there is another question.
snapshot::Wait call_of(const linux::SyscallState& state) {
  snapshot::Wait wait;
  wait.kind =
      state.kind == linux::SyscallState::Kind::Running ? WaitKind::Running : WaitKind::Unknown;
  if (state.kind == linux::SyscallState::Kind::InCall) wait.call = syscall_name(state.nr);
  return wait;
}

}  // namespace

void look_again_at_locks(System& system) {
  for (const auto& process : system.processes()) {
    for (ThreadEntry& thread : process->threads) {
      if (thread.lock_words.empty() || !thread.out.wait || !process->space) continue;
      const Risk risk(system.progress(), process->pid, Fact::Lock, thread.tid.value);
      if (!risk.allowed()) continue;
      const auto words = lock_words(process->space->memory, thread.out.wait->futex.lock);
      if (!words || *words != thread.lock_words) thread.out.stable = false;
    }
    if (process->space) process->space->memory.drop_cache();
  }
}

void read_stacks(System& system, const Options& options) {
  std::size_t budget = kMaxStacks;
  for_each_space(system, [&](ProcessStacks stacks) {
    stacks.read_native(budget);
    stacks.identify_locks();
    stacks.find_last_candidates();
    stacks.read_robust_locks();
    stacks.read_python();
    stacks.find_teams();
    stacks.read_code();
    stacks.read_runtimes(options.runtimes);
    stacks.add_language_frames();
    stacks.read_shell();
    stacks.read_loops();
    if (options.symbols == Symbols::All) stacks.name_native(Symbols::All);
  });
  mark_forked_copies(system);
  read_parents_semaphores(system);
  complete_python_locks(system);
}

void read_only_stacks(System& system, Symbols symbols) {
  system.read_maps_late();
  for (const auto& process : system.processes())
    for (ThreadEntry& thread : process->threads)
      thread.out.wait =
          thread.call ? Result<snapshot::Wait>(call_of(*thread.call)) : thread.call.error();
  unwind::Images programs;
  for (const auto& process : system.processes()) {
    if (!process->examined) continue;
    read_goroutines(system, *process, programs.cache());
    read_ruby(system, *process, programs);
  }
  std::size_t budget = kMaxStacks;
  for_each_space(system, [&](ProcessStacks stacks) {
    stacks.read_python(Extent::Stacks);
    stacks.read_native(budget, symbols);
    stacks.read_runtimes(runtime::runtimes());
    stacks.add_language_frames();
    stacks.read_shell();
    stacks.name_native(symbols);
  });
}

namespace {

/// SO_*TIMEO makes the difference between a call that restarts and one that returns EINTR; an
/// untimed wait has none.
linux::FileOfCall file_of_call(const ThreadEntry& thread) {
  using snapshot::ObjectKind;
  if (!thread.out.wait) return linux::FileOfCall::Unknown;
  auto file = linux::FileOfCall::NotSocket;
  for (const snapshot::Awaited& awaited : thread.out.wait->objects) {
    const ObjectKind kind = awaited.object.kind;
    if (kind == ObjectKind::Unknown) return linux::FileOfCall::Unknown;
    const bool socket = kind == ObjectKind::UnixSocket || kind == ObjectKind::InetSocket ||
                        kind == ObjectKind::OtherSocket;
    if (socket && !thread.out.wait->untimed) return linux::FileOfCall::Unknown;
    if (socket) file = linux::FileOfCall::SocketWithoutTimeout;
  }
  return file;
}

bool should_stop(const ThreadEntry& thread, StopPolicy policy) {
  if (!thread.out.stable || !is_incomplete(thread) || thread.out.state != 'S') return false;
  if (thread.of_runtime) return false;
  if (thread.call->kind != linux::SyscallState::Kind::InCall) return false;
  return policy == StopPolicy::Always || linux::may_be_stopped(*thread.call, file_of_call(thread));
}

Result<unwind::Registers> registers_of(Tid tid) {
  const auto registers = linux::read_registers(tid);
  if (!registers) return registers.error();
  unwind::Registers out;
  out.sp = RemoteAddr{registers->rsp};
  out.pc = RemoteAddr{registers->rip};
  out.rbp = registers->rbp;
  out.rbx = registers->rbx;
  out.r12 = registers->r12;
  out.r13 = registers->r13;
  out.r14 = registers->r14;
  out.r15 = registers->r15;
  return out;
}

}  // namespace

std::uint32_t reread_stacks_stopped(System& system, StopPolicy policy) {
  unwind::Images images;
  std::uint32_t stopped = 0;
  for (const auto& process : system.processes()) {
    if (!process->examined || process->dead || !process->space) continue;
    for (ThreadEntry& thread : process->threads) {
      if (!should_stop(thread, policy) || system.progress().is_late()) continue;
      const Risk risk(system.progress(), process->pid, Fact::Stop, thread.tid.value);
      if (!risk.allowed()) continue;
      ++stopped;
      const auto registers = registers_of(thread.tid);
      if (!registers) {
        system.note_unseen(process->pid, thread.tid, registers.error());
        continue;
      }
      auto frames = images.unwind(*process->space, *registers);
      if (frames) thread.out.native = std::move(frames);
    }
  }
  return stopped;
}

namespace {

/// The same process as in the snapshot, and no other that has its number now. A leader that has
/// exited has no memory any more; /proc/TID of a thread that lives on shows it.
Result<linux::AddressSpace> open_space_of(const snapshot::Snapshot& snapshot,
                                          const snapshot::TaskRef& task) {
  const auto dir = linux::ProcDir::open(task.pid);
  const auto before = dir ? linux::read_stat(*dir) : Result<linux::Stat>(dir.error());
  if (!before) return before.error();
  const bool by_thread = before->has_exited() && !snapshot::is_fiber(task.tid);
  auto space = linux::AddressSpace::open(by_thread ? Pid{task.tid.value} : task.pid);
  if (!space) return space;
  const snapshot::Process* process = snapshot::find_process(snapshot, task.pid);
  const auto stat = linux::read_stat(*dir);  // it lives still: so that was it
  if (!stat) return stat.error();
  if (process == nullptr || stat->start_ticks != process->start_ticks)
    return Error{Cause::Gone, 0, "read lines: another process has its number now"};
  return space;
}

}  // namespace

void find_library_call(snapshot::Thread& thread) {
  if (!thread.native) return;
  snapshot::Activity& activity = thread.activity;
  if (runtime::native::runs_a_task(*thread.native)) activity.part = snapshot::Part::Worker;
  const bool waits = thread.wait && thread.wait->kind == WaitKind::Futex;
  if (!waits || !activity.call.empty()) return;
  auto found = runtime::native::library_call(*thread.native);
  if (found.call.empty()) return;
  found.part = activity.part;
  activity = std::move(found);
}

snapshot::NamedStacks symbolise_here(const snapshot::Snapshot& snapshot,
                                     const std::vector<snapshot::TaskRef>& tasks,
                                     Progress& progress) {
  linux::deputy::take_over();
  unwind::Images images;
  std::map<Pid, Result<linux::AddressSpace>> spaces;
  snapshot::NamedStacks named;
  for (const snapshot::TaskRef& task : tasks) {
    if (progress.is_late()) {
      named.unseen.push_back({Pid{}, Tid{}, Error{Cause::TimedOut, 0, "read all lines in time"}});
      break;
    }
    const snapshot::Thread* thread = find_thread(snapshot, task);
    if (thread == nullptr || !thread->native) continue;
    const Risk risk(progress, task.pid, Fact::Stack, task.tid.value);
    if (!risk.allowed()) {
      named.unseen.push_back(
          {task.pid, task.tid, Error{Cause::TimedOut, 0, "read the lines of its stack"}});
      continue;
    }
    auto it = spaces.find(task.pid);
    if (it == spaces.end()) {
      it = spaces.emplace(task.pid, open_space_of(snapshot, task)).first;
      if (!it->second) named.unseen.push_back({task.pid, Tid{}, it->second.error()});
    }
    if (!it->second) continue;
    auto& stack = named.stacks.emplace_back(snapshot::NamedStack{task, *thread->native});
    for (Error& why : images.describe(*it->second, stack.frames, go_on(progress)))
      named.unseen.push_back({task.pid, Tid{}, std::move(why)});
  }
  return named;
}

}  // namespace ipcdoctor::collect
