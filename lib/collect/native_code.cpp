#include "collect/native_code.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <string>

#include "snapshot/restarts.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::collect {
namespace {

using snapshot::Effects;
using snapshot::ObjectKind;
using snapshot::WaitKind;

constexpr std::uint64_t bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}
/// What an operator or a service manager sends.
constexpr std::uint64_t kOperators =
    bit(SIGHUP) | bit(SIGINT) | bit(SIGQUIT) | bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGTERM);
constexpr int kThreadTimer = 32, kSetIds = 33;  ///< the C library's own

bool is_blocked(const ThreadEntry& thread) {
  return thread.call && thread.call->kind == linux::SyscallState::Kind::InCall && thread.out.wait;
}

std::uint64_t handled_signals(const ThreadEntry& thread) {
  return thread.status.caught & ~thread.status.blocked & kOperators;
}

/// Signals whose handlers are known already; CPython's SIGINT always is its own.
std::uint64_t told_signals(const snapshot::Process& process) {
  std::uint64_t told = process.interpreter.version.empty() ? 0 : bit(SIGINT);
  if (process.handlers)
    for (const snapshot::Handler& handler : *process.handlers)
      if (handler.signal >= 1 && handler.signal <= 64) told |= bit(handler.signal);
  return told;
}

/// Kinds of files that only somebody of the same machine writes into.
bool is_between_processes(ObjectKind kind) {
  return kind == ObjectKind::Pipe || kind == ObjectKind::UnixSocket ||
         kind == ObjectKind::EventFd || kind == ObjectKind::Fifo;
}

/// Whether a thread may go on although nobody of the waiting ones helps it: its wait has an end, or
/// is for strangers, or a handler interrupts it.
bool may_live_by_itself(const snapshot::Process& process, const ThreadEntry& thread) {
  if (!is_blocked(thread)) return false;
  const snapshot::Wait& wait = *thread.out.wait;
  if (!wait.untimed || wait.kind == WaitKind::Sleep || wait.kind == WaitKind::Accept ||
      wait.kind == WaitKind::Signal || wait.kind == WaitKind::OpenFifo)
    return true;
  if (std::ranges::any_of(wait.objects, [](const snapshot::Awaited& awaited) {
        return !is_between_processes(awaited.object.kind);
      }))
    return true;
  if (handled_signals(thread) == 0 || !process.handlers) return false;
  return wait.kind == WaitKind::Poll ||
         std::ranges::any_of(*process.handlers,
                             [](const snapshot::Handler& handler) { return !handler.restarts; });
}

/// One of a program without a language that has locks of its own made of semaphores.
bool waits_for_semaphore(const snapshot::Process& process, const snapshot::Wait& wait) {
  const snapshot::LockKind lock = wait.futex.lock.kind;
  return wait.kind == WaitKind::Futex && process.interpreter.version.empty() &&
         (lock == snapshot::LockKind::Semaphore || lock == snapshot::LockKind::SharedSemaphore);
}

/// A sleep has an end anyway; the C library repeats what waits for its own locks.
bool may_be_interrupted(const snapshot::Wait& wait) {
  if (!wait.untimed || wait.kind == WaitKind::Signal) return false;
  const snapshot::LockKind lock = wait.futex.lock.kind;
  return wait.kind != WaitKind::Futex || lock == snapshot::LockKind::Unknown ||
         lock == snapshot::LockKind::Semaphore || lock == snapshot::LockKind::SharedSemaphore;
}

/// As those do who wait for something to do. Who is in the middle of a write has not ended yet.
bool waits_for_work(const snapshot::Wait& wait) {
  switch (wait.kind) {
    case WaitKind::Futex:
    case WaitKind::Poll:
    case WaitKind::Epoll:
    case WaitKind::Sleep:
    case WaitKind::Accept:
    case WaitKind::Signal:
      return true;
    default:
      return false;
  }
}

std::optional<std::uint64_t> switches_of(const ProcessEntry& process, Tid tid) {
  const auto text = process.dir->read_record("task/" + std::to_string(tid.value) + "/status");
  const auto status = text ? linux::parse_status(*text) : Result<linux::TaskStatus>(text.error());
  return status ? std::optional(status->switches()) : std::nullopt;
}

