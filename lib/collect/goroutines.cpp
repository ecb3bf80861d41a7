#include "collect/goroutines.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <optional>

#include "linux/fdinfo.h"
#include "runtime/go/program.h"

namespace ipcdoctor::collect {
namespace {

using runtime::go::Carrier;
using runtime::go::Goroutine;
using runtime::go::Program;
using runtime::go::Stage;
using snapshot::LockKind;
using snapshot::ObjectKind;
using snapshot::Wait;
using snapshot::WaitKind;

constexpr std::size_t kMaxFdInfo = 64 << 20;

/// What a goroutine that is parked waits for in memory: any of its process may wake it.
struct MemoryWait {
  Stage stage;
  const char* call;
  const char* name;
  LockKind kind;
  snapshot::Operation operation = snapshot::Operation::None;
  snapshot::Resource resource = snapshot::Resource::Unknown;
};

using snapshot::Operation;
using snapshot::Resource;

constexpr MemoryWait kMemoryWaits[] = {
    {Stage::Receive, "chan receive", "a value from a channel", LockKind::Unknown,
     Operation::Receive, Resource::Channel},
    {Stage::Send, "chan send", "a receiver of its channel", LockKind::Unknown, Operation::Put,
     Resource::Channel},
    {Stage::Select, "select", "one of the channels of a select", LockKind::Unknown},
    {Stage::Forever, "select", "nothing: its select has no cases", LockKind::Unknown},
    {Stage::Mutex, "sync.Mutex.Lock", "a sync.Mutex", LockKind::Mutex},
    {Stage::ReadLock, "sync.RWMutex.RLock", "a sync.RWMutex, to read", LockKind::RwlockRead},
    {Stage::WriteLock, "sync.RWMutex.Lock", "a sync.RWMutex, to write", LockKind::RwlockWrite},
    // whatever it counts, most often the ends of goroutines
    {Stage::WaitGroup, "sync.WaitGroup.Wait", "a sync.WaitGroup", LockKind::SharedValue,
     Operation::None, Resource::Thread},
    {Stage::Condition, "sync.Cond.Wait", "a sync.Cond", LockKind::Condition},
    {Stage::Semaphore, "semacquire", "a semaphore of Go's library", LockKind::Semaphore},
};

Wait memory_wait(const MemoryWait& row, const Goroutine& goroutine) {
  Wait wait;
  wait.kind = WaitKind::Futex;
  wait.call = row.call;
  wait.untimed = true;
  wait.futex.lock.kind = row.kind;
  wait.futex.lock.name = row.name;
  if (goroutine.channels.size() == 1) {
    wait.futex.address = goroutine.channels.front().address;
    wait.futex.lock.address = wait.futex.address;
  }
  if (goroutine.lock.value != 0) wait.futex.address = wait.futex.lock.address = goroutine.lock;
  if (goroutine.readers > 0) {
    wait.futex.lock.numbers.set(snapshot::LockNumber::Readers, goroutine.readers);
    wait.futex.lock.evidence = "readerWait is " + std::to_string(goroutine.readers);
  }
  return wait;
}

/// What all threads wait for that only run goroutines.
Wait idle_wait(std::string call) {
  Wait wait;
  wait.kind = WaitKind::Futex;
  wait.call = std::move(call);
  wait.untimed = true;
  wait.futex.lock.name = "a goroutine to run";
  return wait;
}

class Goroutines {
 public:
  Goroutines(System& system, ProcessEntry& process, Program& program)
      : system_(system), process_(process), program_(program) {}

  void add() {
    auto goroutines = program_.read_goroutines();
    if (!goroutines) return system_.note_unseen(process_.pid, Tid{}, goroutines.error());
    if (goroutines->back().number >= static_cast<std::uint64_t>(snapshot::kFirstFiber)) {
      const Error error{Cause::Limit, 0, "read all goroutines"};
      return system_.note_unseen(process_.pid, Tid{}, error);
    }
    read_polled();
    mark_threads();
    read_signals(*goroutines);
    for (Goroutine& goroutine : *goroutines)
      if (goroutine.stage != Stage::System && !is_signal_loop(goroutine)) place(goroutine);
    if (timers_pending_) add_timers();
    std::ranges::stable_sort(process_.threads, {}, &ThreadEntry::tid);
  }

