#include "runtime/native/disassembler.h"

#include <gtest/gtest.h>

#include <vector>

namespace ipcdoctor::runtime::native {
namespace {

Result<Instruction> decode(std::vector<std::uint8_t> code) {
  Disassembler disassembler;
  return disassembler.decode(code, 0x1000);
}

TEST(Disassembler, TellsWhereDirectCallsLead) {
  const auto call = decode({0xe8, 0x10, 0, 0, 0});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->operation, Operation::Call);
  ASSERT_EQ(call->operands.size(), 1U);
  EXPECT_EQ(call->operands[0].number, 0x1015);
}

TEST(Disassembler, TellsThePointerOfAProcedureLinkageTable) {
  const auto jump = decode({0xf2, 0xff, 0x25, 0x10, 0, 0, 0});  // bnd jmp *0x10(%rip)
  ASSERT_TRUE(jump);
  EXPECT_EQ(jump->operation, Operation::Jump);
  EXPECT_EQ(jump->operands[0].reg, Operand::kProgramCounter);
  EXPECT_EQ(jump->operands[0].number, 0x10);
  EXPECT_EQ(jump->next(), 0x1007U);
}

TEST(Disassembler, KnowsEveryRegisterThatAnInstructionChanges) {
  const auto written = [](std::vector<std::uint8_t> code) {
    const auto instruction = decode(std::move(code));
    return instruction ? instruction->written : ~0U;
  };
  EXPECT_EQ(written({0x48, 0xf7, 0xe1}) & (1U << kRax | 1U << kRdx), 1U << kRax | 1U << kRdx);
  EXPECT_NE(written({0x48, 0x87, 0xd8}) & (1U << kRbx), 0U);              // xchg %rbx, %rax
  EXPECT_NE(written({0x48, 0x0f, 0xc1, 0x1f}) & (1U << kRbx), 0U);        // xadd %rbx, (%rdi)
  EXPECT_NE(written({0xf0, 0x48, 0x0f, 0xb1, 0x1f}) & (1U << kRax), 0U);  // lock cmpxchg
  EXPECT_NE(written({0x0f, 0xa2}) & (1U << kRbx), 0U);                    // cpuid
  EXPECT_NE(written({0xf3, 0xa4}) & (1U << kRdi), 0U);                    // rep movsb
  EXPECT_NE(written({0x0f, 0x31}) & (1U << kRdx), 0U);                    // rdtsc
  EXPECT_EQ(written({0x48, 0x39, 0xd8}), 0U);                             // cmp %rbx, %rax
}

TEST(Disassembler, OtherWaysOutOfCodeAreStrange) {
  EXPECT_EQ(decode({0xcd, 0x80})->operation, Operation::Strange);  // int $0x80
  EXPECT_EQ(decode({0x0f, 0x34})->operation, Operation::Strange);  // sysenter
  EXPECT_EQ(decode({0xff, 0x18})->operation, Operation::Strange);  // lcall *(%rax)
  EXPECT_EQ(decode({0xcb})->operation, Operation::Strange);        // lret
  EXPECT_EQ(decode({0x0f, 0x0b})->operation, Operation::Trap);     // ud2
  EXPECT_FALSE(decode({0x06}));                                    // none in 64 bits
  EXPECT_FALSE(decode({}));
}

TEST(Disassembler, KnowsTheHintsOfControlFlowProtection) {
  EXPECT_EQ(decode({0xf3, 0x0f, 0x1e, 0xfa})->operation, Operation::Nothing);  // endbr64
  const auto jump = decode({0x3e, 0xff, 0xe0});                                // notrack jmp *%rax
  ASSERT_TRUE(jump);
  EXPECT_EQ(jump->operation, Operation::Jump);
  EXPECT_EQ(jump->operands[0].reg, kRax);
}

}  // namespace
}  // namespace ipcdoctor::runtime::native