/// The `java` command makes a thread for main() and joins it.
bool is_launcher(const linux::AddressSpace& space, unwind::Images& images,
                 const snapshot::Thread& thread) {
  return thread.native && std::ranges::any_of(*thread.native, [&](const snapshot::Frame& frame) {
           return frame.module.starts_with("libjli.so") &&
                  images.function_at(space, frame.pc).value_or("") == "CallJavaMainInNewThread";
         });
}

bool is_in_jvm(const snapshot::Thread& thread) {
  return thread.native && std::ranges::any_of(*thread.native, [](const snapshot::Frame& frame) {
           return frame.module.starts_with("libjvm.so");
         });
}

/// More could be said if all registers were known.
bool is_vague(const Effects& effects) {
  constexpr std::uint32_t kOfDescriptors = snapshot::kReads | snapshot::kWrites | snapshot::kCloses;
  return effects.may(0) || ((effects.mask & kOfDescriptors) != 0 && effects.fds.empty());
}

}  // namespace

/// Equal stacks with equal registers go on alike.
struct NativeCode::Stacks {
  std::map<std::vector<std::uint64_t>, Effects> known;
};

void NativeCode::read(ProcessEntry& process, linux::AddressSpace& space) {
  const std::optional<Vm> jvm = find_jvm(process, space);
  written_.clear();
  read_handlers(process, space, jvm);
  Stacks stacks;
  for (ThreadEntry& thread : process.threads) {
    if (thread.out.is_interpreted || thread.of_runtime || !thread.language_frames.empty()) continue;
    if (!is_blocked(thread)) continue;
    if (system_.progress().is_late() || reader_.budget() == 0) return;
    const Risk risk(system_.progress(), process.pid, Fact::Code, thread.tid.value);
    if (risk.allowed()) read_thread(process, space, thread, stacks);
  }
  read_interruptions(process, space);
  if (jvm) read_java(process, *jvm);
}

std::optional<NativeCode::Vm> NativeCode::find_jvm(ProcessEntry& process,
                                                   linux::AddressSpace& space) {
  const Risk risk(system_.progress(), process.pid, Fact::Runtime);
  if (!risk.allowed()) return std::nullopt;
  auto vm = Vm::find(space, images_);
  if (vm) return std::move(*vm);
  system_.note_unread(process.pid, vm.error());
  return std::nullopt;
}

/// A lock that knows its owner, who alone gives it back where it is the library's own.
void NativeCode::add_lock_of_library(const ProcessEntry& process,
                                     const runtime::hotspot::JavaThread& java,
                                     snapshot::Thread& thread) {
  const auto owner = std::ranges::find(process.threads, java.lock_owner, &ThreadEntry::ns_tid);
  if (owner == process.threads.end() || thread.wait->kind != WaitKind::Futex) return;
  const std::vector<snapshot::TaskRef> owners = {{process.pid, owner->tid}};
  snapshot::Lock& lock = thread.wait->futex.lock;
  lock = {};
  // who reads and wants to write waits for itself
  lock.kind =
      owner->tid == thread.tid ? snapshot::LockKind::Mutex : snapshot::LockKind::RecursiveMutex;
  lock.name = java.lock_class;
  lock.address = java.wanted_lock;
  lock.checked = java.only_owner_helps;
  lock.ownership = lock.checked ? snapshot::Ownership::Known : snapshot::Ownership::NotStored;
  (lock.checked ? lock.owners : lock.likely_owners) = owners;
  lock.evidence = "exclusiveOwnerThread of the " + java.lock_class;
}

