// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "linux/task_iterator.h"

#include "linux/capabilities.h"
#include "linux/namespaces.h"

#ifdef IPCDOCTOR_HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "linux/unique_fd.h"
#endif

namespace ipcdoctor::linux {

#ifdef IPCDOCTOR_HAVE_BPF
namespace {

constexpr int kCapPerfmon = 38, kCapBpf = 39;
constexpr std::size_t kMaxTasks = 1 << 20;

constexpr int kSignals = 64, kSignalsInRecord = 16;

/// One task, as the kernel's half writes it.
struct Record {
  std::uint64_t tid, pid, mm, timer_state, timer_interval;
  std::uint64_t sp, pc, rbp, rbx, r12, r13, r14, r15;
};

/// Behind that of a leader, four times: what it does upon sixteen signals.
struct Actions {
  static constexpr std::uint64_t kMark = ~std::uint64_t{0};  ///< no task has that number
  std::uint64_t mark, first;
  struct Action {
    std::uint64_t handler, flags;
  } actions[kSignalsInRecord];
};

struct BtfDeleter {
  void operator()(btf* types) const { btf__free(types); }
};
using Types = std::unique_ptr<btf, BtfDeleter>;

/// Offset of a member in bytes, also one in an anonymous struct or union within.
std::optional<std::int16_t> find_member(const btf* types, std::uint32_t type, std::string_view name,
                                        int depth = 0) {
  const btf_type* composite = btf__type_by_id(types, type);
  if (composite == nullptr || !btf_is_composite(composite) || depth > 4) return std::nullopt;
  const btf_member* members = btf_members(composite);
  for (std::uint32_t i = 0; i < btf_vlen(composite); ++i) {
    const char* member = btf__name_by_offset(types, members[i].name_off);
    const std::int64_t offset = btf_member_bit_offset(composite, i) / 8;
    std::optional<std::int64_t> found;
    if (member != nullptr && member == name) {
      found = offset;
    } else if (member == nullptr || *member == '\0') {
      if (const auto inner = find_member(types, members[i].type, name, depth + 1))
        found = offset + *inner;
    }
    if (found && *found <= INT16_MAX) return static_cast<std::int16_t>(*found);
  }
  return std::nullopt;
}

/// Offsets of this kernel that the program uses.
struct Layout {
  std::int16_t tid, pid, mm, signal, sighand;       // of task_struct
  std::int16_t action, action_size;                 // of sighand_struct
  std::int16_t handler, flags;                      // of its elements, struct k_sigaction
  std::int16_t real_timer_state, it_real_incr;      // of signal_struct
  std::int16_t sp, ip, bp, bx, r12, r13, r14, r15;  // of pt_regs
};

std::optional<Layout> find_layout(const btf* types) {
  const auto find_struct = [&](const char* name) {
    const int type = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);
    return type > 0 ? static_cast<std::uint32_t>(type) : 0;  // 0 is void: it has no members
  };
  bool complete = true;
  const auto offset = [&](std::uint32_t type, const char* member) {
    const auto found = find_member(types, type, member);
    complete = complete && found;
    return found.value_or(0);
  };
  Layout layout{};
  const std::uint32_t task = find_struct("task_struct");
  layout.tid = offset(task, "pid");
  layout.pid = offset(task, "tgid");
  layout.mm = offset(task, "mm");
  layout.signal = offset(task, "signal");
  const std::uint32_t signal = find_struct("signal_struct");
  layout.real_timer_state = static_cast<std::int16_t>(offset(signal, "real_timer") +
                                                      offset(find_struct("hrtimer"), "state"));
  layout.it_real_incr = offset(signal, "it_real_incr");
  layout.sighand = offset(task, "sighand");
  layout.action = offset(find_struct("sighand_struct"), "action");
  const std::uint32_t action = find_struct("k_sigaction");
  layout.action_size = static_cast<std::int16_t>(btf__resolve_size(types, action));
  const auto sa = offset(action, "sa");
  const std::uint32_t sigaction = find_struct("sigaction");
  layout.handler = static_cast<std::int16_t>(sa + offset(sigaction, "sa_handler"));
  layout.flags = static_cast<std::int16_t>(sa + offset(sigaction, "sa_flags"));
  complete = complete && layout.action_size > 0 &&
             layout.action + kSignals * layout.action_size <= INT16_MAX;
  const std::uint32_t registers = find_struct("pt_regs");
  layout.sp = offset(registers, "sp");
  layout.ip = offset(registers, "ip");
  layout.bp = offset(registers, "bp");
  layout.bx = offset(registers, "bx");
  layout.r12 = offset(registers, "r12");
  layout.r13 = offset(registers, "r13");
  layout.r14 = offset(registers, "r14");
  layout.r15 = offset(registers, "r15");
  return complete ? std::optional(layout) : std::nullopt;
}

/// The kernel's half. It is so small that it is written in instructions, which spares users a
/// compiler for BPF. r6 = context, r7 = task, r10 = end of the stack, where the record grows.
class Program {
 public:
  explicit Program(const Layout& at) {
    move(6, 1);
    load(BPF_DW, 7, 6, offsetof(bpf_iter_task, task));
    const std::size_t no_task = jump_if_zero(7);  // the iterator calls once more at its end
    clear(offsetof(Record, sp), sizeof(Record));
    copy(BPF_W, 7, at.tid, offsetof(Record, tid));
    copy(BPF_W, 7, at.pid, offsetof(Record, pid));
    copy(BPF_DW, 7, at.mm, offsetof(Record, mm));
    load(BPF_DW, 8, 7, at.signal);
    copy(BPF_B, 8, at.real_timer_state, offsetof(Record, timer_state));
    copy(BPF_DW, 8, at.it_real_incr, offsetof(Record, timer_interval));
    load(BPF_DW, 1, 7, at.mm);
    const std::size_t no_memory = jump_if_zero(1);
    move(1, 7);
    call(BPF_FUNC_task_pt_regs);
    copy(BPF_DW, 0, at.sp, offsetof(Record, sp));
    copy(BPF_DW, 0, at.ip, offsetof(Record, pc));
    copy(BPF_DW, 0, at.bp, offsetof(Record, rbp));
    copy(BPF_DW, 0, at.bx, offsetof(Record, rbx));
    copy(BPF_DW, 0, at.r12, offsetof(Record, r12));
    copy(BPF_DW, 0, at.r13, offsetof(Record, r13));
    copy(BPF_DW, 0, at.r14, offsetof(Record, r14));
    copy(BPF_DW, 0, at.r15, offsetof(Record, r15));
    land(no_memory);
    write(sizeof(Record));
    load(BPF_W, 1, 7, at.tid);
    load(BPF_W, 2, 7, at.pid);
    add(BPF_JMP | BPF_JNE | BPF_X, 1, 2, 0, 0);
    const std::size_t no_leader = instructions_.size();
    load(BPF_DW, 8, 7, at.sighand);
    const std::size_t no_handlers = jump_if_zero(8);
    for (int first = 0; first < kSignals; first += kSignalsInRecord) copy_actions(at, first);
    land(no_handlers);
    land(no_leader);
    land(no_task);
    add(kMoveNumber, 0, 0, 0, 0);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }

