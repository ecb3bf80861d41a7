#include "runtime/native/disassembler.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <array>

namespace ipcdoctor::runtime::native {
namespace {

/// The number of the general register that contains `reg`; -1 for others.
int number_of(unsigned reg) {
  switch (reg) {
#define IPCDOCTOR_REGISTER(number, r64, r32, r16, r8) \
  case X86_REG_##r64:                                 \
  case X86_REG_##r32:                                 \
  case X86_REG_##r16:                                 \
  case X86_REG_##r8:                                  \
    return number;
    IPCDOCTOR_REGISTER(0, RAX, EAX, AX, AL)
    IPCDOCTOR_REGISTER(1, RCX, ECX, CX, CL)
    IPCDOCTOR_REGISTER(2, RDX, EDX, DX, DL)
    IPCDOCTOR_REGISTER(3, RBX, EBX, BX, BL)
    IPCDOCTOR_REGISTER(4, RSP, ESP, SP, SPL)
    IPCDOCTOR_REGISTER(5, RBP, EBP, BP, BPL)
    IPCDOCTOR_REGISTER(6, RSI, ESI, SI, SIL)
    IPCDOCTOR_REGISTER(7, RDI, EDI, DI, DIL)
    IPCDOCTOR_REGISTER(8, R8, R8D, R8W, R8B)
    IPCDOCTOR_REGISTER(9, R9, R9D, R9W, R9B)
    IPCDOCTOR_REGISTER(10, R10, R10D, R10W, R10B)
    IPCDOCTOR_REGISTER(11, R11, R11D, R11W, R11B)
    IPCDOCTOR_REGISTER(12, R12, R12D, R12W, R12B)
    IPCDOCTOR_REGISTER(13, R13, R13D, R13W, R13B)
    IPCDOCTOR_REGISTER(14, R14, R14D, R14W, R14B)
    IPCDOCTOR_REGISTER(15, R15, R15D, R15W, R15B)
#undef IPCDOCTOR_REGISTER
    case X86_REG_AH:
      return 0;
    case X86_REG_CH:
      return 1;
    case X86_REG_DH:
      return 2;
    case X86_REG_BH:
      return 3;
    default:
      return -1;
  }
}

int part_of_address(unsigned reg) {
  if (reg == X86_REG_INVALID) return Operand::kNone;
  if (reg == X86_REG_RIP) return Operand::kProgramCounter;
  if (reg == X86_REG_RIZ) return Operand::kNone;
  const int number = number_of(reg);
  // an address of 32 bits wraps: nobody needs it
  const bool whole = reg == X86_REG_RAX || reg == X86_REG_RCX || reg == X86_REG_RDX ||
                     reg == X86_REG_RBX || reg == X86_REG_RSP || reg == X86_REG_RBP ||
                     reg == X86_REG_RSI || reg == X86_REG_RDI ||
                     (reg >= X86_REG_R8 && reg <= X86_REG_R15);
  return whole && number >= 0 ? number : Operand::kUnknown;
}

Operation operation_of(const cs_insn& insn, csh handle) {
  switch (insn.id) {
    case X86_INS_NOP:
    case X86_INS_ENDBR64:
    case X86_INS_PAUSE:
    case X86_INS_LFENCE:
    case X86_INS_MFENCE:
    case X86_INS_SFENCE:
    case X86_INS_PREFETCHT0:
    case X86_INS_PREFETCHT1:
    case X86_INS_PREFETCHT2:
    case X86_INS_PREFETCHNTA:
    case X86_INS_PREFETCHW:
      return Operation::Nothing;
    case X86_INS_MOV:
    case X86_INS_MOVABS:
      return Operation::Move;
    case X86_INS_MOVZX:
      return Operation::MoveZeroExtended;
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
      return Operation::MoveSignExtended;
    case X86_INS_LEA:
      return Operation::LoadAddress;
    case X86_INS_ADD:
      return Operation::Add;
    case X86_INS_SUB:
      return Operation::Subtract;
    case X86_INS_AND:
      return Operation::And;
    case X86_INS_XOR:
      return Operation::Xor;
    case X86_INS_CDQE:
      return Operation::SignExtendAccumulator;
    case X86_INS_CMP:
      return Operation::Compare;
    case X86_INS_PUSH:
    case X86_INS_PUSHFQ:
      return Operation::Push;
    case X86_INS_POP:
    case X86_INS_POPFQ:
      return Operation::Pop;
    case X86_INS_LEAVE:
      return Operation::Leave;
    case X86_INS_CALL:
      return Operation::Call;
    case X86_INS_JMP:
      return Operation::Jump;
    case X86_INS_RET:
      return Operation::Return;
    case X86_INS_SYSCALL:
      return Operation::SystemCall;
    case X86_INS_UD2:
    case X86_INS_INT3:
    case X86_INS_HLT:
      return Operation::Trap;
    case X86_INS_CMOVA:
    case X86_INS_CMOVAE:
    case X86_INS_CMOVB:
    case X86_INS_CMOVBE:
    case X86_INS_CMOVE:
    case X86_INS_CMOVG:
    case X86_INS_CMOVGE:
    case X86_INS_CMOVL:
    case X86_INS_CMOVLE:
    case X86_INS_CMOVNE:
    case X86_INS_CMOVNO:
    case X86_INS_CMOVNP:
    case X86_INS_CMOVNS:
    case X86_INS_CMOVO:
    case X86_INS_CMOVP:
    case X86_INS_CMOVS:
      return Operation::MoveIf;
    case X86_INS_JA:
    case X86_INS_JAE:
    case X86_INS_JB:
    case X86_INS_JBE:
    case X86_INS_JE:
    case X86_INS_JG:
    case X86_INS_JGE:
    case X86_INS_JL:
    case X86_INS_JLE:
    case X86_INS_JNE:
    case X86_INS_JNO:
    case X86_INS_JNP:
    case X86_INS_JNS:
    case X86_INS_JO:
    case X86_INS_JP:
    case X86_INS_JS:
    case X86_INS_JRCXZ:
    case X86_INS_JECXZ:
    case X86_INS_LOOP:
    case X86_INS_LOOPE:
    case X86_INS_LOOPNE:
      return Operation::Branch;
    case X86_INS_XBEGIN:
    case X86_INS_SYSENTER:
    case X86_INS_INT:
    case X86_INS_INT1:
    case X86_INS_ENTER:
    case X86_INS_XABORT:
      return Operation::Strange;
    default:
      break;
  }
  for (const unsigned group : {CS_GRP_JUMP, CS_GRP_CALL, CS_GRP_RET, CS_GRP_INT, CS_GRP_IRET,
                               CS_GRP_PRIVILEGE, CS_GRP_BRANCH_RELATIVE})
    if (cs_insn_group(handle, &insn, group)) return Operation::Strange;
  return Operation::Other;
}

Condition condition_of(unsigned id) {
  switch (id) {
    case X86_INS_JA:
      return Condition::Above;
    case X86_INS_JAE:
      return Condition::AboveOrEqual;
    case X86_INS_JB:
      return Condition::Below;
    case X86_INS_JBE:
      return Condition::BelowOrEqual;
    default:
      return Condition::Other;
  }
}

Operand operand_of(const cs_x86_op& op) {
  Operand operand;
  operand.bytes = op.size;
  operand.written = (op.access & CS_AC_WRITE) != 0;
  switch (op.type) {
    case X86_OP_REG:
      operand.reg = number_of(op.reg);
      operand.kind = operand.reg >= 0 ? Operand::Kind::Register : Operand::Kind::Other;
      operand.high_byte = op.reg == X86_REG_AH || op.reg == X86_REG_BH || op.reg == X86_REG_CH ||
                          op.reg == X86_REG_DH;
      break;
    case X86_OP_IMM:
      operand.kind = Operand::Kind::Number;
      operand.number = op.imm;
      break;
    case X86_OP_MEM:
      operand.kind = Operand::Kind::Memory;
      operand.segment = op.mem.segment == X86_REG_FS || op.mem.segment == X86_REG_GS;
      operand.reg = part_of_address(op.mem.base);
      operand.index = part_of_address(op.mem.index);
      operand.scale = op.mem.scale;
      operand.number = op.mem.disp;
      break;
    default:
      break;
  }
  return operand;
}

bool keeps_flags(Operation operation) {
  switch (operation) {
    case Operation::Nothing:
    case Operation::Move:
    case Operation::MoveZeroExtended:
    case Operation::MoveSignExtended:
    case Operation::MoveIf:
    case Operation::LoadAddress:
    case Operation::SignExtendAccumulator:
    case Operation::Push:
    case Operation::Pop:
    case Operation::Branch:
      return true;
    default:
      return false;
  }
}

/// Whether nothing but what its operands name is written, of general registers. What is not listed
/// may have any of those that instructions imply: capstone's lists are not complete (cmpxchg).
bool names_all_it_writes(csh handle, const cs_insn& insn) {
  static constexpr std::array kPlain = {
      X86_INS_TEST, X86_INS_OR,    X86_INS_NOT,   X86_INS_NEG,   X86_INS_INC,    X86_INS_DEC,
      X86_INS_SHL,  X86_INS_SAL,   X86_INS_SHR,   X86_INS_SAR,   X86_INS_ROL,    X86_INS_ROR,
      X86_INS_RCL,  X86_INS_RCR,   X86_INS_BT,    X86_INS_BTS,   X86_INS_BTR,    X86_INS_BTC,
      X86_INS_BSF,  X86_INS_BSR,   X86_INS_TZCNT, X86_INS_LZCNT, X86_INS_POPCNT, X86_INS_ADC,
      X86_INS_SBB,  X86_INS_BSWAP, X86_INS_XCHG,  X86_INS_XADD,  X86_INS_SETA,   X86_INS_SETAE,
      X86_INS_SETB, X86_INS_SETBE, X86_INS_SETE,  X86_INS_SETNE, X86_INS_SETG,   X86_INS_SETGE,
      X86_INS_SETL, X86_INS_SETLE, X86_INS_SETS,  X86_INS_SETNS, X86_INS_SETO,   X86_INS_SETNO,
      X86_INS_SETP, X86_INS_SETNP, X86_INS_MOVQ,  X86_INS_MOVD,  X86_INS_SHLD,   X86_INS_SHRD};
  if (std::ranges::find(kPlain, static_cast<x86_insn>(insn.id)) != kPlain.end()) return true;
  switch (insn.id) {
    case X86_INS_PCMPESTRI:
    case X86_INS_PCMPISTRI:
    case X86_INS_VPCMPESTRI:
    case X86_INS_VPCMPISTRI:
      return false;
    case X86_INS_IMUL:
      return insn.detail->x86.op_count > 1;
    default:
      break;
  }
  constexpr std::array kVector = {X86_GRP_SSE1,  X86_GRP_SSE2, X86_GRP_SSE3, X86_GRP_SSSE3,
                                  X86_GRP_SSE41, X86_GRP_AVX,  X86_GRP_AVX2, X86_GRP_FMA};
  return std::ranges::any_of(kVector,
                             [&](unsigned group) { return cs_insn_group(handle, &insn, group); });
}

/// All that any list of capstone's says is written, and every register that an instruction names
/// of which not more is known here.
std::uint32_t written_by(csh handle, const cs_insn& insn, Operation operation) {
  std::uint32_t written = 0;
  const auto add = [&](unsigned reg) {
    if (const int number = number_of(reg); number >= 0) written |= 1U << number;
  };
  cs_regs read_list{}, written_list{};
  std::uint8_t reads = 0, writes = 0;
  if (cs_regs_access(handle, &insn, read_list, &reads, written_list, &writes) == CS_ERR_OK)
    for (std::uint8_t i = 0; i < writes; ++i) add(written_list[i]);
  for (std::uint8_t i = 0; i < insn.detail->regs_write_count; ++i) add(insn.detail->regs_write[i]);
  if (operation == Operation::Other && !names_all_it_writes(handle, insn))
    written |= 1U << kRax | 1U << kRcx | 1U << kRdx | 1U << kRbx | 1U << kRsi | 1U << kRdi;
  const bool only_reads = operation == Operation::Compare || insn.id == X86_INS_TEST;
  const cs_x86& x86 = insn.detail->x86;
  for (std::uint8_t i = 0; i < x86.op_count; ++i)
    if (x86.operands[i].type == X86_OP_REG && !only_reads &&
        (operation == Operation::Other || (x86.operands[i].access & CS_AC_WRITE) != 0 || i == 0))
      add(x86.operands[i].reg);
  return written;
}

}  // namespace

Disassembler::Disassembler() {
  csh handle = 0;
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) return;
  (void)cs_option(handle, CS_OPT_DETAIL, CS_OPT_ON);  // cannot fail on an open handle
  instruction_ = cs_malloc(handle);
  handle_ = handle;
}