/// Java's frames follow those of the JVM; monitors are what the others' waits are for.
void NativeCode::read_java(ProcessEntry& process, const Vm& jvm) {
  const Risk risk(system_.progress(), process.pid, Fact::Runtime);
  if (!risk.allowed()) return;
  const auto find = [&](int ns_tid) {
    return std::ranges::find(process.threads, ns_tid, &ThreadEntry::ns_tid);
  };
  // Who waits for a monitor wakes once a second to look at it (ObjectMonitor::EnterI()): the two
  // looks at all would often find that it ran. So what it waits for is read while it sleeps.
  constexpr int kTries = 5;
  Result<std::vector<runtime::hotspot::JavaThread>> threads = Error{};
  bool slept = false;
  for (int i = 0; i < kTries && !slept; ++i) {
    if (i > 0) jvm.space().memory.drop_cache();
    std::map<int, std::optional<std::uint64_t>> before;
    for (const ThreadEntry& thread : process.threads)
      if (is_blocked(thread) && thread.out.wait->kind == WaitKind::Futex)
        before[thread.ns_tid] = switches_of(process, thread.tid);
    threads = runtime::hotspot::read_threads(jvm);
    if (!threads) return system_.note_unseen(process.pid, Tid{}, threads.error());
    slept = std::ranges::all_of(*threads, [&](const runtime::hotspot::JavaThread& java) {
      const auto it = before.find(java.ns_tid);
      if (java.wanted_monitor.value == 0 || it == before.end()) return true;
      return it->second && switches_of(process, find(java.ns_tid)->tid) == it->second;
    });
  }
  const auto runs_java = [&](const ThreadEntry& thread) {
    return std::ranges::any_of(*threads, [&](const runtime::hotspot::JavaThread& java) {
      return java.ns_tid == thread.ns_tid && !java.of_vm;
    });
  };
  for (ThreadEntry& thread : process.threads) {
    const bool launches =
        thread.tid.value == process.pid.value && is_launcher(jvm.space(), images_, thread.out);
    if (launches || (is_in_jvm(thread.out) && !runs_java(thread)))
      thread.out.activity.operation = snapshot::Operation::Serve;
  }
  // The reaper of a child waits for whoever is in Process.waitFor(), else for nobody.
  const bool awaited = std::ranges::any_of(*threads, &runtime::hotspot::JavaThread::awaits_child);
  for (runtime::hotspot::JavaThread& java : *threads) {
    const auto it = find(java.ns_tid);
    if (it == process.threads.end() || !is_blocked(*it)) continue;
    snapshot::Thread& thread = it->out;
    if (thread.native && !java.frames.empty()) {
      std::erase_if(*thread.native, &snapshot::Frame::guessed);
      thread.native->insert(thread.native->end(), java.frames.begin(), java.frames.end());
    }
    const snapshot::Part part = java.activity.part;
    if (java.wanted_monitor.value == 0 && !java.of_vm) thread.activity = std::move(java.activity);
    thread.activity.part = part;
    if (java.reaps && !awaited) thread.activity.operation = snapshot::Operation::Serve;
    if (!java.housekeeping.empty() && waits_for_work(*thread.wait) &&
        java.wanted_monitor.value == 0)
      thread.housekeeping = java.housekeeping;
    if (java.wanted_lock.value != 0) add_lock_of_library(process, java, thread);
    const auto owner = find(java.monitor_owner);
    const bool waits = java.wanted_monitor.value != 0 && thread.wait->kind == WaitKind::Futex;
    if (!waits || owner == process.threads.end() || owner == it) continue;
    thread.wait->untimed = true;  // it only looks again whether the monitor is free
    it->waits_for_owner = slept;
    snapshot::Lock& lock = thread.wait->futex.lock;
    lock = {};
    lock.kind = snapshot::LockKind::RecursiveMutex;
    lock.name = "Java monitor";
    lock.address = java.wanted_monitor;
    lock.ownership = snapshot::Ownership::Known;
    lock.owners = {{process.pid, owner->tid}};
    lock.checked = true;
    lock.evidence = "owner of the ObjectMonitor";
  }
}