  const std::vector<bpf_insn>& instructions() const { return instructions_; }

 private:
  static constexpr int kMoveNumber = BPF_ALU64 | BPF_MOV, kAddNumber = BPF_ALU64 | BPF_ADD;

  /// r8 = sighand_struct.
  void copy_actions(const Layout& at, int first) {
    constexpr int kBase = -static_cast<int>(sizeof(Actions));
    const auto store = [&](std::size_t field) {
      add(BPF_STX | BPF_MEM | BPF_DW, 10, 1, kBase + static_cast<int>(field), 0);
    };
    add(kMoveNumber, 1, 0, 0, -1);  // kMark
    store(offsetof(Actions, mark));
    add(kMoveNumber, 1, 0, 0, first + 1);
    store(offsetof(Actions, first));
    for (int i = 0; i < kSignalsInRecord; ++i) {
      const int action = at.action + (first + i) * at.action_size;
      const std::size_t field =
          offsetof(Actions, actions) + static_cast<std::size_t>(i) * sizeof(Actions::Action);
      load(BPF_DW, 1, 8, action + at.handler);
      store(field + offsetof(Actions::Action, handler));
      load(BPF_DW, 1, 8, action + at.flags);
      store(field + offsetof(Actions::Action, flags));
    }
    write(sizeof(Actions));
  }
  /// Hands the end of the stack to the reader.
  void write(std::size_t size) {
    load(BPF_DW, 1, 6, offsetof(bpf_iter_task, meta));
    load(BPF_DW, 1, 1, 0);  // bpf_iter_meta::seq
    move(2, 10);
    add(kAddNumber, 2, 0, 0, -static_cast<int>(size));
    add(kMoveNumber, 3, 0, 0, static_cast<int>(size));
    call(BPF_FUNC_seq_write);
  }

  /// struct bpf_iter__task of the kernel: pointers padded to eight bytes.
  struct bpf_iter_task {
    std::uint64_t meta, task;
  };

