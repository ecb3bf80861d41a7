#include "runtime/native/walk.h"

#include <sys/syscall.h>

#include <algorithm>

#include "base/text.h"

namespace ipcdoctor::runtime::native {

using namespace snapshot;

namespace {

constexpr std::size_t kMaxFunctions = 512;
constexpr int kMaxJoins = 8;  ///< of one place; what still changes then is not known
constexpr std::size_t kMaxTable = 1024;
constexpr std::size_t kMaxTargets = 256;
constexpr std::uint32_t kOfDescriptors = kReads | kWrites | kCloses;
constexpr std::array<int, 6> kCallArguments = {kRdi, kRsi, kRdx, 10, 8, 9};
constexpr std::uint32_t kPreserved = 1U << kRbx | 1U << kRsp | 1U << kRbp | 0xfU << 12;

std::uint64_t sign_extended(std::uint64_t value, unsigned bits) {
  const std::uint64_t top = std::uint64_t{1} << (bits - 1);
  const std::uint64_t mask = top | (top - 1);
  return ((value & mask) ^ top) - top;
}

Value sign_extended(const Value& value, unsigned from, unsigned to) {
  if (value.kind() == Value::Kind::OneOf) {
    std::vector<std::uint64_t> numbers = value.numbers();
    for (std::uint64_t& number : numbers) number = sign_extended(number, from);
    return Value::one_of(std::move(numbers)).truncated(to);
  }
  if (value.kind() == Value::Kind::Below && value.bits() == 64 &&
      value.most() < std::uint64_t{1} << (from - 1))
    return value;
  if (value.kind() == Value::Kind::Accepted && from == 32) return value;
  if (value.kind() == Value::Kind::Variable && from == 32)
    return Value::variable(value.numbers(), 64);
  return Value::any().truncated(to);
}

}  // namespace

// ------------------------------------------------------------------ stacks

Effects Walk::read_function(std::uint64_t address) {
  State state;
  state.registers[kRsp] = Value::on_stack(0);
  functions_.emplace_back();
  if (const Known* known = program_.known_at(address)) {
    functions_[0].returns = apply(*known, state, By::Function, address).has_value();
  } else {
    go(0, address, std::move(state));
    run();
  }
  // One that always ends the process is as the signal without a handler, whatever is run at exit.
  if ((mask_ & kExits) != 0 && functions_[0].returns)
    add_unknown("ends its process or returns, from", address);
  return finish();
}

Effects Walk::read_thread(const unwind::RawStack& stack, const Thread& thread) {
  stack_ = &stack;
  thread_ = thread;
  frame_functions_.resize(stack.frames.size());
  const bool guessed = std::ranges::any_of(stack.frames, &unwind::RawFrame::guessed);
  if (stack.end != unwind::End::Outermost || guessed || stack.frames.empty()) {
    mask_ |= kUnknown;
    unknown_ = "its stack could not be read to its end";
    return finish();
  }
  for (const unwind::RawFrame& frame : stack.frames) {
    // mov $rt_sigreturn, %rax; syscall
    static constexpr std::array<std::uint8_t, 9> kTrampoline = {0x48, 0xc7, 0xc0, 15,  0,
                                                                0,    0,    0x0f, 0x05};
    const auto code = program_.code_at(frame.pc);
    if (code.size() < kTrampoline.size() ||
        !std::equal(kTrampoline.begin(), kTrampoline.end(), code.begin()))
      continue;
    add_unknown("is inside a handler of a signal", frame.pc);
    return finish();
  }
  if (!cover_library_calls()) {
    finish_call();
    start_frame(0, Value::any());
  }
  run();
  return finish();
}

/// The frames of the C library between a function of it that is known and the kernel: what they do
/// is known as a whole. false: the innermost frame is none of it.
bool Walk::cover_library_calls() {
  const auto& frames = stack_->frames;
  const Known* known = nullptr;
  std::size_t outermost = 0, i = 0;
  for (; i < frames.size(); ++i) {
    const std::uint64_t pc = frames[i].pc - (i == 0 ? 0 : 1);
    const Linkage* linkage = program_.linkage_at(pc);
    const bool library = linkage != nullptr && (linkage->kind == Linkage::Kind::CLibrary ||
                                                linkage->kind == Linkage::Kind::Static);
    const Known* here = library ? program_.known_around(pc) : nullptr;
    // in a static program the frames between may be the program's own
    if (!library || (linkage->kind == Linkage::Kind::Static && here == nullptr &&
                     !program_.function_around(pc).starts_with("__")))
      break;
    if (here == nullptr) continue;
    known = here;
    outermost = i;
  }
  // one that has gone on in another function of the library has no frame of its own
  if (known == nullptr && i > 0 && i < frames.size() && !frames[i].guessed) {
    known = program_.known_called_at(frames[i].pc);
    outermost = i - 1;
  }
  if (known == nullptr) return false;
  in_cancellation_point_ = known->cancellable;
  State state;
  // a plain function hands its first argument on to the kernel
  if (known->descriptor == 0 && known->holds_nothing)
    state.registers[kRdi] = Value::of(thread_.argument & 0xffff'ffff);
  // what the call under way still wakes lies beside the word that it waits for
  if (known->objects > 0 && thread_.call == SYS_futex)
    state.registers[kRdi] = state.registers[kRsi] = Value::of(thread_.argument);
  // it may hold a lock of the library's own, which somebody else waits for
  if (!known->holds_nothing || known->rule == Known::Rule::Allocates) {
    mask_ |= kReleases;
    other_woken_ = true;
  }
  const auto result = apply(*known, state, By::Function, frames[outermost].pc);
  if (!result) return true;
  if (outermost + 1 < frames.size())
    start_frame(outermost + 1, *result);
  else
    add_unknown("returns from its outermost frame", frames[outermost].pc);
  return true;
}

/// What the call that it is blocked in does when it ends.
void Walk::finish_call() {
  constexpr long kRestart = SYS_restart_syscall;  // of a wait
  if (thread_.call < 0 || thread_.call == kRestart || thread_.call == SYS_futex) return;
  State state;
  state.registers[kRdi] = Value::of(thread_.argument & 0xffff'ffff);
  const Known known = system_call(static_cast<std::uint64_t>(thread_.call));
  (void)apply(known, state, By::SystemCall, stack_->frames.front().pc);
}

/// Whether the frame is the library's function that called what the thread or the program began
/// with.
bool Walk::is_base(std::size_t index) {
  const auto& frames = stack_->frames;
  const std::size_t last = frames.size() - 1;
  if (index == 0) return false;
  const std::uint64_t pc = frames[index].pc - 1;
  const Linkage* linkage = program_.linkage_at(pc);
  if (linkage == nullptr) return false;
  const auto is_main_caller = [&](std::size_t i) {
    const std::string name = program_.function_around(frames[i].pc - 1);
    return name.starts_with("__libc_start_main") || name == "__libc_start_call_main";
  };
  if (linkage->kind == Linkage::Kind::Static) {
    const auto address = program_.link_address(pc);
    const bool starts_thread = linkage->thread_start != 0 && address >= linkage->thread_start &&
                               address < linkage->thread_start_end;
    return starts_thread || (is_main_caller(index) && last - index <= 2);
  }
  if (linkage->kind != Linkage::Kind::CLibrary) return false;
  const auto in_library = [&](std::size_t i) {
    const Linkage* other = program_.linkage_at(frames[i].pc - 1);
    return other != nullptr && other->kind == Linkage::Kind::CLibrary;
  };
  if (program_.known_around(pc) != nullptr) return false;
  if (index + 1 == last && in_library(last)) return true;  // start_thread, clone
  if (index == last) return true;                          // clone
  // __libc_start_call_main, __libc_start_main, _start
  return (index + 1 == last && is_main_caller(index)) ||
         (index + 2 == last && is_main_caller(index + 1));
}

/// The thread, or its whole process, ends.
void Walk::reach_base() {
  if (thread_.is_leader) {
    add(kExits | kEndsThread | kUnknown, "ends its process");  // exit handlers
    return;
  }
  add(kEndsThread, "ends");
  if (thread_.is_alone) add(kExits, "");
  for (const char* registers_destructors :
       {"__cxa_thread_atexit_impl", "__cxa_thread_atexit", "pthread_key_create", "tss_create",
        "__pthread_key_create", "pthread_setspecific"}) {
    if (!program_.is_used(registers_destructors)) continue;
    mask_ |= kUnknown;
    if (unknown_.empty()) unknown_ = "ends with destructors of the thread's variables";
    return;
  }
}

void Walk::start_frame(std::size_t index, const Value& result) {
  if (is_base(index)) {
    reach_base();
    return;
  }
  const auto& frames = stack_->frames;
  const unwind::RawFrame& frame = frames[index];
  std::optional<std::size_t>& function = frame_functions_[index];
  if (!function) {
    function = functions_.size();
    functions_.emplace_back().frame = index;
  }
  State state;
  const auto set_known = [&](int reg, std::optional<std::uint64_t> value) {
    if (value) state.registers[static_cast<std::size_t>(reg)] = Value::of(*value);
  };
  const unwind::Registers& registers = frame.registers;
  set_known(kRbx, registers.rbx);
  set_known(kRbp, registers.rbp);
  set_known(12, registers.r12);
  set_known(13, registers.r13);
  set_known(14, registers.r14);
  set_known(15, registers.r15);
  if (index + 1 < frames.size()) {
    // the caller's stack pointer lies above the return address
    const std::uint64_t begin = frames[index + 1].sp - 8;
    state.frame_begin = begin;
    state.registers[kRsp] = Value::on_stack(static_cast<std::int64_t>(frame.sp - begin));
    if (registers.rbp && *registers.rbp >= frame.sp && *registers.rbp <= begin)
      state.registers[kRbp] = Value::on_stack(static_cast<std::int64_t>(*registers.rbp - begin));
  }
  if (index > 0) state.registers[kRax] = result;
  go(*function, frame.pc, std::move(state));
}

// ------------------------------------------------------------------ ways

void Walk::run() {
  while (!todo_.empty()) {
    const Block block = todo_.back();
    todo_.pop_back();
    run_block(block);
    if (functions_.size() > kMaxFunctions || budget_ == 0) {
      add_unknown("is more code than is read, at", block.address);
      return;
    }
    // nothing can be added to that
    if ((mask_ & kUnknown) != 0 && !unknown_.empty()) return;
  }
}

void Walk::run_block(const Block& block) {
  State state = functions_[block.function].states.at(block.address);
  std::uint64_t address = block.address;
  if (program_.is_foreign(address))
    return add_unknown("runs code with rules of its own at", address);
  for (;;) {
    if (budget_ == 0) return;
    --budget_;
    const auto code = program_.code_at(address);
    if (code.empty()) return add_unknown("runs code of no file at", address);
    const auto instruction = disassembler_.decode(code, address);
    if (!instruction) return add_unknown("has an instruction that is not known at", address);
    if (!step(block.function, state, *instruction)) return;
    address = instruction->next();
    // from here on others know the way
    if (functions_[block.function].states.contains(address))
      return go(block.function, address, std::move(state));
  }
}

void Walk::go(std::size_t function, std::uint64_t address, State state) {
  auto& states = functions_[function].states;
  const auto [it, is_new] = states.try_emplace(address, state);
  if (is_new) {
    it->second.joins = 0;
  } else {
    State& known = it->second;
    bool changed = false;
    for (std::size_t i = 0; i < kRegisters; ++i) {
      Value joined = known.registers[i].joined(state.registers[i]);
      if (joined == known.registers[i]) continue;
      known.registers[i] = known.joins < kMaxJoins ? std::move(joined) : Value::any();
      changed = true;
    }
    if (known.compared && known.compared != state.compared) {
      known.compared.reset();
      changed = true;
    }
    if (!changed) return;
    ++known.joins;
  }
  todo_.push_back({function, address});
}

void Walk::return_from(std::size_t index, const Value& result) {
  Function& function = functions_[index];
  if (function.frame) {
    if (function.returns && function.result.joined(result) == function.result) return;
    function.result = function.returns ? function.result.joined(result) : result;
    function.returns = true;
    if (*function.frame + 1 < stack_->frames.size())
      start_frame(*function.frame + 1, function.result);
    else
      add_unknown("returns from its outermost frame", stack_->frames.back().pc);
    return;
  }
  const Value joined = function.returns ? function.result.joined(result) : result;
  if (function.returns && joined == function.result) return;
  function.returns = true;
  function.result = joined;
  for (const auto& [key, site] : function.callers) {
    State state = site.state;
    state.registers[kRax] = joined;
    go(site.function, site.next, std::move(state));
  }
}

std::optional<Value> Walk::enter(std::size_t caller, std::uint64_t target, std::uint64_t next,
                                 const State& state) {
  const auto [it, is_new] = by_entry_.try_emplace(target, functions_.size());
  if (is_new) functions_.emplace_back();
  const std::size_t index = it->second;
  State after = state;
  for (std::size_t i = 0; i < kRegisters; ++i)
    if ((kPreserved >> i & 1) == 0) after.registers[i] = Value::any();
  after.compared.reset();
  Function& function = functions_[index];
  const auto [site, is_new_site] = function.callers.try_emplace({caller, next});
  if (is_new_site) {
    site->second = {caller, next, after};
  } else {
    for (std::size_t i = 0; i < kRegisters; ++i) {
      Value& known = site->second.state.registers[i];
      known = known.joined(after.registers[i]);
    }
    after = site->second.state;
  }
  State entry = state;
  for (Value& value : entry.registers)
    if (value.kind() == Value::Kind::Stack) value = Value::any();
  entry.registers[kRsp] = Value::on_stack(0);
  entry.compared.reset();
  entry.frame_begin = 0;
  entry.joins = 0;
  const bool returns = function.returns;
  const Value result = function.result;
  go(index, target, std::move(entry));
  if (!returns) return std::nullopt;
  after.registers[kRax] = result;
  go(caller, next, std::move(after));
  return std::nullopt;  // it goes on from there
}

// ------------------------------------------------------------------ instructions

bool Walk::step(std::size_t function, State& state, const Instruction& at) {
  if (!at.keeps_flags && at.operation != Operation::Compare) state.compared.reset();
  switch (at.operation) {
    case Operation::Nothing:
      return true;
    case Operation::Return: {
      const Value& rsp = state.registers[kRsp];
      if (rsp.kind() == Value::Kind::Stack && rsp.offset() != 0) {
        add_unknown("returns to another place at", at.address);
        return false;
      }
      const Value& result = state.registers[kRax];
      return_from(function, result.kind() == Value::Kind::Stack ? Value::any() : result);
      return false;
    }
    case Operation::Call:
      return step_call(function, state, at);
    case Operation::Jump:
      return step_jump(function, state, at);
    case Operation::Branch:
      step_branch(function, state, at);
      return true;
    case Operation::SystemCall:
      return step_system_call(state, at);
    case Operation::Trap:
      add(kExits | kSignals, "traps");
      return false;
    case Operation::Strange:
      add_unknown("leaves its code at", at.address);
      return false;
    default:
      note_stores(state, at);
      step_data(function, state, at);
      return true;
  }
}

/// Also behind an entry of a procedure linkage table, endbr64 and a jump through a slot: to go into
/// that would join what all its callers give.
const Known* Walk::known_behind(std::uint64_t target) {
  if (const Known* known = program_.known_at(target)) return known;
  for (int i = 0; i < 2; ++i) {
    const auto instruction = disassembler_.decode(program_.code_at(target), target);
    if (!instruction) return nullptr;
    if (instruction->operation == Operation::Jump && instruction->operands.size() == 1) {
      const Operand& slot = instruction->operands[0];
      const bool fixed = slot.kind == Operand::Kind::Memory && !slot.segment &&
                         slot.reg == Operand::kProgramCounter && slot.index == Operand::kNone;
      return fixed ? program_.known_by_slot(instruction->next() +
                                            static_cast<std::uint64_t>(slot.number))
                   : nullptr;
    }
    if (instruction->operation != Operation::Nothing) return nullptr;
    target = instruction->next();
  }
  return nullptr;
}

bool Walk::step_call(std::size_t function, State& state, const Instruction& at) {
  note_arguments(state);
  const Targets targets = targets_of(state, at);
  if (targets.addresses.empty()) {
    add_unknown("calls through a pointer at", at.address);
    return false;
  }
  std::optional<Value> result;
  const auto add_result = [&](const std::optional<Value>& one) {
    if (one) result = result ? result->joined(*one) : *one;
  };
  for (const std::uint64_t target : targets.addresses) {
    if (target == 0) continue;  // a weak symbol that nobody defines: asked for before
    const Known* known = targets.known != nullptr ? targets.known : known_behind(target);
    if (known != nullptr)
      add_result(apply(*known, state, By::Function, at.address));
    else if (program_.in_vdso(target))
      add_result(Value::any());
    else
      add_result(enter(function, target, at.next(), state));
  }
  if (!result) return false;
  for (std::size_t i = 0; i < kRegisters; ++i)
    if ((kPreserved >> i & 1) == 0) state.registers[i] = Value::any();
  state.registers[kRax] = *result;
  return true;
}

/// Also calls in tail position, and what a procedure linkage table consists of.
bool Walk::step_jump(std::size_t function, State& state, const Instruction& at) {
  note_arguments(state);
  const Targets targets = targets_of(state, at);
  if (targets.addresses.empty()) {
    add_unknown("jumps through a pointer at", at.address);
    return false;
  }
  for (const std::uint64_t target : targets.addresses) {
    const Known* known = targets.known != nullptr ? targets.known : program_.known_at(target);
    if (known != nullptr) {
      if (const auto result = apply(*known, state, By::Function, at.address))
        return_from(function, *result);
    } else if (program_.in_vdso(target) && !program_.in_vdso(at.address)) {
      return_from(function, Value::any());
    } else {
      go(function, target, state);
    }
  }
  return false;
}

void Walk::step_branch(std::size_t function, State& state, const Instruction& at) {
  State taken = state;
  for (std::size_t i = 0; i < kRegisters; ++i)  // loop counts rcx down
    if ((at.written >> i & 1) != 0) taken.registers[i] = state.registers[i] = Value::any();
  const auto refine = [](State& of, std::uint64_t most) {
    Value& value = of.registers[of.compared->reg];
    const unsigned bits = of.compared->bits;
    if (value.kind() == Value::Kind::OneOf) return;
    const bool narrow =
        (value.kind() == Value::Kind::Below || value.kind() == Value::Kind::Variable) &&
        value.bits() == 64 && (bits == 64 || value.most() < std::uint64_t{1} << bits);
    value = narrow ? Value::below(std::min(most, value.most()), 64) : Value::below(most, bits);
  };
  if (state.compared) {
    const std::uint64_t with = state.compared->with;
    switch (at.condition) {
      case Condition::Above:
        refine(state, with);
        break;
      case Condition::AboveOrEqual:
        if (with > 0) refine(state, with - 1);
        break;
      case Condition::BelowOrEqual:
        refine(taken, with);
        break;
      case Condition::Below:
        if (with > 0) refine(taken, with - 1);
        break;
      case Condition::Other:
        break;
    }
  }
  const bool direct = !at.operands.empty() && at.operands.back().kind == Operand::Kind::Number;
  if (!direct) return add_unknown("branches through a pointer at", at.address);
  const auto target = static_cast<std::uint64_t>(at.operands.back().number);
  // a branch may be a call in tail position, too
  if (const Known* known = program_.known_at(target)) {
    if (const auto result = apply(*known, taken, By::Function, at.address))
      return_from(function, *result);
    return;
  }
  go(function, target, std::move(taken));
}

bool Walk::step_system_call(State& state, const Instruction& at) {
  note_arguments(state);
  const std::vector<std::uint64_t> numbers = state.registers[kRax].all(64);
  if (numbers.empty()) {
    add_unknown("makes a system call that is not known at", at.address);
    return false;
  }
  std::optional<Value> result;
  for (const std::uint64_t number : numbers) {
    const Known known = system_call(number);
    if ((known.mask & kUnknown) != 0)
      add_unknown("makes a system call that is not known at", at.address);
    const auto one = apply(known, state, By::SystemCall, at.address);
    if (one) result = result ? result->joined(*one) : *one;
  }
  if (!result) return false;
  state.registers[kRax] = *result;
  state.registers[kRcx] = state.registers[11] = Value::any();
  return true;
}

void Walk::note_stores(const State& state, const Instruction& at) {
  for (const Operand& operand : at.operands) {
    if (operand.kind != Operand::Kind::Memory || at.operation == Operation::LoadAddress) continue;
    const bool only_read = !operand.written && at.operation != Operation::Other;
    if (only_read) continue;
    const bool based = operand.reg >= 0 && operand.reg < static_cast<int>(kRegisters);
    const Value base = based ? state.registers[static_cast<std::size_t>(operand.reg)] : Value();
    if (base.kind() != Value::Kind::Stack) {
      if (operand.written) changes_memory_ = true;
      const std::vector<std::uint64_t> places = addresses_of(state, at, operand);
      if (places.empty() || places.size() > kMaxTargets)
        other_written_ = true;
      else
        for (const std::uint64_t place : places) written_.emplace(place, operand.bytes);
      continue;
    }
    const std::int64_t begin = base.offset() + operand.number;
    if (operand.written && operand.index != Operand::kNone)
      note_pointer(state, Value::on_stack(begin));
    else if (operand.written && state.frame_begin != 0)
      written_.emplace(state.frame_begin + static_cast<std::uint64_t>(begin), operand.bytes);
    const bool here = operand.index == Operand::kNone && begin < 8 && begin + operand.bytes > 0;
    if (here && operand.written) add_unknown("changes where it returns to at", at.address);
  }
}

/// Through a pointer into the frame all that lies above it there may be changed.
void Walk::note_pointer(const State& state, const Value& value) {
  if (state.frame_begin == 0 || value.kind() != Value::Kind::Stack || value.offset() >= 0) return;
  written_.emplace(state.frame_begin + static_cast<std::uint64_t>(value.offset()),
                   static_cast<std::uint64_t>(-value.offset()));
}

void Walk::note_arguments(const State& state) {
  for (const int reg : kFunctionArguments)
    note_pointer(state, state.registers[static_cast<std::size_t>(reg)]);
}

void Walk::step_data(std::size_t function, State& state, const Instruction& at) {
  const auto& operands = at.operands;
  const bool in_frame = functions_[function].frame.has_value();
  const bool to_register =
      !operands.empty() && operands[0].kind == Operand::Kind::Register && !operands[0].high_byte;
  const auto reg = [&](int number) -> Value& {
    return state.registers[static_cast<std::size_t>(number)];
  };
  const auto forget = [&] {
    for (std::size_t i = 0; i < kRegisters; ++i) {
      if ((at.written >> i & 1) == 0) continue;
      state.registers[i] = Value::any();
      if (state.compared && state.compared->reg == i) state.compared.reset();
    }
  };
  switch (at.operation) {
    case Operation::Push: {
      Value& rsp = reg(kRsp);
      const std::int64_t bytes = operands.empty() ? 8 : operands[0].bytes == 2 ? 2 : 8;
      rsp = rsp.kind() == Value::Kind::Stack ? Value::on_stack(rsp.offset() - bytes) : Value::any();
      if (rsp.kind() == Value::Kind::Stack && rsp.offset() > -8 && rsp.offset() < 8)
        add_unknown("changes where it returns to at", at.address);
      return;
    }
    case Operation::Pop: {
      const Value rsp = reg(kRsp);
      const std::int64_t bytes = operands.empty() ? 8 : operands[0].bytes == 2 ? 2 : 8;
      forget();
      if (to_register && operands[0].reg == kRsp) add_unknown("changes its stack at", at.address);
      reg(kRsp) =
          rsp.kind() == Value::Kind::Stack ? Value::on_stack(rsp.offset() + bytes) : Value::any();
      return;
    }
    case Operation::Leave: {
      const Value rbp = reg(kRbp);
      if (!in_frame && rbp.kind() != Value::Kind::Stack)
        add_unknown("changes its stack at", at.address);
      forget();
      reg(kRbp) = Value::any();
      reg(kRsp) =
          rbp.kind() == Value::Kind::Stack ? Value::on_stack(rbp.offset() + 8) : Value::any();
      return;
    }
    case Operation::Compare: {
      state.compared.reset();
      const bool simple = operands.size() == 2 && to_register &&
                          operands[1].kind == Operand::Kind::Number && operands[0].bytes <= 8;
      if (!simple) return;
      const unsigned bits = operands[0].bytes * 8U;
      const std::uint64_t mask = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
      state.compared = Comparison{static_cast<std::size_t>(operands[0].reg), bits,
                                  static_cast<std::uint64_t>(operands[1].number) & mask};
      return;
    }
    case Operation::SignExtendAccumulator: {
      Value value = sign_extended(reg(kRax), 32, 64);
      forget();
      reg(kRax) = std::move(value);
      return;
    }
    default:
      break;
  }
  // the rest puts a value into its first operand
  Value value;
  if (to_register && operands.size() >= 2 && operands[0].bytes >= 4) {
    const Value old = reg(operands[0].reg);
    const unsigned bits = operands[0].bytes * 8U;
    switch (at.operation) {
      case Operation::Move:
        value = value_of(state, at, operands[1], false);
        break;
      case Operation::MoveZeroExtended:
        value = value_of(state, at, operands[1], false).truncated(operands[1].bytes * 8U);
        break;
      case Operation::MoveSignExtended:
        value =
            sign_extended(value_of(state, at, operands[1], false), operands[1].bytes * 8U, bits);
        break;
      case Operation::MoveIf:
        value = old.truncated(bits).joined(value_of(state, at, operands[1], false).truncated(bits));
        break;
      case Operation::LoadAddress: {
        const Operand& memory = operands[1];
        const bool based = memory.reg >= 0 && memory.reg < static_cast<int>(kRegisters);
        if (based && memory.index == Operand::kNone && reg(memory.reg).kind() == Value::Kind::Stack)
          value = Value::on_stack(reg(memory.reg).offset() + memory.number);
        else if (based && memory.index == Operand::kNone &&
                 reg(memory.reg).kind() == Value::Kind::Variable)
          value = reg(memory.reg).plus(static_cast<std::uint64_t>(memory.number));
        else if (!memory.segment)
          value = Value::one_of(addresses_of(state, at, memory));
        if (operands[0].reg != kRsp && operands[0].reg != kRbp) note_pointer(state, value);
        break;
      }
      case Operation::Add:
      case Operation::Subtract: {
        const bool minus = at.operation == Operation::Subtract;
        const bool same = minus && operands[1].kind == Operand::Kind::Register &&
                          operands[1].reg == operands[0].reg;
        const Value by = value_of(state, at, operands[1], false);
        if (same) {
          value = Value::of(0);
        } else if (old.kind() == Value::Kind::Stack && by.is_one() && bits == 64) {
          const auto distance = static_cast<std::int64_t>(by.number());
          value = Value::on_stack(old.offset() + (minus ? -distance : distance));
        } else if (old.kind() == Value::Kind::Variable && by.is_one() && bits == 64) {
          value = old.plus(minus ? -by.number() : by.number());
        } else if (old.kind() == Value::Kind::OneOf && by.kind() == Value::Kind::OneOf &&
                   (old.is_one() || by.is_one())) {
          std::vector<std::uint64_t> sums;
          for (const std::uint64_t a : old.numbers())
            for (const std::uint64_t b : by.numbers()) sums.push_back(minus ? a - b : a + b);
          value = Value::one_of(std::move(sums));
        }
        break;
      }
      case Operation::And: {
        const Value by = value_of(state, at, operands[1], false);
        if (by.is_one()) value = Value::below(by.number(), 64);
        break;
      }
      case Operation::Xor:
        if (operands[1].kind == Operand::Kind::Register && operands[1].reg == operands[0].reg)
          value = Value::of(0);
        break;
      default:
        break;
    }
    value = bits < 64 && at.operation != Operation::Other ? value.truncated(bits) : value;
  }
  // a stack pointer that comes from elsewhere is another stack, with other return addresses
  if ((at.written >> kRsp & 1) != 0 && value.kind() != Value::Kind::Stack) {
    const bool moves = at.operation == Operation::Add || at.operation == Operation::Subtract ||
                       at.operation == Operation::And;
    const bool from_rbp =
        operands.size() == 2 && operands[1].reg == kRbp &&
        ((at.operation == Operation::Move && operands[1].kind == Operand::Kind::Register) ||
         at.operation == Operation::LoadAddress);
    if (!moves && !(in_frame && from_rbp)) add_unknown("changes its stack at", at.address);
  }
  forget();
  const bool known = to_register && operands[0].bytes >= 4 && at.operation != Operation::Other;
  if (known) reg(operands[0].reg) = std::move(value);
}

// ------------------------------------------------------------------ values

std::vector<std::uint64_t> Walk::addresses_of(const State& state, const Instruction& at,
                                              const Operand& operand) {
  if (operand.segment) return {};
  const auto part = [&](int reg) -> std::vector<std::uint64_t> {
    if (reg == Operand::kNone) return {0};
    if (reg == Operand::kProgramCounter) return {at.next()};
    if (reg == Operand::kUnknown) return {};
    return state.registers[static_cast<std::size_t>(reg)].all(kMaxTable);
  };
  const auto bases = part(operand.reg);
  const auto indexes = part(operand.index);
  if (bases.size() > 1 && indexes.size() > 1) return {};
  std::vector<std::uint64_t> addresses;
  for (const std::uint64_t base : bases)
    for (const std::uint64_t index : indexes)
      addresses.push_back(base + index * static_cast<std::uint64_t>(operand.scale) +
                          static_cast<std::uint64_t>(operand.number));
  return addresses;
}

Value Walk::load(const State& state, const Instruction& at, const Operand& operand, bool) {
  const unsigned bits = operand.bytes * 8U;
  const Value nothing = bits < 64 ? Value::any().truncated(bits) : Value::any();
  const auto addresses = addresses_of(state, at, operand);
  std::vector<std::uint64_t> values, variables;
  const bool based = operand.reg >= 0 && operand.reg < static_cast<int>(kRegisters);
  const Value base = based ? state.registers[static_cast<std::size_t>(operand.reg)] : Value();
  if (base.kind() == Value::Kind::Stack && state.frame_begin != 0 && bits >= 32 && bits <= 64 &&
      operand.index == Operand::kNone) {
    const std::int64_t offset = base.offset() + operand.number;
    if (offset < 0)
      return Value::variable({state.frame_begin + static_cast<std::uint64_t>(offset)}, bits);
  }
  for (const std::uint64_t address : addresses) {
    if (operand.bytes == 8) {
      const auto targets = program_.targets_of_slot(address);
      values.insert(values.end(), targets.begin(), targets.end());
      if (!targets.empty()) continue;
      if (const auto stream = program_.stream_at(address)) {
        values.push_back(*stream);
        continue;
      }
    }
    if (const auto value = program_.read_constant(address, operand.bytes))
      values.push_back(*value);
    else
      variables.push_back(address);
  }
  if (values.empty() && bits >= 32 && bits <= 64)
    return Value::variable(std::move(variables), bits);
  return variables.empty() ? Value::one_of(std::move(values)) : nothing;
}

Value Walk::value_of(const State& state, const Instruction& at, const Operand& operand, bool sign) {
  switch (operand.kind) {
    case Operand::Kind::Number:
      return Value::of(static_cast<std::uint64_t>(operand.number));
    case Operand::Kind::Register:
      if (operand.high_byte) return Value::any();
      return operand.bytes >= 8 ? state.registers[static_cast<std::size_t>(operand.reg)]
                                : state.registers[static_cast<std::size_t>(operand.reg)].truncated(
                                      operand.bytes * 8U);
    case Operand::Kind::Memory:
      return load(state, at, operand, sign);
    default:
      return {};
  }
}

Walk::Targets Walk::targets_of(const State& state, const Instruction& at) {
  Targets targets;
  if (at.operands.size() != 1) return targets;
  const Operand& operand = at.operands[0];
  const Value value = operand.kind == Operand::Kind::Memory && operand.bytes != 8
                          ? Value::any()
                          : value_of(state, at, operand, false);
  if (value.kind() == Value::Kind::OneOf && value.numbers().size() <= kMaxTargets)
    targets.addresses = value.numbers();
  if (operand.kind == Operand::Kind::Memory && !targets.addresses.empty()) {
    const auto slots = addresses_of(state, at, operand);
    if (slots.size() == 1) targets.known = program_.known_by_slot(slots.front());
  }
  return targets;
}

// ------------------------------------------------------------------ effects

std::optional<Value> Walk::apply(const Known& known, const State& state, By by,
                                 std::uint64_t address) {
  const auto& order = by == By::Function ? kFunctionArguments : kCallArguments;
  const auto argument = [&](std::size_t i) -> const Value& {
    return state.registers[static_cast<std::size_t>(order[i])];
  };
  const auto number = [&](std::size_t i) -> std::optional<std::uint64_t> {
    const Value value = argument(i).truncated(32);
    return value.is_one() ? std::optional(value.number()) : std::nullopt;
  };
  std::uint32_t mask = known.mask;
  Value result;
  const auto unless_null = [&](std::size_t i) {
    const Value& set = argument(i);
    if (!set.is_one() || set.number() != 0) mask |= kSignals;
  };
  switch (known.rule) {
    case Known::Rule::Plain:
      break;
    case Known::Rule::Accept: {
      const Value listener = argument(0).truncated(32);
      result = Value::accepted(listener.all(16));
      break;
    }
    case Known::Rule::Fcntl:
      mask |= number(1) ? effects_of_fcntl(*number(1)) : kUnknown;
      if ((mask & kUnknown) != 0) add_unknown("changes a descriptor at", address);
      break;
    case Known::Rule::Ioctl:
      mask |= number(1) ? effects_of_ioctl(*number(1)) : kUnknown;
      if ((mask & kUnknown) != 0) add_unknown("controls a device at", address);
      break;
    case Known::Rule::SignalMask:
      // what was blocked and pending is handled at once
      if (number(0) != std::optional<std::uint64_t>(0)) unless_null(1);
      break;
    case Known::Rule::MaskInPpoll:
      unless_null(3);
      break;
    case Known::Rule::MaskInPselect:
      unless_null(5);
      break;
    case Known::Rule::MaskInEpoll:
      unless_null(4);
      break;
    case Known::Rule::Futex:
      mask |= number(1) ? effects_of_futex(*number(1)) : kReleases;
      break;
    case Known::Rule::Call: {
      if (!number(0)) {
        add_unknown("makes a system call that is not known at", address);
        break;
      }
      State shifted = state;
      for (std::size_t i = 0; i + 1 < order.size(); ++i)
        shifted.registers[static_cast<std::size_t>(kCallArguments[i])] = argument(i + 1);
      shifted.registers[9] = Value::any();
      const Known call = system_call(*number(0));
      if ((call.mask & kUnknown) != 0)
        add_unknown("makes a system call that is not known at", address);
      return apply(call, shifted, By::SystemCall, address);
    }
    case Known::Rule::Manipulator: {
      const std::vector<std::uint64_t> functions = argument(1).all(kMaxTargets);
      const bool known_ones = std::ranges::all_of(functions, [&](std::uint64_t function) {
        const Known* manipulator = program_.known_at(function);
        return manipulator != nullptr && manipulator->stream == Known::kOstream;
      });
      if (functions.empty() || !known_ones) add_unknown("calls a manipulator at", address);
      break;
    }
    case Known::Rule::Stream:
      if (program_.is_used("fopencookie")) add_unknown("uses a stream of its own at", address);
      break;
    case Known::Rule::Allocates:
      if (program_.is_used("__malloc_hook") || program_.is_used("__free_hook"))
        add_unknown("allocates through a hook at", address);
      break;
  }
  if (known.stream == Known::kOstream) result = argument(0);
  if (known.name == "errno_location") result = Value::of(kErrnoAddress);
  if (known.cancellable && !in_cancellation_point_ && by == By::Function &&
      program_.is_used("pthread_cancel"))
    add_unknown("may be cancelled at", address);
  if ((mask & kEndsThread) != 0 && (thread_.is_leader || thread_.is_alone)) mask |= kExits;
  if (stack_ == nullptr && !known.returns) mask &= ~std::uint32_t{kUnknown};  // see read_function()
  add(mask, known.words);
  if ((mask & kUnknown) != 0)
    add_unknown(
        std::string(known.words.empty() ? "runs code that is not read" : known.words) + " at",
        address);
  if ((mask & kRaises) != 0 && stack_ != nullptr)
    add_unknown("leaves the code that was read at", address);
  if ((mask & kOfDescriptors) != 0) {
    if (known.stream != Known::kNoStream) {
      const Value& stream = argument(static_cast<std::size_t>(std::max(known.stream, 0)));
      const auto fd = program_.descriptor_of(
          known, stream.is_one() ? std::optional(stream.number()) : std::nullopt);
      add_descriptor(fd ? Value::of(*fd) : Value());
    } else {
      add_descriptor(known.descriptor >= 0 ? argument(static_cast<std::size_t>(known.descriptor))
                                           : Value());
    }
  }
  if ((mask & kReleases) != 0) {
    for (int i = 0; i < known.objects; ++i) add_woken(argument(static_cast<std::size_t>(i)));
    if (known.objects == 0) other_woken_ = true;
  }
  return known.returns ? std::optional(result) : std::nullopt;
}

void Walk::add(std::uint32_t mask, std::string_view words) {
  mask_ |= mask;
  if ((mask & kExits) != 0 && stack_ != nullptr) {
    mask_ |= kCloses | kReleases;  // all descriptors, robust mutexes
    other_descriptors_ = other_woken_ = true;
  }
  if (!words.empty() && std::ranges::find(words_, words) == words_.end())
    words_.emplace_back(words);
}

/// The numbers of those variables, as they are now; nullopt: they are not known, or the code that
/// was read sets one of them. (Nobody is thought to do that by a pointer.)
std::optional<std::vector<std::uint64_t>> Walk::numbers_of(const Variables& variables) const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [address, bytes, more] : variables) {
    const bool is_set = std::ranges::any_of(written_, [&](const auto& place) {
      return place.first < address + bytes && address < place.first + place.second;
    });
    const auto number = is_set ? std::nullopt : program_.read_variable(address, bytes);
    if (!number) return std::nullopt;
    numbers.push_back(*number + more);
  }
  return numbers;
}

bool Walk::releases(std::uint64_t address) const {
  const auto held = numbers_of(woken_variables_);
  return woken_.contains(address) || (held && std::ranges::find(*held, address) != held->end());
}

void Walk::add_descriptor(const Value& value) {
  const Value fd = value.truncated(32);
  switch (fd.kind()) {
    case Value::Kind::OneOf:
    case Value::Kind::Accepted:
      for (const std::uint64_t number : fd.numbers())
        descriptors_.insert(static_cast<int>(static_cast<std::uint32_t>(number)));
      other_descriptors_ = other_descriptors_ || fd.numbers().empty();
      break;
    case Value::Kind::Variable:
      for (const std::uint64_t address : fd.numbers()) descriptor_variables_.insert({address, 4});
      break;
    default:
      other_descriptors_ = true;
  }
}

void Walk::add_woken(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::OneOf:
      woken_.insert(value.numbers().begin(), value.numbers().end());
      break;
    case Value::Kind::Variable:
      for (const std::uint64_t address : value.numbers())
        woken_variables_.insert({address, 8, value.more()});
      break;
    default:
      other_woken_ = true;
  }
}