/// The kernel alone knows which function handles a signal.
void NativeCode::read_handlers(ProcessEntry& process, linux::AddressSpace& space,
                               const std::optional<Vm>& jvm) {
  const std::uint64_t told = told_signals(process.out);
  const bool matters = std::ranges::any_of(process.threads, [&](const ThreadEntry& thread) {
    return is_blocked(thread) && (handled_signals(thread) & ~told) != 0;
  });
  if (!matters) return;
  const Risk risk(system_.progress(), process.pid, Fact::Code);
  if (!risk.allowed()) return;
  const auto task = system_.kernel_task(Tid{process.pid.value});
  if (!task) {
    if (!process.out.handlers) process.out.handlers = task.error();
    return;
  }
  std::vector<snapshot::Handler> handlers;
  if (process.out.handlers) handlers = *process.out.handlers;
  std::map<std::uint64_t, runtime::native::Reader::Handler> known;
  for (const linux::SignalAction& action : (*task)->actions) {
    const bool is_internal = action.signal == kThreadTimer || action.signal == kSetIds;
    if (is_internal) continue;
    const auto [it, is_new] = known.try_emplace(action.handler.value);
    if (is_new) it->second = reader_.read_handler(space, action.handler);
    if (it->second.of_language) continue;
    // what a language has written down is not what the kernel calls
    std::erase_if(handlers, [&](const snapshot::Handler& told_before) {
      return told_before.signal == action.signal;
    });
    snapshot::Handler& handler = handlers.emplace_back();
    handler.signal = action.signal;
    handler.restarts = (action.flags & SA_RESTART) != 0;
    handler.name = it->second.name;
    handler.effects = it->second.effects;
    std::optional<runtime::native::Written> written = it->second.written;
    std::optional<runtime::native::KnownHandler> own;
    if (!jvm)
      own = reader_.known_handler(space, action, (*task)->actions);
    else if (auto effects = runtime::hotspot::known_handler(*jvm, action.signal, handler.name))
      own = {*effects, effects->mask == 0};
    if (own) {
      handler.idle = own->idle;
      handler.restarts = handler.restarts || own->idle;  // the runtime repeats the call
      handler.effects = std::move(own->effects);
      written.reset();
      if (!handler.idle && handler.effects->mask == 0) written.emplace();
    }
    if (written) written_[action.signal] = std::move(*written);
  }
  std::ranges::sort(handlers, {}, &snapshot::Handler::signal);
  process.out.handlers = std::move(handlers);
}

/// @param all  also those that only the kernel knows
unwind::Registers NativeCode::registers_of(const ThreadEntry& thread, bool all) {
  unwind::Registers registers;
  registers.sp = thread.call->sp;
  registers.pc = thread.call->pc;
  const auto found = all ? system_.kernel_task(thread.tid) : Error{};
  if (!found) return registers;
  const linux::KernelTask& task = **found;
  const bool same = task.sp == registers.sp.value && task.pc == registers.pc.value;
  if (!task.is_user || !same) return registers;
  registers.rbp = task.rbp, registers.rbx = task.rbx, registers.r12 = task.r12;
  registers.r13 = task.r13, registers.r14 = task.r14, registers.r15 = task.r15;
  return registers;
}

void NativeCode::read_thread(ProcessEntry& process, linux::AddressSpace& space, ThreadEntry& thread,
                             Stacks& stacks) {
  const bool is_leader = thread.tid.value == process.pid.value;
  const bool lives = may_live_by_itself(process.out, thread);
  const bool runs_runtime =
      !is_leader && thread.out.native && waits_for_work(*thread.out.wait) &&
      std::ranges::any_of(*thread.out.native, [](const snapshot::Frame& frame) {
        return runtime::native::Reader::is_of_runtime(frame.module);
      });
  const bool may_lock = is_blocked(thread) && waits_for_semaphore(process.out, *thread.out.wait);
  if (!lives && !runs_runtime && !may_lock) return;
  runtime::native::Walk::Thread about;
  about.is_leader = is_leader;
  about.is_alone = process.threads.size() == 1;
  about.call = thread.call->nr;
  about.argument = thread.call->args[0];
  if (may_lock &&
      reader_.gives_back(space, images_.unwind_raw(space, registers_of(thread, true)), about) &&
      switches_of(process, thread.tid) == thread.status.switches())
    thread.out.activity.operation = snapshot::Operation::Acquire;
  if (!lives && !runs_runtime) return;
  unwind::Registers registers = registers_of(thread, false);
  unwind::RawStack stack = images_.unwind_raw(space, registers);
  if (runs_runtime) {
    const auto housekeeping = reader_.find_housekeeping(space, stack);
    thread.out.housekeeping = housekeeping.what;
    if (housekeeping.harmless) {
      thread.out.next = snapshot::effects_of(0, "beats for its runtime");
      return;
    }
  }
  if (!lives) return;
  std::vector<std::uint64_t> key{about.argument, std::uint64_t{is_leader}};
  for (const unwind::RawFrame& frame : stack.frames) {
    const unwind::Registers& r = frame.registers;
    key.push_back(frame.pc);
    for (const auto& value : {r.rbx, r.rbp, r.r12, r.r13, r.r14, r.r15})
      key.push_back(value.value_or(0));
  }
  const auto [it, is_new] = stacks.known.try_emplace(std::move(key));
  if (is_new) it->second = reader_.read_thread(space, stack, about);
  Effects next = it->second;
  if (is_vague(next)) {
    registers = registers_of(thread, true);
    if (registers.rbp)
      next = reader_.read_thread(space, images_.unwind_raw(space, registers), about);
  }
  // it may have run meanwhile: then it is not where it was read
  if (switches_of(process, thread.tid) == thread.status.switches())
    thread.out.next = std::move(next);
  else
    thread.out.next = Error{Cause::Other, 0, "read what its code does next: it runs"};
}