 private:
  static bool is_signal_loop(const Goroutine& goroutine) {
    return goroutine.stage == Stage::Call &&
           std::ranges::any_of(goroutine.frames, [](const snapshot::Frame& frame) {
             return frame.function == "os/signal.signal_recv";
           });
  }

  /// Who waits for which descriptor: the kernel gives back what the poller gave it, a pointer.
  void read_polled() {
    if (!process_.fds) return;
    for (const snapshot::Fd& fd : *process_.fds) {
      if (fd.object.kind != ObjectKind::Epoll) continue;
      const Risk risk(system_.progress(), process_.pid, Fact::FdInfo, fd.fd);
      if (!risk.allowed()) continue;
      const auto text = process_.dir->read("fdinfo/" + std::to_string(fd.fd), kMaxFdInfo);
      const auto info = text ? linux::parse_fdinfo(*text) : Result<linux::FdInfo>(text.error());
      if (!info) continue;
      for (const linux::EpollTarget& target : info->epoll) {
        const auto polled = program_.read_polled(target.fd, target.data);
        if (!polled) continue;
        if (polled->reader != 0) polled_[polled->reader].push_back({*polled, true});
        if (polled->writer != 0) polled_[polled->writer].push_back({*polled, false});
      }
    }
  }

  /// Who only runs goroutines is no task of its own. What else is no thread of Go's stays.
  void mark_threads() {
    for (ThreadEntry& thread : process_.threads) {
      const bool blocked =
          thread.call && thread.call->kind == linux::SyscallState::Kind::InCall && thread.out.wait;
      if (!blocked) continue;
      auto frames = program_.unwind(thread.call->sp.value, thread.call->pc.value);
      if (frames.empty()) continue;
      const Carrier carrier = program_.carrier_of(frames);
      thread.of_runtime = true;
      thread.out.native = std::move(frames);
      if (carrier == Carrier::Monitor) {
        thread.is_monitor = true;
        thread.out.housekeeping = "monitor of Go's scheduler";
      } else if (carrier != Carrier::None) {
        thread.out.carries = true;
        thread.out.housekeeping = "thread of Go's scheduler";
      }
      // Whoever polls does so no longer than until the next timer of the process.
      const bool polls = carrier == Carrier::Idle && thread.out.wait->kind == WaitKind::Epoll;
      if (polls && !thread.out.wait->untimed) timers_pending_ = true;
    }
  }

  /// The runtime catches every signal it can, to end the program as the signal would, to preempt,
  /// or to pass it on to the channels that asked for it (src/runtime/sigtab_linux_generic.go,
  /// sighandler() in signal_unix.go): only that is the program's. A call goes on, as all are
  /// installed with SA_RESTART.
  void read_signals(const std::vector<Goroutine>& goroutines) {
    if (!process_.status) return;
    const auto foreign = foreign_signals();
    if (!foreign) return;
    wanted_ = 0;
    if (std::ranges::any_of(goroutines, is_signal_loop))
      wanted_ = program_.wanted_signals().value_or(~std::uint64_t{0}) & process_.status->caught;
    if (*foreign != 0) return;
    process_.status->caught &= wanted_;
    for (ThreadEntry& thread : process_.threads) {
      thread.status.caught = 0;
      if (thread.out.signals) thread.out.signals->caught = 0;
    }
    signals_known_ = true;
  }

  /// Those that C code handles itself; only the kernel knows them. Nothing: not known.
  std::optional<std::uint64_t> foreign_signals() {
    if (!program_.has_foreign_code()) return 0;
    const auto task = system_.kernel_task(Tid{process_.pid.value});
    if (!task) return std::nullopt;
    std::uint64_t signals = 0;
    constexpr int kLibcs = 32, kSetIds = 33;
    for (const linux::SignalAction& action : (*task)->actions)
      if (action.signal != kLibcs && action.signal != kSetIds && action.signal >= 1 &&
          action.signal <= 64 && !program_.has_code_at(action.handler.value))
        signals |= std::uint64_t{1} << (action.signal - 1);
    return signals;
  }

  ThreadEntry* thread_of(const Goroutine& goroutine) {
    if (goroutine.thread.value == 0) return nullptr;
    const auto it =
        std::ranges::find(process_.threads, goroutine.thread.value,
                          [](const ThreadEntry& t) { return t.of_fiber ? 0 : t.ns_tid; });
    return it == process_.threads.end() ? nullptr : &*it;
  }