void Walk::add_unknown(const std::string& what, std::uint64_t address) {
  mask_ |= kUnknown;
  if (unknown_.empty()) unknown_ = what + " " + program_.name_of(address);
}

std::optional<std::vector<std::pair<std::uint64_t, std::uint64_t>>> Walk::written() const {
  if (other_written_ || (mask_ & kUnknown) != 0) return std::nullopt;
  return std::vector(written_.begin(), written_.end());
}

Effects Walk::finish() {
  Effects effects;
  effects.mask = mask_;
  effects.unknown = unknown_;
  const bool known = (mask_ & kUnknown) == 0;
  if (const auto fds = numbers_of(descriptor_variables_); known && fds && !other_descriptors_) {
    for (const std::uint64_t fd : *fds) descriptors_.insert(static_cast<int>(fd));
    // those below 0 the kernel refuses
    effects.fds.assign(descriptors_.lower_bound(0), descriptors_.end());
  }
  if (const auto woken = numbers_of(woken_variables_); known && woken && !other_woken_) {
    woken_.insert(woken->begin(), woken->end());
    // what lies in memory of several processes wakes others too
    if (std::ranges::none_of(woken_, [&](std::uint64_t a) { return program_.is_shared(a); }))
      effects.releases.assign(woken_.begin(), woken_.end());
  }
  std::vector<std::string> words = words_;
  if (changes_memory_ && words.size() < 2) words.emplace_back("changes memory");
  constexpr std::size_t kMostWords = 5;
  if (words.size() > kMostWords) words.resize(kMostWords);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) effects.summary += i + 1 == words.size() ? " and " : ", ";
    effects.summary += words[i];
  }
  return effects;
}

}  // namespace ipcdoctor::runtime::native
