#include "unwind/unwinder.h"

#include <libunwind.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "unwind/frame_pointer.h"

// Exported by libunwind-x86_64 for users that have their own tables (perf does the same); in no
// public header.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" int _Ux86_64_dwarf_search_unwind_table(unw_addr_space_t space, unw_word_t ip,
                                                  unw_dyn_info_t* table, unw_proc_info_t* info,
                                                  int need_unwind_info, void* context);

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxLayouts = 64;
constexpr std::size_t kCachedStates = 4096;
constexpr std::size_t kReadsPerFrame =
    20000;  ///< about 65 are normal; a hostile expression could loop for ever
constexpr std::size_t kMaxStackSwitches = 8;  ///< signal frames may go to another stack
/// Where tables that we built ourselves seem to lie: in the kernel's half, where no target has
/// memory.
constexpr std::uint64_t kBuiltTables = 0xffff'c000'0000'0000;

/// What the callbacks of one unwinding need.
struct Context {
  const linux::AddressSpace* space = nullptr;
  ImageCache* images = nullptr;
  Registers registers;
  const std::vector<FrameEntry>* built = nullptr;  ///< the table at kBuiltTables just now
  std::size_t reads_left = 0;
  bool no_description = false;
  bool missing_rbp = false;
};

std::uint64_t* register_at(Registers& registers, unw_regnum_t number) {
  const auto optional = [](std::optional<std::uint64_t>& value) {
    return value ? &*value : nullptr;
  };
  switch (number) {
    case UNW_X86_64_RSP:
      return &registers.sp.value;
    case UNW_X86_64_RIP:
      return &registers.pc.value;
    case UNW_X86_64_RBP:
      return optional(registers.rbp);
    case UNW_X86_64_RBX:
      return optional(registers.rbx);
    case UNW_X86_64_R12:
      return optional(registers.r12);
    case UNW_X86_64_R13:
      return optional(registers.r13);
    case UNW_X86_64_R14:
      return optional(registers.r14);
    case UNW_X86_64_R15:
      return optional(registers.r15);
    default:
      return nullptr;
  }
}

int access_register(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write,
                    void* arg) {
  Context& context = *static_cast<Context*>(arg);
  std::uint64_t* slot = register_at(context.registers, number);
  if (slot == nullptr) {
    context.missing_rbp = context.missing_rbp || number == UNW_X86_64_RBP;
    return -UNW_EBADREG;
  }
  if (write != 0)
    *slot = *value;
  else
    *value = *slot;
  return 0;
}

int access_memory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* arg) {
  Context& context = *static_cast<Context*>(arg);
  if (write != 0 || context.reads_left == 0) return -UNW_EINVAL;
  --context.reads_left;
  if (address >= kBuiltTables && context.built != nullptr) {
    const std::uint64_t offset = address - kBuiltTables;
    const std::uint64_t size = context.built->size() * sizeof(FrameEntry);
    *value = 0;
    if (offset >= size) return -UNW_EINVAL;
    std::memcpy(value, reinterpret_cast<const char*>(context.built->data()) + offset,
                std::min<std::uint64_t>(sizeof *value, size - offset));
    return 0;
  }
  const auto word = context.space->memory.read_u64(RemoteAddr{address});
  if (!word) return -UNW_EINVAL;
  *value = *word;
  return 0;
}

int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t* info,
                   int need_unwind_info, void* arg) {
  Context& context = *static_cast<Context*>(arg);
  context.no_description = true;
  const auto place = context.images->find(*context.space, ip);
  if (!place) return -UNW_ENOINFO;
  const UnwindTable* table = place->image->unwind_table();
  if (table == nullptr) return -UNW_ENOINFO;
  unw_dyn_info_t dyn{};
  dyn.format = UNW_INFO_FORMAT_REMOTE_TABLE;
  dyn.start_ip = place->begin;
  dyn.end_ip = place->end;
  dyn.u.rti.segbase = table->base + place->bias;
  dyn.u.rti.table_data = table->address != 0 ? table->address + place->bias : kBuiltTables;
  dyn.u.rti.table_len = table->rows.size() * sizeof(FrameEntry) / sizeof(unw_word_t);
  context.built = table->address != 0 ? nullptr : &table->rows;
  const int found =
      _Ux86_64_dwarf_search_unwind_table(space, ip, &dyn, info, need_unwind_info, arg);
  if (found == 0) context.no_description = false;
  return found == 0 ? 0 : -UNW_ENOINFO;
}