  void place(Goroutine& goroutine) {
    if (goroutine.stage == Stage::Call) {
      ThreadEntry* thread = thread_of(goroutine);
      if (thread != nullptr && !thread->out.carries && thread->out.wait) {
        name(thread->out, goroutine);
        if (thread->of_runtime) thread->out.native = goroutine.frames;  // else it is in C
        const bool is_leader = thread->tid.value == process_.pid.value;
        if (goroutine.number != 1 && !is_leader) return;
        ThreadEntry fiber = new_fiber(goroutine);
        fiber.out = thread->out;
        fiber.on = thread->tid;
        thread->out.carries = true;
        thread->out.name.clear();
        thread->out.housekeeping = "thread of Go's scheduler";
        process_.threads.push_back(std::move(fiber));
        return;
      }
    }
    ThreadEntry fiber = new_fiber(goroutine);
    name(fiber.out, goroutine);
    fiber.out.native = goroutine.frames;
    fiber.out.wait = wait_of(goroutine);
    fiber.out.state = fiber.out.wait->kind == WaitKind::Running ? 'R' : 'S';
    fiber.out.signals = signals_of(goroutine);
    tell_activity(goroutine, fiber.out.activity);
    process_.threads.push_back(std::move(fiber));
  }

  static void tell_activity(const Goroutine& goroutine, snapshot::Activity& activity) {
    const auto row = std::ranges::find(kMemoryWaits, goroutine.stage, &MemoryWait::stage);
    if (row == std::end(kMemoryWaits)) return;
    activity.operation = row->operation;
    activity.object.kind = row->resource;
    activity.object.reach = snapshot::Reach::Memory;
    // Cmd.Wait() of os/exec has reaped its command before it waits for those that read its output.
    const bool collects = std::ranges::any_of(goroutine.frames, [](const snapshot::Frame& frame) {
      return frame.function == "os/exec.(*Cmd).Wait";
    });
    if (goroutine.stage != Stage::Receive || !collects) return;
    activity.object.kind = Resource::Process;
    activity.object.numbers.set(snapshot::Number::Alive, 0);
  }

  ThreadEntry new_fiber(const Goroutine& goroutine) {
    ThreadEntry fiber;
    fiber.tid = Tid{snapshot::kFirstFiber + static_cast<int>(goroutine.number)};
    fiber.of_fiber = fiber.of_runtime = true;
    fiber.comm = process_.stat.comm;
    fiber.out.comm = process_.out.comm;
    return fiber;
  }

  static void name(snapshot::Thread& thread, const Goroutine& goroutine) {
    thread.name = "goroutine " + std::to_string(goroutine.number);
  }

  Wait wait_of(const Goroutine& goroutine) {
    Wait wait;
    switch (goroutine.stage) {
      case Stage::Runs:
        wait.kind = WaitKind::Running;
        return wait;
      case Stage::Read:
        return polled_wait(goroutine, WaitKind::Read, "read");
      case Stage::Write:
        return polled_wait(goroutine, WaitKind::Write, "write");
      case Stage::Accept:
        return polled_wait(goroutine, WaitKind::Accept, "accept4");
      case Stage::Ready:
        return polled_wait(goroutine, WaitKind::Poll, "poll");
      case Stage::Sleep:
        wait.kind = WaitKind::Sleep;
        wait.call = "time.Sleep";
        return wait;
      default:
        break;
    }
    const auto row = std::ranges::find(kMemoryWaits, goroutine.stage, &MemoryWait::stage);
    if (row == std::end(kMemoryWaits)) {
      wait.call = goroutine.frames.empty() ? "park" : goroutine.frames.front().function;
      return wait;
    }
    wait = memory_wait(*row, goroutine);
    // The runtime itself sends to the channels of timers.
    wait.untimed = is_untimed(goroutine);
    return wait;
  }

  static bool is_untimed(const Goroutine& goroutine) {
    const bool of_channel = goroutine.stage == Stage::Receive || goroutine.stage == Stage::Send ||
                            goroutine.stage == Stage::Select;
    if (!of_channel) return true;
    return goroutine.channels_known &&
           std::ranges::none_of(goroutine.channels, [](const runtime::go::Channel& channel) {
             return channel.of_timer || channel.element.empty() || channel.element == "time.Time";
           });
  }

