// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "linux/task_iterator.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include "linux/bpf_iterator.h"
#include "linux/deputy.h"

namespace ipcdoctor::linux {

namespace {

constexpr std::size_t kMaxTasks = 1 << 20;

constexpr int kSignals = 64, kSignalsInRecord = 16;

/// One task, as the kernel's half writes it.
struct Record {
  std::uint64_t tid, pid, mm, timer_state, timer_interval;
  std::uint64_t switches, involuntary_switches, state, on_cpu;
  std::uint64_t sp, pc, rbp, rbx, r12, r13, r14, r15;
  std::uint64_t call, result, args[6];
  std::uint64_t files, pending, shared_pending, blocked;
  char name[16];  // TASK_COMM_LEN
};

/// Behind that of a leader, four times: what it does upon sixteen signals.
struct Actions {
  static constexpr std::uint64_t kMark = ~std::uint64_t{0};  ///< no task has that number
  std::uint64_t mark, first;
  struct Action {
    std::uint64_t handler, flags;
  } actions[kSignalsInRecord];
};

/// A member of a struct of the kernel, and the field of the record that it goes to.
struct Copied {
  const char* member;
  int size;
  std::size_t field;
};

// Of task_struct. In this order: on_cpu is cleared when the switch has been counted (__schedule()
// and finish_task() of kernel/sched/core.c, Linux 6.1).
constexpr Copied kOfTask[] = {
    {"pid", BPF_W, offsetof(Record, tid)},
    {"tgid", BPF_W, offsetof(Record, pid)},
    {"mm", BPF_DW, offsetof(Record, mm)},
    {"__state", BPF_W, offsetof(Record, state)},
    {"on_cpu", BPF_W, offsetof(Record, on_cpu)},
    {"nvcsw", BPF_DW, offsetof(Record, switches)},
    {"nivcsw", BPF_DW, offsetof(Record, involuntary_switches)},
    {"files", BPF_DW, offsetof(Record, files)},
    {"blocked", BPF_DW, offsetof(Record, blocked)},
};

constexpr std::size_t argument(std::size_t i) {
  return offsetof(Record, args) + i * sizeof(std::uint64_t);
}

// Of pt_regs.
constexpr Copied kOfRegisters[] = {
    {"sp", BPF_DW, offsetof(Record, sp)},
    {"ip", BPF_DW, offsetof(Record, pc)},
    {"bp", BPF_DW, offsetof(Record, rbp)},
    {"bx", BPF_DW, offsetof(Record, rbx)},
    {"r12", BPF_DW, offsetof(Record, r12)},
    {"r13", BPF_DW, offsetof(Record, r13)},
    {"r14", BPF_DW, offsetof(Record, r14)},
    {"r15", BPF_DW, offsetof(Record, r15)},
    {"orig_ax", BPF_DW, offsetof(Record, call)},
    {"ax", BPF_DW, offsetof(Record, result)},
    {"di", BPF_DW, argument(0)},
    {"si", BPF_DW, argument(1)},
    {"dx", BPF_DW, argument(2)},
    {"r10", BPF_DW, argument(3)},
    {"r8", BPF_DW, argument(4)},
    {"r9", BPF_DW, argument(5)},
};

/// Offsets of this kernel that the program uses.
struct Layout {
  std::int16_t tid, pid, mm, signal, sighand;   // of task_struct
  std::int16_t action, action_size;             // of sighand_struct
  std::int16_t handler, flags;                  // of its elements, struct k_sigaction
  std::int16_t real_timer_state, it_real_incr;  // of signal_struct
  std::int16_t name, pending, shared_pending;   // of task_struct, and the last of signal_struct
};

Layout find_layout(bpf::KernelTypes& types) {
  Layout layout{};
  layout.tid = types.offset("task_struct", "pid");
  layout.pid = types.offset("task_struct", "tgid");
  layout.mm = types.offset("task_struct", "mm");
  layout.signal = types.offset("task_struct", "signal");
  layout.real_timer_state = static_cast<std::int16_t>(types.offset("signal_struct", "real_timer") +
                                                      types.offset("hrtimer", "state"));
  layout.it_real_incr = types.offset("signal_struct", "it_real_incr");
  layout.sighand = types.offset("task_struct", "sighand");
  layout.action = types.offset("sighand_struct", "action");
  layout.action_size = types.size("k_sigaction");
  const int sa = types.offset("k_sigaction", "sa");
  layout.handler = static_cast<std::int16_t>(sa + types.offset("sigaction", "sa_handler"));
  layout.flags = static_cast<std::int16_t>(sa + types.offset("sigaction", "sa_flags"));
  layout.name = types.offset("task_struct", "comm");
  const int set = types.offset("sigpending", "signal");
  layout.pending = static_cast<std::int16_t>(types.offset("task_struct", "pending") + set);
  layout.shared_pending =
      static_cast<std::int16_t>(types.offset("signal_struct", "shared_pending") + set);
  return layout;
}

/// r8 = sighand_struct.
void copy_actions(bpf::Assembler& to, const Layout& at, int first) {
  const auto store = [&](std::size_t field) {
    to.add(BPF_STX | BPF_MEM | BPF_DW, 10, 1,
           static_cast<int>(field) - static_cast<int>(sizeof(Actions)), 0);
  };
  to.move_number(1, -1);  // kMark
  store(offsetof(Actions, mark));
  to.move_number(1, first + 1);
  store(offsetof(Actions, first));
  for (int i = 0; i < kSignalsInRecord; ++i) {
    const int action = at.action + (first + i) * at.action_size;
    const std::size_t field =
        offsetof(Actions, actions) + static_cast<std::size_t>(i) * sizeof(Actions::Action);
    to.load(BPF_DW, 1, 8, action + at.handler);
    store(field + offsetof(Actions::Action, handler));
    to.load(BPF_DW, 1, 8, action + at.flags);
    store(field + offsetof(Actions::Action, flags));
  }
  to.write(6, sizeof(Actions));
}

/// The kernel's half. r6 = context, r7 = task.
std::vector<bpf_insn> make_program(bpf::KernelTypes& types, const Layout& at) {
  bpf::Assembler to(sizeof(Record));
  const auto copy = [&](int base, const char* type, std::span<const Copied> members) {
    for (const Copied& copied : members)
      to.copy(copied.size, base, types.offset(type, copied.member), copied.field);
  };
  to.move(6, 1);
  to.load(BPF_DW, 7, 6, 8);                        // bpf_iter__task::task
  const std::size_t no_task = to.jump_if_zero(7);  // the iterator calls once more at its end
  to.clear(offsetof(Record, sp), sizeof(Record));
  copy(7, "task_struct", kOfTask);
  to.copy(BPF_DW, 7, at.pending, offsetof(Record, pending));
  to.move(3, 7);
  to.add_number(3, at.name);
  to.move_number(2, sizeof Record::name);
  to.move(1, 10);
  to.add_number(1, to.on_stack(offsetof(Record, name)));
  to.call(BPF_FUNC_probe_read_kernel);
  to.load(BPF_DW, 8, 7, at.signal);
  to.copy(BPF_DW, 8, at.shared_pending, offsetof(Record, shared_pending));
  to.copy(BPF_B, 8, at.real_timer_state, offsetof(Record, timer_state));
  to.copy(BPF_DW, 8, at.it_real_incr, offsetof(Record, timer_interval));
  to.load(BPF_DW, 1, 7, at.mm);
  const std::size_t no_memory = to.jump_if_zero(1);
  to.move(1, 7);
  to.call(BPF_FUNC_task_pt_regs);
  copy(0, "pt_regs", kOfRegisters);
  to.land(no_memory);
  to.write(6, sizeof(Record));
  to.load(BPF_W, 1, 7, at.tid);
  to.load(BPF_W, 2, 7, at.pid);
  to.add(BPF_JMP | BPF_JNE | BPF_X, 1, 2, 0, 0);
  const std::size_t no_leader = to.instructions().size();
  to.load(BPF_DW, 8, 7, at.sighand);
  const std::size_t no_handlers = to.jump_if_zero(8);
  for (int first = 0; first < kSignals; first += kSignalsInRecord) copy_actions(to, at, first);
  to.land(no_handlers);
  to.land(no_leader);
  to.land(no_task);
  to.exit();
  return to.instructions();
}

void add_actions(const Actions& record, std::vector<SignalAction>& actions) {
  constexpr std::uint64_t kIgnored = 1;
  for (int i = 0; i < kSignalsInRecord; ++i) {
    const Actions::Action& action = record.actions[i];
    if (action.handler <= kIgnored) continue;
    actions.push_back(
        {static_cast<int>(record.first) + i, RemoteAddr{action.handler}, action.flags});
  }
}

KernelTask task_of(const Record& r) {
  KernelTask task;
  task.tid = Tid{static_cast<int>(r.tid)};
  task.pid = Pid{static_cast<int>(r.pid)};
  task.is_user = r.mm != 0;
  // an interval timer whose signal is pending is queued again when that is taken
  task.alarm_armed = r.timer_state != 0 || r.timer_interval != 0;
  constexpr std::uint64_t kInterruptible = 1;   // TASK_INTERRUPTIBLE, include/linux/sched.h
  constexpr std::uint64_t kFreezable = 0x2000;  // TASK_FREEZABLE, since Linux 6.1
  task.switches = r.switches + r.involuntary_switches;
  task.sleeps = (r.state & ~kFreezable) == kInterruptible && r.on_cpu == 0;
  // As it entered (arch/x86/entry/entry_64.S): no signal has interrupted the call, as the freezer
  // of cgroups does, which has its tasks sleep freezably too (do_freezer_trap() of
  // kernel/signal.c).
  constexpr auto kUnanswered = static_cast<std::uint64_t>(-ENOSYS);
  task.freezable = task.sleeps && (r.state & kFreezable) != 0 && r.result == kUnanswered;
  task.name.assign(r.name, ::strnlen(r.name, sizeof r.name));
  task.files = r.files;
  task.pending = r.pending, task.shared_pending = r.shared_pending, task.blocked = r.blocked;
  task.call = static_cast<std::int64_t>(r.call);
  std::ranges::copy(r.args, task.args.begin());
  task.sp = r.sp, task.pc = r.pc, task.rbp = r.rbp, task.rbx = r.rbx;
  task.r12 = r.r12, task.r13 = r.r13, task.r14 = r.r14, task.r15 = r.r15;
  return task;
}

Result<std::vector<KernelTask>> parse_records(std::span<const std::byte> bytes) {
  std::vector<KernelTask> tasks;
  while (!bytes.empty()) {
    std::uint64_t mark = 0;
    Record record{};
    Actions actions{};
    if (bytes.size() < sizeof record) break;
    std::memcpy(&mark, bytes.data(), sizeof mark);
    if (mark != Actions::kMark) {
      std::memcpy(&record, bytes.data(), sizeof record);
      bytes = bytes.subspan(sizeof record);
      tasks.push_back(task_of(record));
      continue;
    }
    if (bytes.size() < sizeof actions || tasks.empty()) break;
    std::memcpy(&actions, bytes.data(), sizeof actions);
    bytes = bytes.subspan(sizeof actions);
    add_actions(actions, tasks.back().actions);
  }
  if (!bytes.empty())
    return Error{Cause::Malformed, 0, "read the tasks of the kernel: half a record"};
  return tasks;
}

}  // namespace

Result<TaskIterator> TaskIterator::load() {
  if (deputy::is_asked()) {
    auto loaded = deputy::ask_descriptor(deputy::Wish::LoadTasks, 0, -1);
    return loaded ? Result(TaskIterator(std::move(*loaded))) : loaded.error();
  }
  auto types = bpf::KernelTypes::read();
  if (!types) return types.error();
  const Layout layout = find_layout(*types);
  if (layout.action + kSignals * layout.action_size > INT16_MAX)
    return Error{Cause::Unsupported, 0, "load a BPF iterator: types of this kernel"};
  auto loaded =
      bpf::load_iterator(*types, "bpf_iter_task", "ipcdoctor_tasks", make_program(*types, layout));
  if (!loaded) return loaded.error();
  return TaskIterator(std::move(*loaded));
}

Result<std::vector<KernelTask>> TaskIterator::read() const {
  std::vector<std::byte> bytes;
  const Status read = bpf::run_iterator(loaded_, [&](std::span<const std::byte> piece) -> Status {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    if (bytes.size() > kMaxTasks * sizeof(Record))
      return Error{Cause::Limit, 0, "read the tasks of the kernel"};
    return Done{};
  });
  if (!read) return read.error();
  return parse_records(bytes);
}

Result<std::vector<KernelTask>> read_kernel_tasks() {
  const auto iterator = TaskIterator::load();
  return iterator ? iterator->read() : iterator.error();
}

}  // namespace ipcdoctor::linux
