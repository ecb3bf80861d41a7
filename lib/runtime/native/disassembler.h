#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

struct cs_insn;

namespace ipcdoctor::runtime::native {

/// What of an instruction matters here.
enum class Operation : std::uint8_t {
  Other,
  Nothing,  ///< nop, fences, endbr64
  Move,
  MoveZeroExtended,
  MoveSignExtended,
  MoveIf,  ///< cmovcc
  LoadAddress,
  Add,
  Subtract,
  And,
  Xor,
  SignExtendAccumulator,  ///< cdqe
  Compare,
  Push,
  Pop,
  Leave,
  Call,
  Jump,
  Branch,  ///< jcc, loop, jrcxz: goes on behind it or at its target
  Return,
  SystemCall,
  Trap,     ///< ud2, int3, hlt: ends the process
  Strange,  ///< other ways to leave: int, sysenter, xbegin, far calls
};

/// When a branch is taken, of comparisons without a sign.
enum class Condition : std::uint8_t { Other, Above, AboveOrEqual, Below, BelowOrEqual };

struct Operand {
  enum class Kind : std::uint8_t { Other, Register, Number, Memory };
  static constexpr int kNone = -1, kProgramCounter = 16, kUnknown = 17;
  Kind kind = Kind::Other;
  std::uint8_t bytes = 8;
  bool high_byte = false;  ///< ah and its like
  bool written = false;
  bool segment = false;  ///< relative to fs or gs
  int reg = kNone;       ///< register, or base of memory
  int index = kNone;
  int scale = 1;
  std::int64_t number = 0;  ///< or displacement
};

struct Instruction {
  std::uint64_t address = 0;
  std::uint8_t size = 0;
  unsigned id = 0;  ///< capstone's: x86_insn
  Operation operation = Operation::Other;
  Condition condition = Condition::Other;
  bool keeps_flags = false;
  std::vector<Operand> operands;
  std::uint32_t written = 0;  ///< general registers that it may write, bit n = register n
  std::uint64_t next() const { return address + size; }
};

/// Registers by their number in instructions.
enum Register : int { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8 };
/// The first arguments of a function, in their order.
inline constexpr std::array<int, 6> kFunctionArguments = {kRdi, kRsi, kRdx, kRcx, kR8, 9};

/// x86-64 by capstone.
class Disassembler {
 public:
  Disassembler();
  ~Disassembler();
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;

  /// The instruction that begins there. @return Malformed if it is none that is known.
  Result<Instruction> decode(std::span<const std::uint8_t> code, std::uint64_t address);

 private:
  std::size_t handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

}  // namespace ipcdoctor::runtime::native