  Wait polled_wait(const Goroutine& goroutine, WaitKind kind, const char* call) {
    Wait wait;
    wait.kind = kind;
    wait.call = call;
    wait.untimed = true;
    const auto found = polled_.find(goroutine.address);
    if (found == polled_.end() || found->second.size() != 1 || !process_.fds) {
      // a poll of nothing would be a wait for a signal
      if (kind == WaitKind::Poll) wait.kind = WaitKind::Unknown;
      return wait;
    }
    const auto& [polled, reads] = found->second.front();
    wait.untimed = !(reads ? polled.read_deadline : polled.write_deadline);
    wait.detail = "fd " + std::to_string(polled.fd);
    const auto fd = std::ranges::lower_bound(*process_.fds, polled.fd, {}, &snapshot::Fd::fd);
    snapshot::ObjectId object;
    if (fd != process_.fds->end() && fd->fd == polled.fd) object = fd->object;
    wait.objects.push_back({polled.fd, object, reads, !reads});
    return wait;
  }

  /// None comes to a goroutine but through a channel: that wakes it as a handler would.
  snapshot::SignalSets signals_of(const Goroutine& goroutine) const {
    snapshot::SignalSets sets;
    sets.blocked = ~std::uint64_t{0};
    const bool may = std::ranges::any_of(goroutine.channels, [](const runtime::go::Channel& c) {
      return c.element == "os.Signal" || c.element.empty();
    });
    if (!may || !(signals_known_ || process_.status)) return sets;
    sets.caught = signals_known_ ? wanted_ : process_.status->caught;
    sets.blocked = 0;
    return sets;
  }

  /// A timer that runs a function may do anything; nobody knows which of them do.
  void add_timers() {
    ThreadEntry fiber = new_fiber({});
    fiber.out.name = "the runtime's timers";
    Wait wait;
    wait.kind = WaitKind::Sleep;
    wait.call = "timer";
    fiber.out.wait = wait;
    fiber.out.state = 'S';
    fiber.out.signals = snapshot::SignalSets{0, 0, ~std::uint64_t{0}, 0, 0};
    process_.threads.push_back(std::move(fiber));
  }

  struct Side {
    Program::Polled polled;
    bool reads = false;
  };

  System& system_;
  ProcessEntry& process_;
  Program& program_;
  std::map<std::uint64_t, std::vector<Side>> polled_;  ///< by g
  std::uint64_t wanted_ = 0;
  bool signals_known_ = false, timers_pending_ = false;
};

}  // namespace

void read_goroutines(System& system, ProcessEntry& process, unwind::ImageCache& images) {
  // it has a thread for its monitor from its begin on
  if (process.dead || process.threads.size() < 2 || system.progress().is_late()) return;
  const auto space = system.space_of(process);
  if (!space) return;  // whoever needs its memory says so
  const Risk risk(system.progress(), process.pid, Fact::Runtime);
  if (!risk.allowed()) return;
  auto program = Program::find(**space, images);
  if (!program) return system.note_unread(process.pid, program.error());
  Goroutines(system, process, *program).add();
}

void look_again_at_goroutines(ProcessEntry& process) {
  const bool all_rest = std::ranges::all_of(process.threads, [](const ThreadEntry& thread) {
    return thread.of_fiber || thread.is_monitor || thread.out.stable;
  });
  std::uint64_t switches = 0;  // of all that may have run it
  for (const ThreadEntry& thread : process.threads)
    if (!thread.of_fiber && !thread.is_monitor) switches += thread.out.switches;
  for (ThreadEntry& thread : process.threads) {
    if (!thread.of_fiber) continue;
    if (thread.on.value == 0) {
      thread.out.switches = switches;
      thread.out.stable = all_rest && thread.out.state != 'R';
      continue;
    }
    const auto on = std::ranges::find(process.threads, thread.on, &ThreadEntry::tid);
    if (on == process.threads.end()) continue;
    std::string name = std::move(thread.out.name);
    thread.out = on->out;
    thread.out.name = std::move(name);
    thread.out.carries = false;
    thread.out.housekeeping.clear();
  }
  // who waits on a descriptor is told by the goroutines themselves
  for (ThreadEntry& thread : process.threads)
    if (thread.out.carries && thread.out.wait) thread.out.wait = idle_wait(thread.out.wait->call);
}

}  // namespace ipcdoctor::collect
