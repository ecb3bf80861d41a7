#include "runtime/cpython/bytecode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipcdoctor::runtime::cpython {
namespace {

using testing::ElementsAre;

std::vector<Op> ops(const Bytecode& code) {
  std::vector<Op> out;
  for (const Instruction& i : code.list) out.push_back(i.op);
  return out;
}

// def beat():
//   while True: time.sleep(1)
// co_code_adaptive of 3.11.2 before it ran: RESUME, LOAD_GLOBAL NULL + time, LOAD_ATTR sleep,
// LOAD_CONST 1, PRECALL 1, CALL 1, POP_TOP, JUMP_BACKWARD 21
const std::vector<std::uint8_t> kBeat3_11 = {
    151, 0, 116, 1, 0,   0, 0, 0, 0,   0, 0, 0, 0, 0, 106, 1, 0, 0, 0, 0, 0,   0,
    0,   0, 100, 2, 166, 1, 0, 0, 171, 1, 0, 0, 0, 0, 0,   0, 0, 0, 1, 0, 140, 21};

TEST(Bytecode, LeavesOutInlineCaches) {
  const Bytecode code = decode(11, kBeat3_11, {});

  EXPECT_THAT(ops(code), ElementsAre(Op::Resume, Op::LoadGlobal, Op::LoadAttr, Op::LoadConst,
                                     Op::Precall, Op::Call, Op::PopTop, Op::JumpForward));
  EXPECT_EQ(code.list.back().target, 1U);
  EXPECT_EQ(code.starting(3), nullptr);
  ASSERT_NE(code.covering(3), nullptr);
  EXPECT_EQ(code.covering(3)->op, Op::LoadGlobal);
  EXPECT_EQ(code.covering(1000), nullptr);
}

TEST(Bytecode, TakesASpecialisedInstructionForWhatItWasMadeOf) {
  std::vector<std::uint8_t> hot = kBeat3_11;
  hot[2] = 55;  // LOAD_GLOBAL_MODULE of 3.11

  EXPECT_EQ(ops(decode(11, hot, {})), ops(decode(11, kBeat3_11, {})));
}

TEST(Bytecode, DoesNotSkipWhatItDoesNotKnow) {
  const std::vector<std::uint8_t> code = {151, 0, 255, 0, 83, 0};  // DO_TRACING of 3.11

  EXPECT_THAT(ops(decode(11, code, {})), ElementsAre(Op::Resume, Op::Other, Op::ReturnValue));
}

TEST(Bytecode, FoldsExtendedArguments) {
  const std::vector<std::uint8_t> code = {144, 1, 100, 2};

  const Bytecode decoded = decode(11, code, {});

  ASSERT_EQ(decoded.list.size(), 1U);
  EXPECT_EQ(decoded.list[0].op, Op::LoadConst);
  EXPECT_EQ(decoded.list[0].arg, 258U);
  EXPECT_EQ(decoded.list[0].next, 2U);
}

TEST(Bytecode, KnowsASubscriptAmongTheOperatorsOf3_14) {
  // BINARY_OP 26 and 0, each with five caches
  std::vector<std::uint8_t> code(24, 0);
  code[0] = code[12] = 44;
  code[1] = 26;

  EXPECT_THAT(ops(decode(14, code, {})), ElementsAre(Op::BinarySubscr, Op::BinaryOp));
}

TEST(Bytecode, DoesNotReadWhatWasCompiledFurther) {
  const std::vector<std::uint8_t> code = {255, 0, 35, 0};  // ENTER_EXECUTOR, RETURN_VALUE

  EXPECT_THAT(ops(decode(14, code, {})), ElementsAre(Op::Other, Op::ReturnValue));
  EXPECT_EQ(decode(15, code, {}).list.front().op, Op::Other);
}

TEST(Bytecode, FindsTheHandlerOfAnInstruction) {
  // start 2, length 4, target 9, depth 1 and the place is pushed
  const std::vector<std::uint8_t> table = {128 | 2, 4, 9, 3};

  const Bytecode decoded = decode(11, kBeat3_11, table);

  EXPECT_EQ(decoded.handler(1), nullptr);
  ASSERT_NE(decoded.handler(5), nullptr);
  EXPECT_EQ(decoded.handler(5)->target, 9U);
  EXPECT_EQ(decoded.handler(5)->depth, 1U);
  EXPECT_TRUE(decoded.handler(5)->pushes_place);
  EXPECT_EQ(decoded.handler(6), nullptr);
}

TEST(Bytecode, ComesBackInALoopOnly) {
  EXPECT_TRUE(comes_back(decode(11, kBeat3_11, {}), 13));
  EXPECT_FALSE(comes_back(decode(11, kBeat3_11, {}), 0)) << "it begins once";
  // RESUME, LOAD_FAST 0, GET_ITER, FOR_ITER 3 to RETURN_VALUE, POP_TOP, NOP, JUMP_BACKWARD 4
  const std::vector<std::uint8_t> once_an_item = {151, 0, 124, 0, 68,  0, 93, 3,
                                                  1,   0, 9,   0, 140, 4, 83, 0};
  const Bytecode items = decode(11, once_an_item, {});
  ASSERT_EQ(items.starting(3)->op, Op::ForIter);
  EXPECT_FALSE(comes_back(items, 4));
}

TEST(Bytecode, EndsWithTornBytes) {
  for (std::size_t n = 0; n < kBeat3_11.size(); ++n) {
    const std::vector<std::uint8_t> torn(kBeat3_11.begin(),
                                         kBeat3_11.begin() + static_cast<std::ptrdiff_t>(n));
    for (const int minor : {10, 11, 12, 13, 14, 15, 16}) {
      const Bytecode code = decode(minor, torn, torn);
      EXPECT_EQ(code.list.empty(), n < 2 || !is_readable_bytecode(minor));
    }
  }
}

}  // namespace
}  // namespace ipcdoctor::runtime::cpython