void put_unwind_info(unw_addr_space_t, unw_proc_info_t*, void*) {}

int no_dynamic_info(unw_addr_space_t, unw_word_t*, void*) {
  return -UNW_ENOINFO;
}

int access_float(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) {
  return -UNW_EBADREG;
}

int resume(unw_addr_space_t, unw_cursor_t*, void*) {
  return -UNW_EINVAL;
}

int proc_name(unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) {
  return -UNW_ENOINFO;
}

RawFrame frame_at(unw_cursor_t& cursor) {
  RawFrame frame;
  unw_word_t value = 0;
  if (unw_get_reg(&cursor, UNW_REG_IP, &value) == 0) frame.pc = value;
  if (unw_get_reg(&cursor, UNW_REG_SP, &value) == 0) frame.sp = value;
  const auto saved = [&](unw_regnum_t number, std::optional<std::uint64_t>& into) {
    if (unw_get_reg(&cursor, number, &value) == 0) into = value;
  };
  frame.registers.pc = RemoteAddr{frame.pc};
  frame.registers.sp = RemoteAddr{frame.sp};
  saved(UNW_X86_64_RBP, frame.registers.rbp);
  saved(UNW_X86_64_RBX, frame.registers.rbx);
  saved(UNW_X86_64_R12, frame.registers.r12);
  saved(UNW_X86_64_R13, frame.registers.r13);
  saved(UNW_X86_64_R14, frame.registers.r14);
  saved(UNW_X86_64_R15, frame.registers.r15);
  return frame;
}

/// What a failed step means; nullopt to go on.
std::optional<End> end_of(int step, const Context& context) {
  if (context.no_description) return End::NoDescription;
  if (step == 0) return End::Outermost;
  if (step > 0) return std::nullopt;
  if (context.reads_left == 0) return End::Limit;
  return context.missing_rbp ? End::MissingRegister : End::Broken;
}

}  // namespace

void Unwinder::AddrSpaceDelete::operator()(unw_addr_space* space) const {
  unw_destroy_addr_space(space);
}

unw_addr_space* Unwinder::space_for(const linux::AddressSpace& space) {
  std::vector<std::uint64_t> layout;
  for (const linux::Mapping& m : space.notable_maps()) {
    if (!m.executable) continue;
    layout.insert(layout.end(), {m.start, m.end, m.offset, m.dev, m.ino});
    if (m.ino == 0)
      layout.push_back(static_cast<std::uint64_t>(space.pid.value));  // generated code is its own
  }
  auto known = spaces_.find(layout);
  if (known == spaces_.end()) {
    if (spaces_.size() >= kMaxLayouts) spaces_.clear();
    static unw_accessors_t accessors = {find_proc_info, put_unwind_info, no_dynamic_info,
                                        access_memory,  access_register, access_float,
                                        resume,         proc_name};
    AddrSpace made(unw_create_addr_space(&accessors, 0));
    if (made != nullptr) {
      (void)unw_set_caching_policy(made.get(),
                                   UNW_CACHE_GLOBAL);  // without a cache it is only slower
      (void)unw_set_cache_size(made.get(), kCachedStates, 0);
    }
    known = spaces_.emplace(std::move(layout), std::move(made)).first;
  }
  return known->second.get();
}

/// One unwinding under way: the frames so far and where libunwind stands.
struct Unwinder::Walk {
  Context context;
  unw_cursor_t cursor{};
  RawStack stack;
  std::size_t switches = 0;
  std::size_t limit;
  bool guessing = false;

