#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ipcdoctor::runtime::cpython {

/// What an instruction does, in the words of CPython's `dis`; the same for 3.11 to 3.15 where it
/// is the same.
enum class Op : std::uint8_t {
  Other,  ///< none of these: what it does is not known
  Nop,
  PopTop,
  PushNull,
  UnaryPositive,
  UnaryNegative,
  UnaryNot,
  UnaryInvert,
  BinarySubscr,
  GetLen,
  PushExcInfo,
  CheckExcMatch,
  WithExceptStart,
  BeforeWith,
  StoreSubscr,
  DeleteSubscr,
  GetIter,
  LoadAssertionError,
  ListToTuple,
  ReturnValue,
  PopExcept,
  StoreName,
  DeleteName,
  UnpackSequence,
  UnpackEx,
  ForIter,
  StoreAttr,
  DeleteAttr,
  StoreGlobal,
  DeleteGlobal,
  Swap,
  LoadConst,
  LoadName,
  BuildTuple,
  BuildList,
  BuildSet,
  BuildMap,
  LoadAttr,
  CompareOp,
  ImportName,
  ImportFrom,
  JumpForward,
  JumpIfFalseOrPop,
  JumpIfTrueOrPop,
  LoadGlobal,
  IsOp,
  ContainsOp,
  Reraise,
  Copy,
  BinaryOp,
  LoadFast,
  StoreFast,
  DeleteFast,
  RaiseVarargs,
  MakeFunction,
  BuildSlice,
  MakeCell,
  LoadClosure,
  LoadDeref,
  StoreDeref,
  DeleteDeref,
  JumpBackward,  ///< decode() makes it JumpForward, which has a target as well
  CallFunctionEx,
  ExtendedArg,  ///< never comes out of decode()
  ListAppend,
  SetAdd,
  MapAdd,
  CopyFreeVars,
  Resume,
  FormatValue,
  BuildConstKeyMap,
  BuildString,
  LoadMethod,
  ListExtend,
  SetUpdate,
  DictMerge,
  DictUpdate,
  Precall,
  Call,
  KwNames,
  PopJumpBackwardIfFalse,  ///< decode() makes these four the ones below
  PopJumpBackwardIfTrue,
  PopJumpBackwardIfNotNone,
  PopJumpBackwardIfNone,
  PopJumpIfFalse,
  PopJumpIfTrue,
  PopJumpIfNotNone,
  PopJumpIfNone,
  EndFor,
  ReturnConst,
  LoadFastCheck,
  LoadFastAndClear,
  BinarySlice,
  StoreSlice,
  CallIntrinsic1,
  ToBool,
  FormatSimple,
  FormatWithSpec,
  ConvertValue,
  CallKw,
  LoadFastLoadFast,
  StoreFastLoadFast,
  StoreFastStoreFast,
  SetFunctionAttribute,
  ReturnGenerator,
  YieldValue,
  PopIter,
  LoadSmallInt,
  LoadCommonConstant,
  LoadSpecial,
};

/// One instruction, its EXTENDED_ARGs and its inline caches folded in. Places are counted in code
/// units of two bytes.
struct Instruction {
  std::uint32_t at = 0;    ///< of its first EXTENDED_ARG, where it has one
  std::uint32_t next = 0;  ///< of the instruction behind it
  Op op = Op::Other;
  std::uint32_t arg = 0;
  std::uint32_t target = 0;  ///< of a jump, and of the end of a loop
};

/// One entry of the exception table: the handler of the units from `start` to before `end`.
struct Cover {
  std::uint32_t start = 0, end = 0, target = 0;
  std::uint32_t depth = 0;    ///< of the value stack that the handler finds below what is pushed
  bool pushes_place = false;  ///< the place of the instruction, before the exception
};

/// The instructions of one code object.
struct Bytecode {
  std::vector<Instruction> list;
  std::vector<std::int32_t> at_unit;  ///< index in the list of what covers this unit; -1 = nothing
  std::vector<Cover> covers;

  /// The instruction that a unit belongs to, also where that is an inline cache of it; nullptr: it
  /// is outside.
  const Instruction* covering(std::uint32_t unit) const;
  /// The instruction that begins at a unit; nullptr: none does.
  const Instruction* starting(std::uint32_t unit) const;
  /// The handler of an exception in this unit; nullptr: the function is left.
  const Cover* handler(std::uint32_t unit) const;
};

/// Whether a unit may be reached again from behind itself: in a `while`, not for the next item of a
/// `for`. Exceptions are not followed.
bool comes_back(const Bytecode& code, std::uint32_t unit);

/// Whether the opcodes of 3.<minor> are known (3.11 to 3.15).
bool is_readable_bytecode(int minor);

/// Decodes co_code_adaptive: adaptive and specialised instructions are what they were made of
/// (_PyOpcode_Deopt and _PyOpcode_Caches of Include/internal/pycore_opcode.h of 3.11.7 and 3.12.1,
/// pycore_opcode_metadata.h of 3.13.0, the modules _opcode_metadata and opcode of 3.14.8
/// and 3.15.0; opcode numbers do not change within a minor version, as they belong to the magic
/// number of .pyc files). What the table does not know, what a monitoring tool put in
/// (INSTRUMENTED_...) and what was compiled further (ENTER_EXECUTOR) is Op::Other. `table` is
/// co_exceptiontable.
Bytecode decode(int minor, std::span<const std::uint8_t> code, std::span<const std::uint8_t> table);

}  // namespace ipcdoctor::runtime::cpython