/// Of handlers behind which calls fail, as EINTR tells the program: whether its code then does
/// nothing but make the same call again, or ends it, as the handler has noted.
void NativeCode::read_interruptions(ProcessEntry& process, linux::AddressSpace& space) {
  using runtime::native::Interrupted;
  using runtime::native::Outcome;
  const bool repeats = !process.out.interpreter.version.empty();  // PEP 475
  if (repeats || !process.out.handlers || written_.empty()) return;
  std::map<int, Interrupted> found;  // of all threads
  for (const ThreadEntry& thread : process.threads) {
    if (!is_blocked(thread) || !may_be_interrupted(*thread.out.wait)) continue;
    const std::uint64_t handled = handled_signals(thread);
    std::optional<unwind::RawStack> stack;
    std::map<runtime::native::Written, Interrupted> known;
    for (const auto& [signal, written] : written_) {
      const auto handler =
          std::ranges::find(*process.out.handlers, signal, &snapshot::Handler::signal);
      const bool restarts = handler != process.out.handlers->end() && handler->restarts &&
                            !snapshot::never_restarts(*thread.out.wait);
      if (!snapshot::has_signal(handled, signal) || restarts) continue;
      auto& [outcome, mask, fds] =
          found.try_emplace(signal, Interrupted{Outcome::WaitsAgain, 0, {}}).first->second;
      if (outcome == Outcome::Unknown) continue;
      if (!stack) stack = images_.unwind_raw(space, registers_of(thread, true));
      const auto [same, is_new_code] = known.try_emplace(written);
      if (is_new_code)
        same->second = reader_.read_interrupted(space, *stack, thread.call->args, written,
                                                thread.tid.value == process.pid.value);
      if (same->second.outcome != Outcome::WaitsAgain) outcome = same->second.outcome;
      mask |= same->second.mask;
      fds.insert(same->second.fds.begin(), same->second.fds.end());
    }
    const bool stayed = switches_of(process, thread.tid) == thread.status.switches();
    if (stack && !stayed) return;  // it is not where it was read
  }
  for (snapshot::Handler& handler : *process.out.handlers) {
    const auto it = found.find(handler.signal);
    if (it == found.end() || it->second.outcome == Outcome::Unknown || !handler.effects ||
        handler.effects->may(0))
      continue;
    Effects& effects = *handler.effects;
    handler.idle = it->second.outcome == Outcome::WaitsAgain;
    if (!handler.idle) effects.mask |= snapshot::kLeaves;
    const auto& [outcome, mask, fds] = it->second;
    if (fds.empty()) continue;
    const bool known = !effects.may(snapshot::kReads | snapshot::kWrites | snapshot::kCloses) ||
                       !effects.fds.empty();
    effects.mask |= mask;
    if (known) effects.fds.insert(effects.fds.end(), fds.begin(), fds.end());
  }
}

}  // namespace ipcdoctor::collect