  bool start(unw_addr_space_t space, std::uint64_t pc, std::uint64_t sp) {
    context.reads_left = kReadsPerFrame;
    context.registers.pc = RemoteAddr{pc};
    context.registers.sp = RemoteAddr{sp};
    stack.frames.push_back({pc, sp, guessing, context.registers});
    return space != nullptr && unw_init_remote(&cursor, space, &context) == 0;
  }

  /// Goes on to the end; afterwards the cursor stands at the last frame.
  void run() {
    stack.end = End::Limit;
    while (stack.frames.size() < limit) {
      context.no_description = context.missing_rbp = false;
      context.reads_left = kReadsPerFrame;
      const unw_cursor_t before = cursor;
      const bool signal_frame = unw_is_signal_frame(&cursor) > 0;
      stack.frames.back().signal = signal_frame;
      const int step = unw_step(&cursor);
      auto end = end_of(step, context);
      const RawFrame frame = end ? RawFrame{} : frame_at(cursor);
      if (!end && frame.pc == 0) end = End::Outermost;
      const bool grew = frame.sp > stack.frames.back().sp;
      if (!end && !grew && !(signal_frame && ++switches <= kMaxStackSwitches)) end = End::Broken;
      if (end) {
        stack.end = *end;
        cursor = before;
        return;
      }
      stack.frames.push_back(frame);
      stack.frames.back().guessed = guessing;
    }
  }

  std::uint64_t function_start() {
    unw_proc_info_t info{};
    context.reads_left = kReadsPerFrame;
    return unw_get_proc_info(&cursor, &info) == 0 ? info.start_ip : 0;
  }
};

/// The quick way: as long as rules are simple, two or three words of memory lead to the next frame.
/// Where it stops libunwind takes over with the registers as they are there.
class Unwinder::QuickWalk {
 public:
  QuickWalk(const linux::AddressSpace& space, ImageCache& images, const Registers& registers)
      : space_(space), images_(images), registers_(registers) {}

  /// nullopt: something is not simple at the last frame. Never Broken: libunwind has the last word.
  std::optional<End> run(RawStack& stack, std::size_t limit) {
    stack.frames.push_back({registers_.pc.value, registers_.sp.value, false, registers_});
    while (stack.frames.size() < limit) {
      const auto end = step(stack.frames.size() > 1 ? 1 : 0);
      if (end || stuck_) return end;
      stack.frames.push_back({registers_.pc.value, registers_.sp.value, false, registers_});
    }
    return End::Limit;
  }
  const Registers& registers() const { return registers_; }

 private:
  /// @param back  1 for return addresses: the call itself decides, not what follows it.
  std::optional<End> step(std::uint64_t back) {
    const FrameRule* rule = rule_at(registers_.pc.value - back);
    if (rule != nullptr && rule->outermost) return End::Outermost;
    const auto base = rule == nullptr  ? std::nullopt
                      : rule->from_rbp ? registers_.rbp
                                       : std::optional(registers_.sp.value);
    stuck_ = true;
    if (!base) return std::nullopt;
    const std::uint64_t cfa = *base + static_cast<std::uint64_t>(std::int64_t{rule->cfa});
    if (cfa <= registers_.sp.value) return std::nullopt;
    const auto pc = space_.memory.read_u64(RemoteAddr{cfa - 8});
    if (!pc || *pc == 0) return std::nullopt;
    Registers caller = registers_;
    std::optional<std::uint64_t>* const slots[] = {&caller.rbx, &caller.rbp, &caller.r12,
                                                   &caller.r13, &caller.r14, &caller.r15};
    for (std::size_t i = 0; i < FrameRule::kRegisters; ++i) {
      if (rule->saved[i] == FrameRule::kSame) continue;
      slots[i]->reset();
      if (rule->saved[i] == FrameRule::kUndefined) continue;
      const auto value = space_.memory.read_u64(
          RemoteAddr{cfa + static_cast<std::uint64_t>(std::int64_t{rule->saved[i]})});
      if (!value) return std::nullopt;
      *slots[i] = *value;
    }
    caller.pc = RemoteAddr{*pc};
    caller.sp = RemoteAddr{cfa};
    registers_ = caller;
    stuck_ = false;
    return std::nullopt;
  }