Disassembler::~Disassembler() {
  if (instruction_ != nullptr) cs_free(instruction_, 1);
  csh handle = handle_;
  if (handle != 0) (void)cs_close(&handle);
}

Result<Instruction> Disassembler::decode(std::span<const std::uint8_t> code,
                                         std::uint64_t address) {
  const std::uint8_t* bytes = code.data();
  std::size_t size = code.size();
  std::uint64_t next = address;
  if (instruction_ == nullptr || !cs_disasm_iter(handle_, &bytes, &size, &next, instruction_))
    return Error{Cause::Malformed, 0, "decode an instruction"};
  const cs_insn& insn = *instruction_;
  Instruction out;
  out.address = address;
  out.size = static_cast<std::uint8_t>(insn.size);
  out.id = insn.id;
  out.operation = operation_of(insn, handle_);
  out.condition = condition_of(insn.id);
  out.keeps_flags = keeps_flags(out.operation);
  const cs_x86& x86 = insn.detail->x86;
  for (std::uint8_t i = 0; i < x86.op_count; ++i)
    out.operands.push_back(operand_of(x86.operands[i]));
  out.written = written_by(handle_, insn, out.operation);
  // an operand of the other form, as a move of a segment register, is none of those known here
  const bool plain = std::ranges::none_of(
      out.operands, [](const Operand& o) { return o.kind == Operand::Kind::Other; });
  const bool is_data = out.operation >= Operation::Move && out.operation <= Operation::Pop;
  if (is_data && !plain) out.operation = Operation::Other;
  return out;
}

}  // namespace ipcdoctor::runtime::native
