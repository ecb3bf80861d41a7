#include "collect/ruby.h"

#include <algorithm>
#include <csignal>
#include <string>

#include "collect/lock_owners.h"
#include "runtime/ruby/threads.h"

namespace ipcdoctor::collect {
namespace {

using runtime::ruby::Sleep;
using runtime::ruby::Trap;
using runtime::ruby::Vm;
using snapshot::LockKind;
using snapshot::Operation;
using snapshot::Wait;
using snapshot::WaitKind;
using RubyThread = runtime::ruby::Thread;

struct Named {
  Sleep sleep;
  const char* call;
  const char* name;
  LockKind kind;
  Operation operation;
};
constexpr Named kNamed[] = {
    {Sleep::Mutex, "Mutex#lock", "a Mutex", LockKind::Mutex, Operation::Acquire},
    {Sleep::Queue, "Queue#pop", "an item in a Queue", LockKind::Unknown, Operation::Take},
    {Sleep::FullQueue, "SizedQueue#push", "room in a SizedQueue", LockKind::Unknown,
     Operation::Put},
    {Sleep::Condition, "ConditionVariable#wait", "a ConditionVariable", LockKind::Condition,
     Operation::AwaitSignal},
    {Sleep::Join, "Thread#join", "the end of a Thread", LockKind::ThreadJoin, Operation::AwaitEnd},
    {Sleep::Other, "sleep", "another Thread to wake it", LockKind::Unknown, Operation::AwaitSignal},
};

bool is_blocked(const ThreadEntry& thread) {
  return thread.call && thread.call->kind == linux::SyscallState::Kind::InCall && thread.out.wait;
}

class Ruby {
 public:
  Ruby(System& system, ProcessEntry& process, unwind::Images& images,
       const linux::AddressSpace& space, const Vm& vm)
      : system_(system), process_(process), images_(images), space_(space), vm_(vm) {}

  void add() {
    auto threads = runtime::ruby::read_threads(vm_);
    if (!threads) return system_.note_unseen(process_.pid, Tid{}, threads.error());
    threads_ = *std::move(threads);
    for (const RubyThread& thread : threads_) tasks_.push_back(task_of(thread));
    read_signals();
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      if (tasks_[i] == nullptr) continue;
      tasks_[i]->language_frames = threads_[i].frames;
      if (is_asleep(*tasks_[i])) tell_wait(*tasks_[i], threads_[i]);
      if (is_waiter(i)) tasks_[i]->out.activity.operation = Operation::Serve;
    }
    for (std::size_t i = 0; i < threads_.size(); ++i)
      if (tasks_[i] != nullptr && threads_[i].sleep == Sleep::Join)
        tell_join(*tasks_[i], threads_[i]);
    for (ThreadEntry& thread : process_.threads)
      if (is_timer(thread)) thread.out.housekeeping = "timer thread of Ruby";
  }

 private:
  /// Who is on that stack now: fibers have stacks of their own.
  ThreadEntry* task_of(const RubyThread& thread) {
    ThreadEntry* found = nullptr;
    for (ThreadEntry& entry : process_.threads) {
      if (!entry.call || entry.call->kind != linux::SyscallState::Kind::InCall) continue;
      const std::uint64_t sp = entry.call->sp.value;
      if (sp >= thread.stack || thread.stack - sp > thread.stack_size) continue;
      if (found == nullptr || sp > found->call->sp.value) found = &entry;
    }
    return found;
  }

  /// In the kernel as in the library: a condition variable, or, who takes signals for all, a poll
  /// of the pipe that their handler writes into (thread_pthread.c, native_sleep()).
  static bool is_asleep(const ThreadEntry& thread) {
    return is_blocked(thread) &&
           (thread.out.wait->kind == WaitKind::Futex || thread.out.wait->kind == WaitKind::Poll);
  }

  /// A thread of Process.detach, as Open3 has one: it ends when its child does, and runs no Ruby.
  bool is_waiter(std::size_t i) const {
    return tasks_[i] != nullptr && threads_[i].frames.empty() && is_blocked(*tasks_[i]) &&
           tasks_[i]->out.wait->kind == WaitKind::Child;
  }

  /// Who joins such a thread waits for the child.
  void tell_join(ThreadEntry& thread, const RubyThread& ruby) {
    const auto other = std::ranges::find(threads_, ruby.other, &RubyThread::address);
    const auto i = static_cast<std::size_t>(other - threads_.begin());
    if (other == threads_.end() || !thread.wait_told || !is_waiter(i)) return;
    const bool untimed = thread.out.wait->untimed;
    thread.out.wait = tasks_[i]->out.wait;
    thread.out.wait->untimed = untimed;
  }