  const FrameRule* rule_at(std::uint64_t pc) {
    if (pc < place_.begin || pc >= place_.end) {
      const auto place = images_.find(space_, pc);
      place_ = place ? *place : Place{};
    }
    return place_.image == nullptr ? nullptr : place_.image->frame_rule(pc - place_.bias);
  }

  const linux::AddressSpace& space_;
  ImageCache& images_;
  Registers registers_;
  Place place_;
  bool stuck_ = false;
};

RawStack Unwinder::unwind(const linux::AddressSpace& space, const Registers& registers,
                          std::size_t limit) {
  RawStack stack;
  QuickWalk quick(space, images_, registers);
  const auto end = quick.run(stack, limit);
  if (end) {
    stack.end = *end;
    return stack;
  }
  const RawFrame last = stack.frames.back();
  // a fresh cursor takes its pc for the instruction under way, but here it is a return address
  const std::uint64_t back = stack.frames.size() > 1 ? 1 : 0;
  stack.frames.pop_back();
  Walk walk{.context = Context{.space = &space, .images = &images_, .registers = quick.registers()},
            .stack = std::move(stack),
            .limit = limit};
  if (!walk.start(space_for(space), last.pc - back, last.sp)) return std::move(walk.stack);
  walk.stack.frames.back().pc = last.pc;
  walk.run();
  if (walk.stack.end == End::NoDescription) bridge(space, walk);
  if (walk.stack.end == End::MissingRegister) guess_frame_pointer(space, walk);
  return std::move(walk.stack);
}

RawStack Unwinder::unwind_slowly(const linux::AddressSpace& space, const Registers& registers,
                                 std::size_t limit) {
  Walk walk{.context = Context{.space = &space, .images = &images_, .registers = registers},
            .stack = {},
            .limit = limit};
  if (walk.start(space_for(space), registers.pc.value, registers.sp.value)) walk.run();
  return std::move(walk.stack);
}

// Code without a description has no frame that could be computed: go on by its frame pointer, else
// at the nearest caller that has a description.
void Unwinder::bridge(const linux::AddressSpace& space, Walk& walk) {
  bool scanned = false;
  while (walk.stack.end == End::NoDescription && walk.stack.frames.size() < walk.limit) {
    const std::uint64_t sp = walk.stack.frames.back().sp;
    unw_word_t rbp = 0;
    const bool has_rbp = unw_get_reg(&walk.cursor, UNW_X86_64_RBP, &rbp) == 0;
    const auto caller = has_rbp ? find_caller(space, sp, rbp) : std::nullopt;
    Registers next;
    if (caller) {
      next = {RemoteAddr{caller->sp}, RemoteAddr{caller->pc}, caller->rbp, {}, {}, {}, {}, {}};
    } else {
      const auto found = scanned ? std::nullopt : find_return_address(space, images_, sp);
      if (!found) return;
      scanned = true;
      next.sp = RemoteAddr{found->at + 8};
      next.pc = RemoteAddr{found->pc};
    }
    walk.guessing = true;
    walk.context.registers = next;
    if (!walk.start(space_for(space), next.pc.value, next.sp.value)) return;
    walk.run();
  }
}

// Tries the candidates until one leads to the outermost frame; else the nearest that a direct call
// confirms.
void Unwinder::guess_frame_pointer(const linux::AddressSpace& space, Walk& walk) {
  const Walk before = walk;
  const auto candidates =
      find_frame_pointers(space, images_, walk.stack.frames.back().sp, walk.function_start());
  std::optional<RawStack> fallback;
  for (const FramePointer& candidate : candidates) {
    // the cursor points at this context: restore it in place
    walk.cursor = before.cursor;
    walk.stack = before.stack;
    walk.switches = before.switches;
    walk.guessing = true;
    walk.context.registers.rbp = candidate.value;
    walk.run();
    if (walk.stack.end == End::Outermost) return;
    if (candidate.direct && !fallback) fallback = walk.stack;
  }
  walk.stack = fallback.value_or(before.stack);
}

}  // namespace ipcdoctor::unwind
