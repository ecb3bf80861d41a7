#include "runtime/native/loops.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "runtime/native/disassembler.h"
#include "runtime/native/known.h"
#include "runtime/native/program.h"

namespace ipcdoctor::runtime::native {
namespace {

constexpr std::size_t kMaxFrames = 12;
constexpr std::size_t kMaxInstructions = 4000;  // of one function
constexpr int kMaxStub = 4;                     // instructions of an entry of .plt

/// Registers by their bits.
constexpr std::uint32_t bit(int reg) {
  return std::uint32_t{1} << static_cast<unsigned>(reg);
}
// rax and rbx are those of a string's pointer in Go.
constexpr std::uint32_t kArguments = bit(kRdi) | bit(kRsi) | bit(kRdx) | bit(kRax);
/// What calls keep: not written in the loop, they are the same each time.
constexpr std::uint32_t kKept = bit(kRbx) | bit(kRbp) | bit(12) | bit(13) | bit(14) | bit(15);
constexpr std::uint32_t kLostInCalls = bit(kRax) | bit(kRcx) | bit(kRdx) | bit(kRsi) | bit(kRdi) |
                                       bit(kR8) | bit(9) | bit(10) | bit(11);

bool is_of_libc(const snapshot::Frame& frame) {
  return frame.module.starts_with("libc.so") || frame.module.starts_with("libc-2") ||
         frame.module.starts_with("libpthread") || frame.module.starts_with("ld-");
}

class Loop {
 public:
  Loop(Program& program, std::uint64_t return_address)
      : program_(program), return_address_(return_address) {}

  /// @return the registers that hold a constant address whenever the call is reached again; none
  /// if it is not.
  std::uint32_t constants_at_call() {
    todo_.push_back({return_address_, kKept});
    for (std::size_t i = 0; i < kMaxInstructions && !todo_.empty(); ++i) {
      const Place at = todo_.back();
      todo_.pop_back();
      if (seen_.insert(at.address).second) step(at);
    }
    return found_;
  }

 private:
  struct Place {
    std::uint64_t address = 0;
    std::uint32_t constants = 0;
  };

  void step(const Place& at) {
    const auto instruction = decode(at.address);
    if (!instruction) return;
    const std::uint64_t to = target_of(*instruction);
    switch (instruction->operation) {
      case Operation::Return:
      case Operation::Trap:
      case Operation::Strange:
        return;
      case Operation::Jump:
        if (to != 0) todo_.push_back({to, at.constants});
        return;
      case Operation::Branch:
        if (to != 0) todo_.push_back({to, at.constants});
        todo_.push_back({instruction->next(), at.constants});
        return;
      case Operation::Call:
        if (instruction->next() == return_address_) {
          found_ = at.constants & kArguments;
          return;
        }
        if (returns(*instruction, to))
          todo_.push_back({instruction->next(), at.constants & ~kLostInCalls});
        return;
      default:
        break;
    }
    std::uint32_t constants = at.constants & ~instruction->written;
    const auto& operands = instruction->operands;
    if (operands.size() == 2 && operands[0].kind == Operand::Kind::Register &&
        operands[0].reg >= 0 && operands[0].reg < 16 &&
        (is_constant(*instruction) || copies_constant(*instruction, at.constants)))
      constants |= bit(operands[0].reg);
    todo_.push_back({instruction->next(), constants});
  }

  Result<Instruction> decode(std::uint64_t address) {
    const auto code = program_.code_at(address);
    if (code.empty()) return Error{};
    return disassembler_.decode(code, address);
  }

  static std::uint64_t target_of(const Instruction& instruction) {
    for (const Operand& operand : instruction.operands)
      if (operand.kind == Operand::Kind::Number) return static_cast<std::uint64_t>(operand.number);
    return 0;
  }

  /// The pointer through which it calls or jumps; 0: it is none at a known address.
  static std::uint64_t slot_of(const Instruction& instruction) {
    for (const Operand& operand : instruction.operands)
      if (operand.kind == Operand::Kind::Memory && operand.reg == Operand::kProgramCounter &&
          operand.index == Operand::kNone)
        return instruction.next() + static_cast<std::uint64_t>(operand.number);
    return 0;
  }

  /// False for calls of exit(3) and the like, of the function itself, by the linkage table or by
  /// its pointer.
  bool returns(const Instruction& call, std::uint64_t to) {
    if (const Known* known = to != 0 ? program_.known_at(to) : nullptr) return known->returns;
    std::uint64_t slot = slot_of(call);
    for (int i = 0; i < kMaxStub && to != 0 && slot == 0; ++i) {
      const auto instruction = decode(to);
      if (!instruction || instruction->operation == Operation::Return) break;
      if (instruction->operation == Operation::Jump) slot = slot_of(*instruction);
      to = instruction->next();
    }
    const Known* known = slot == 0 ? nullptr : find_function(program_.name_of_slot(slot));
    return known == nullptr || known->returns;
  }

  static bool is_constant(const Instruction& instruction) {
    constexpr std::int64_t kFirstPage = 4096;
    const Operand& from = instruction.operands[1];
    if (instruction.operation == Operation::LoadAddress)
      return from.reg == Operand::kProgramCounter && from.index == Operand::kNone;
    if (instruction.operation != Operation::Move) return false;
    const bool number = from.kind == Operand::Kind::Number && from.number >= kFirstPage;
    const bool variable = from.kind == Operand::Kind::Memory && from.bytes == 8 &&
                          from.reg == Operand::kProgramCounter && from.index == Operand::kNone;
    return number || variable;
  }

  static bool copies_constant(const Instruction& instruction, std::uint32_t constants) {
    const Operand& from = instruction.operands[1];
    return instruction.operation == Operation::Move && from.kind == Operand::Kind::Register &&
           from.bytes == 8 && from.reg >= 0 && from.reg < 16 && (constants & bit(from.reg)) != 0;
  }

  Program& program_;
  std::uint64_t return_address_;
  Disassembler disassembler_;
  std::vector<Place> todo_;
  std::set<std::uint64_t> seen_;
  std::uint32_t found_ = 0;
};

}  // namespace

bool opens_in_loop(const linux::AddressSpace& space, unwind::Images& images,
                   std::span<const snapshot::Frame> frames) {
  Program::Linkages linkages;
  Program program(space, images.cache(), linkages);
  for (std::size_t i = 1; i < std::min(frames.size(), kMaxFrames); ++i) {
    const snapshot::Frame& frame = frames[i];
    if (frame.guessed) return false;
    if (is_of_libc(frame)) continue;
    std::uint32_t constants = Loop(program, frame.pc.value).constants_at_call();
    // open(path, flags), openat(dir, path, flags), fopen(path, "r")
    if (is_of_libc(frames[i - 1]) && (constants & bit(kRdi)) == 0) constants = 0;
    if (constants != 0) return true;
  }
  return false;
}

}  // namespace ipcdoctor::runtime::native