  void tell_wait(ThreadEntry& thread, const RubyThread& ruby) {
    if (ruby.sleep == Sleep::None) return;
    Wait wait;
    wait.untimed = thread.out.wait->untimed;
    wait.wchan = thread.out.wait->wchan;
    if (ruby.sleep == Sleep::Child) {
      wait.kind = WaitKind::Child;
      wait.call = "waitpid";
      add_children(wait, ruby.child);
    } else {
      const auto row = std::ranges::find(kNamed, ruby.sleep, &Named::sleep);
      wait.kind = ruby.sleep == Sleep::Other && !wait.untimed ? WaitKind::Sleep : WaitKind::Futex;
      wait.call = row->call;
      wait.futex.lock.kind = row->kind;
      wait.futex.lock.name = row->name;
      wait.futex.address = wait.futex.lock.address = RemoteAddr{ruby.object};
      thread.out.activity.call = row->call;
      thread.out.activity.operation = row->operation;
      const bool of_queue = ruby.sleep == Sleep::Queue || ruby.sleep == Sleep::FullQueue;
      if (of_queue) thread.out.activity.object.kind = snapshot::Resource::Queue;
      thread.out.activity.object.reach = snapshot::Reach::Memory;
      add_owner(wait.futex.lock, ruby);
    }
    thread.out.wait = std::move(wait);
    thread.wait_told = true;
  }

  void add_children(Wait& wait, int ns_pid) {
    wait.any_child = ns_pid <= 0;
    if (wait.any_child) {
      for (const auto& other : system_.processes())
        if (other->stat.ppid == process_.pid) wait.children.push_back(other->pid);
      return;
    }
    const auto task = find_task(system_, process_, ns_pid);
    if (task && *task) wait.children = {(*task)->pid};
    wait.detail = "PID " + std::to_string(ns_pid);
  }

  /// Whoever keeps the time for others may raise in them: nobody's release is then needed.
  void add_owner(snapshot::Lock& lock, const RubyThread& ruby) const {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      const ThreadEntry* task = tasks_[i];
      const bool acts = task == nullptr || !is_blocked(*task) || !task->out.wait->untimed;
      if (threads_[i].keeps_time && acts) return;
    }
    const auto owner = std::ranges::find(threads_, ruby.other, &RubyThread::address);
    if (ruby.other == 0 || owner == threads_.end()) return;
    const ThreadEntry* task = tasks_[static_cast<std::size_t>(owner - threads_.begin())];
    if (task == nullptr) return;
    lock.ownership = snapshot::Ownership::Known;
    lock.owners = {{process_.pid, task->tid}};
    lock.evidence = ruby.sleep == Sleep::Join ? "its rb_thread_t" : "keeping_mutexes of the owner";
  }

  /// Ruby catches what ends a program to raise an exception in the main thread, and SIGVTALRM only
  /// to end the calls of its threads, which repeat them.
  void read_signals() {
    process_.own_signals = std::uint64_t{1} << (SIGVTALRM - 1);
    const auto traps = runtime::ruby::read_traps(vm_);
    if (!traps || !process_.status) return;
    std::vector<snapshot::Handler> handlers;
    for (const Trap& trap : *traps) {
      if ((process_.status->caught >> (trap.signal - 1) & 1) == 0) continue;
      snapshot::Handler& handler = handlers.emplace_back();
      handler.signal = trap.signal;
      handler.any_thread = false;
      if (trap.kind == Trap::Kind::Code) {
        handler.name = trap.where.empty() ? "a trap" : "trap in " + trap.where;
        handler.effects = snapshot::Effects{};
      } else {
        handler.name = "Ruby's own";
        handler.effects = snapshot::effects_of(snapshot::kExits, "ends the program");
      }
    }
    process_.out.handlers = std::move(handlers);
  }

  /// Ruby 3.3 and 3.4 have a thread in C that only wakes those whose time has come: while it waits
  /// without an end there is none (thread_pthread.c, timer_thread_func()).
  bool is_timer(const ThreadEntry& thread) {
    if (std::ranges::find(tasks_, &thread) != tasks_.end() || !is_blocked(thread)) return false;
    const Wait& wait = *thread.out.wait;
    if (!wait.untimed || (wait.kind != WaitKind::Epoll && wait.kind != WaitKind::Poll))
      return false;
    unwind::Registers registers;
    registers.sp = thread.call->sp;
    registers.pc = thread.call->pc;
    const auto frames = images_.unwind(space_, registers);
    return frames && frames->size() > 2 &&
           std::ranges::all_of(*frames, [](const snapshot::Frame& frame) {
             return !frame.guessed &&
                    (frame.module.starts_with("libruby") || frame.module.starts_with("libc.so") ||
                     frame.module.starts_with("ruby"));
           });
  }

  System& system_;
  ProcessEntry& process_;
  unwind::Images& images_;
  const linux::AddressSpace& space_;
  const Vm& vm_;
  std::vector<RubyThread> threads_;
  std::vector<ThreadEntry*> tasks_;  ///< of each; nullptr: not known, or it runs
};

}  // namespace

void read_ruby(System& system, ProcessEntry& process, unwind::Images& images) {
  if (process.dead || system.progress().is_late()) return;
  const auto space = system.space_of(process);
  if (!space) return;  // whoever needs its memory says so
  const Risk risk(system.progress(), process.pid, Fact::Runtime);
  if (!risk.allowed()) return;
  const auto vm = Vm::find(**space, images);
  if (!vm) return system.note_unread(process.pid, vm.error());
  Ruby(system, process, images, **space, *vm).add();
}

}  // namespace ipcdoctor::collect