  void add(int code, int to, int from, int offset, int immediate) {
    bpf_insn instruction{};
    instruction.code = static_cast<__u8>(code);
    instruction.dst_reg = static_cast<__u8>(to & 0xf);
    instruction.src_reg = static_cast<__u8>(from & 0xf);
    instruction.off = static_cast<__s16>(offset);
    instruction.imm = immediate;
    instructions_.push_back(instruction);
  }
  static int on_stack(std::size_t field) {
    return static_cast<int>(field) - static_cast<int>(sizeof(Record));
  }
  void move(int to, int from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void call(int helper) { add(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void load(int size, int to, int base, int offset) {
    add(BPF_LDX | BPF_MEM | size, to, base, offset, 0);
  }
  void copy(int size, int base, std::int16_t offset, std::size_t field) {
    load(size, 1, base, offset);
    add(BPF_STX | BPF_MEM | BPF_DW, 10, 1, on_stack(field), 0);
  }
  void clear(std::size_t field, std::size_t end) {
    for (; field < end; field += 8) add(BPF_ST | BPF_MEM | BPF_DW, 10, 0, on_stack(field), 0);
  }
  std::size_t jump_if_zero(int tested) {
    add(BPF_JMP | BPF_JEQ | BPF_K, tested, 0, 0, 0);
    return instructions_.size();
  }
  void land(std::size_t after_jump) {
    instructions_[after_jump - 1].off = static_cast<__s16>(instructions_.size() - after_jump);
  }

  std::vector<bpf_insn> instructions_;
};

/// The kernel's types. Mapped where the kernel allows it (Linux 6.16): a read gives one page only,
/// and there are more than a thousand.
Types read_types() {
  constexpr const char* kPath = "/sys/kernel/btf/vmlinux";
  const UniqueFd file(::open(kPath, O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return nullptr;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (mapped == MAP_FAILED) return Types(btf__parse(kPath, nullptr));
  Types types(btf__new(mapped, static_cast<__u32>(size)));
  (void)::munmap(mapped, size);  // cannot fail for what mmap gave
  return types;
}

Error failed(const char* what) {
  const int number = errno;
  const bool denied = number == EPERM || number == EACCES;
  return Error{denied ? Cause::Denied : Cause::Unsupported, number, what};
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

Result<std::vector<KernelTask>> read_records(int iterator) {
  constexpr std::size_t kStep = 64 << 10;
  std::vector<std::byte> bytes;
  std::size_t size = 0;
  for (;;) {
    bytes.resize(size + kStep);
    const ssize_t got = ::read(iterator, bytes.data() + size, kStep);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed("read the tasks of the kernel");
    if (got == 0) return parse_records(std::span(bytes).first(size));
    size += static_cast<std::size_t>(got);
    if (size > kMaxTasks * sizeof(Record))
      return Error{Cause::Limit, 0, "read the tasks of the kernel"};
  }
}

}  // namespace

Result<std::vector<KernelTask>> read_kernel_tasks() {
  const auto rights = read_own_rights();
  if (!rights) return rights.error();
  const bool may = (rights->effective_caps >> kCapBpf & 1) != 0 &&
                   (rights->effective_caps >> kCapPerfmon & 1) != 0;
  if (!may && !rights->is_admin()) return Error{Cause::Denied, EPERM, "load a BPF iterator"};
  const auto in_init = in_init_pid_namespace();
  if (!in_init) return in_init.error();
  if (!*in_init) return Error{Cause::Unsupported, 0, "load a BPF iterator: in a PID namespace"};

  libbpf_set_print(nullptr);
  const Types types = read_types();
  if (!types) return failed("read /sys/kernel/btf/vmlinux");
  const auto layout = find_layout(types.get());
  const int iterator_type = btf__find_by_name_kind(types.get(), "bpf_iter_task", BTF_KIND_FUNC);
  if (!layout || iterator_type < 0)
    return Error{Cause::Unsupported, 0, "load a BPF iterator: types of this kernel"};

  const Program program(*layout);
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = BPF_TRACE_ITER;
  options.attach_btf_id = static_cast<__u32>(iterator_type);
  // the helpers that it calls are for programs under the GPL; this file may be used under it
  const UniqueFd loaded(bpf_prog_load(BPF_PROG_TYPE_TRACING, "ipcdoctor_tasks", "GPL",
                                      program.instructions().data(), program.instructions().size(),
                                      &options));
  if (!loaded.is_open()) return failed("load a BPF iterator");
  const UniqueFd link(bpf_link_create(loaded.get(), 0, BPF_TRACE_ITER, nullptr));
  if (!link.is_open()) return failed("attach a BPF iterator");
  const UniqueFd iterator(bpf_iter_create(link.get()));
  if (!iterator.is_open()) return failed("create a BPF iterator");
  return read_records(iterator.get());
}

#else

Result<std::vector<KernelTask>> read_kernel_tasks() {
  return Error{Cause::Unsupported, 0, "load a BPF iterator: built without libbpf"};
}

#endif

}  // namespace ipcdoctor::linux
