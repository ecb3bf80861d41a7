#include "runtime/cpython/bytecode.h"

#include <array>

namespace ipcdoctor::runtime::cpython {
namespace {

struct Row {
  std::uint8_t number;
  Op op;
  std::uint8_t caches;
};

// clang-format off
constexpr Row kPython3_11[] = {
    {1, Op::PopTop, 0}, {2, Op::PushNull, 0}, {3, Op::BinaryOp, 1}, {4, Op::BinaryOp, 1},
    {5, Op::BinaryOp, 1}, {6, Op::BinaryOp, 1}, {7, Op::BinaryOp, 1}, {8, Op::BinaryOp, 1},
    {9, Op::Nop, 0}, {10, Op::UnaryPositive, 0}, {11, Op::UnaryNegative, 0},
    {12, Op::UnaryNot, 0}, {13, Op::BinaryOp, 1}, {14, Op::BinaryOp, 1}, {15, Op::UnaryInvert, 0},
    {16, Op::BinaryOp, 1}, {17, Op::BinarySubscr, 4}, {18, Op::BinarySubscr, 4},
    {19, Op::BinarySubscr, 4}, {20, Op::BinarySubscr, 4}, {21, Op::BinarySubscr, 4},
    {22, Op::Call, 4}, {23, Op::Call, 4}, {24, Op::Call, 4}, {25, Op::BinarySubscr, 4},
    {26, Op::CompareOp, 2}, {27, Op::CompareOp, 2}, {28, Op::CompareOp, 2},
    {29, Op::CompareOp, 2}, {30, Op::GetLen, 0}, {34, Op::ExtendedArg, 0},
    {35, Op::PushExcInfo, 0}, {36, Op::CheckExcMatch, 0}, {38, Op::JumpBackward, 0},
    {39, Op::LoadAttr, 4}, {40, Op::LoadAttr, 4}, {41, Op::LoadAttr, 4}, {42, Op::LoadAttr, 4},
    {43, Op::LoadAttr, 4}, {44, Op::LoadConst, 0}, {45, Op::LoadFast, 0}, {46, Op::LoadFast, 0},
    {47, Op::LoadGlobal, 5}, {48, Op::LoadGlobal, 5}, {49, Op::WithExceptStart, 0},
    {53, Op::BeforeWith, 0}, {55, Op::LoadGlobal, 5}, {56, Op::LoadMethod, 10},
    {57, Op::LoadMethod, 10}, {58, Op::LoadMethod, 10}, {59, Op::LoadMethod, 10},
    {60, Op::StoreSubscr, 1}, {61, Op::DeleteSubscr, 0}, {62, Op::LoadMethod, 10},
    {63, Op::LoadMethod, 10}, {64, Op::Precall, 1}, {65, Op::Precall, 1}, {66, Op::Precall, 1},
    {67, Op::Precall, 1}, {68, Op::GetIter, 0}, {72, Op::Precall, 1}, {73, Op::Precall, 1},
    {74, Op::LoadAssertionError, 0}, {75, Op::ReturnGenerator, 0}, {76, Op::Precall, 1}, {77, Op::Precall, 1},
    {78, Op::Precall, 1}, {79, Op::Precall, 1}, {80, Op::Precall, 1}, {81, Op::Precall, 1},
    {82, Op::ListToTuple, 0}, {83, Op::ReturnValue, 0}, {86, Op::YieldValue, 0}, {89, Op::PopExcept, 0},
    {90, Op::StoreName, 0}, {91, Op::DeleteName, 0}, {92, Op::UnpackSequence, 1},
    {93, Op::ForIter, 0}, {94, Op::UnpackEx, 0}, {95, Op::StoreAttr, 4}, {96, Op::DeleteAttr, 0},
    {97, Op::StoreGlobal, 0}, {98, Op::DeleteGlobal, 0}, {99, Op::Swap, 0},
    {100, Op::LoadConst, 0}, {101, Op::LoadName, 0}, {102, Op::BuildTuple, 0},
    {103, Op::BuildList, 0}, {104, Op::BuildSet, 0}, {105, Op::BuildMap, 0},
    {106, Op::LoadAttr, 4}, {107, Op::CompareOp, 2}, {108, Op::ImportName, 0},
    {109, Op::ImportFrom, 0}, {110, Op::JumpForward, 0}, {111, Op::JumpIfFalseOrPop, 0},
    {112, Op::JumpIfTrueOrPop, 0}, {113, Op::Precall, 1}, {114, Op::PopJumpIfFalse, 0},
    {115, Op::PopJumpIfTrue, 0}, {116, Op::LoadGlobal, 5}, {117, Op::IsOp, 0},
    {118, Op::ContainsOp, 0}, {119, Op::Reraise, 0}, {120, Op::Copy, 0}, {121, Op::Precall, 1},
    {122, Op::BinaryOp, 1}, {124, Op::LoadFast, 0}, {125, Op::StoreFast, 0},
    {126, Op::DeleteFast, 0}, {127, Op::Precall, 1}, {128, Op::PopJumpIfNotNone, 0},
    {129, Op::PopJumpIfNone, 0}, {130, Op::RaiseVarargs, 0}, {132, Op::MakeFunction, 0},
    {133, Op::BuildSlice, 0}, {134, Op::JumpBackward, 0}, {135, Op::MakeCell, 0},
    {136, Op::LoadClosure, 0}, {137, Op::LoadDeref, 0}, {138, Op::StoreDeref, 0},
    {139, Op::DeleteDeref, 0}, {140, Op::JumpBackward, 0}, {141, Op::Precall, 1},
    {142, Op::CallFunctionEx, 0}, {143, Op::Precall, 1}, {144, Op::ExtendedArg, 0},
    {145, Op::ListAppend, 0}, {146, Op::SetAdd, 0}, {147, Op::MapAdd, 0},
    {149, Op::CopyFreeVars, 0}, {150, Op::Resume, 0}, {151, Op::Resume, 0},
    {153, Op::StoreAttr, 4}, {154, Op::StoreAttr, 4}, {155, Op::FormatValue, 0},
    {156, Op::BuildConstKeyMap, 0}, {157, Op::BuildString, 0}, {158, Op::StoreAttr, 4},
    {159, Op::StoreAttr, 4}, {160, Op::LoadMethod, 10}, {161, Op::StoreFast, 0},
    {162, Op::ListExtend, 0}, {163, Op::SetUpdate, 0}, {164, Op::DictMerge, 0},
    {165, Op::DictUpdate, 0}, {166, Op::Precall, 1}, {167, Op::StoreFast, 0},
    {168, Op::StoreSubscr, 1}, {169, Op::StoreSubscr, 1}, {170, Op::StoreSubscr, 1},
    {171, Op::Call, 4}, {172, Op::KwNames, 0}, {173, Op::PopJumpBackwardIfNotNone, 0},
    {174, Op::PopJumpBackwardIfNone, 0}, {175, Op::PopJumpBackwardIfFalse, 0},
    {176, Op::PopJumpBackwardIfTrue, 0}, {177, Op::UnpackSequence, 1},
    {178, Op::UnpackSequence, 1}, {179, Op::UnpackSequence, 1}, {180, Op::UnpackSequence, 1},
};

constexpr Row kPython3_12[] = {
    {1, Op::PopTop, 0}, {2, Op::PushNull, 0}, {4, Op::EndFor, 0}, {6, Op::BinaryOp, 1},
    {7, Op::BinaryOp, 1}, {8, Op::BinaryOp, 1}, {9, Op::Nop, 0}, {10, Op::BinaryOp, 1},
    {11, Op::UnaryNegative, 0}, {12, Op::UnaryNot, 0}, {13, Op::BinaryOp, 1},
    {14, Op::BinaryOp, 1}, {15, Op::UnaryInvert, 0}, {16, Op::BinaryOp, 1}, {18, Op::BinaryOp, 1},
    {19, Op::BinarySubscr, 1}, {20, Op::BinarySubscr, 1}, {21, Op::BinarySubscr, 1},
    {22, Op::BinarySubscr, 1}, {23, Op::Call, 3}, {24, Op::Call, 3}, {25, Op::BinarySubscr, 1},
    {26, Op::BinarySlice, 0}, {27, Op::StoreSlice, 0}, {28, Op::Call, 3}, {29, Op::Call, 3},
    {30, Op::GetLen, 0}, {34, Op::Call, 3}, {35, Op::PushExcInfo, 0}, {36, Op::CheckExcMatch, 0},
    {38, Op::Call, 3}, {39, Op::Call, 3}, {40, Op::Call, 3}, {41, Op::Call, 3}, {42, Op::Call, 3},
    {43, Op::Call, 3}, {44, Op::Call, 3}, {45, Op::Call, 3}, {46, Op::Call, 3}, {47, Op::Call, 3},
    {48, Op::Call, 3}, {49, Op::WithExceptStart, 0}, {53, Op::BeforeWith, 0}, {56, Op::Call, 3},
    {57, Op::CompareOp, 1}, {58, Op::CompareOp, 1}, {59, Op::CompareOp, 1},
    {60, Op::StoreSubscr, 1}, {61, Op::DeleteSubscr, 0}, {62, Op::ForIter, 1},
    {63, Op::ForIter, 1}, {64, Op::ForIter, 1}, {65, Op::ForIter, 1}, {66, Op::Other, 1},
    {67, Op::Other, 1}, {68, Op::GetIter, 0}, {70, Op::LoadAttr, 9}, {72, Op::LoadAttr, 9},
    {73, Op::LoadAttr, 9}, {74, Op::LoadAssertionError, 0}, {75, Op::ReturnGenerator, 0}, {76, Op::LoadAttr, 9},
    {77, Op::LoadAttr, 9}, {78, Op::LoadAttr, 9}, {79, Op::LoadAttr, 9}, {80, Op::LoadAttr, 9},
    {81, Op::LoadAttr, 9}, {82, Op::LoadAttr, 9}, {83, Op::ReturnValue, 0},
    {84, Op::LoadConst, 0}, {86, Op::LoadFast, 0}, {88, Op::LoadFast, 0}, {89, Op::PopExcept, 0},
    {90, Op::StoreName, 0}, {91, Op::DeleteName, 0}, {92, Op::UnpackSequence, 1},
    {93, Op::ForIter, 1}, {94, Op::UnpackEx, 0}, {95, Op::StoreAttr, 4}, {96, Op::DeleteAttr, 0},
    {97, Op::StoreGlobal, 0}, {98, Op::DeleteGlobal, 0}, {99, Op::Swap, 0},
    {100, Op::LoadConst, 0}, {101, Op::LoadName, 0}, {102, Op::BuildTuple, 0},
    {103, Op::BuildList, 0}, {104, Op::BuildSet, 0}, {105, Op::BuildMap, 0},
    {106, Op::LoadAttr, 9}, {107, Op::CompareOp, 1}, {108, Op::ImportName, 0},
    {109, Op::ImportFrom, 0}, {110, Op::JumpForward, 0}, {111, Op::LoadGlobal, 4},
    {112, Op::LoadGlobal, 4}, {113, Op::StoreAttr, 4}, {114, Op::PopJumpIfFalse, 0},
    {115, Op::PopJumpIfTrue, 0}, {116, Op::LoadGlobal, 4}, {117, Op::IsOp, 0},
    {118, Op::ContainsOp, 0}, {119, Op::Reraise, 0}, {120, Op::Copy, 0},
    {121, Op::ReturnConst, 0}, {122, Op::BinaryOp, 1}, {123, Op::Other, 1},
    {124, Op::LoadFast, 0}, {125, Op::StoreFast, 0}, {126, Op::DeleteFast, 0},
    {127, Op::LoadFastCheck, 0}, {128, Op::PopJumpIfNotNone, 0}, {129, Op::PopJumpIfNone, 0},
    {130, Op::RaiseVarargs, 0}, {132, Op::MakeFunction, 0}, {133, Op::BuildSlice, 0},
    {134, Op::JumpBackward, 0}, {135, Op::MakeCell, 0}, {136, Op::LoadClosure, 0},
    {137, Op::LoadDeref, 0}, {138, Op::StoreDeref, 0}, {139, Op::DeleteDeref, 0},
    {140, Op::JumpBackward, 0}, {141, Op::Other, 1}, {142, Op::CallFunctionEx, 0},
    {143, Op::LoadFastAndClear, 0}, {144, Op::ExtendedArg, 0}, {145, Op::ListAppend, 0},
    {146, Op::SetAdd, 0}, {147, Op::MapAdd, 0}, {148, Op::StoreAttr, 4},
    {149, Op::CopyFreeVars, 0}, {150, Op::YieldValue, 0}, {151, Op::Resume, 0},
    {153, Op::StoreAttr, 4}, {154, Op::StoreFast, 0}, {155, Op::FormatValue, 0}, {156, Op::BuildConstKeyMap, 0},
    {157, Op::BuildString, 0}, {158, Op::StoreFast, 0}, {159, Op::StoreSubscr, 1},
    {160, Op::StoreSubscr, 1}, {161, Op::UnpackSequence, 1}, {162, Op::ListExtend, 0},
    {163, Op::SetUpdate, 0}, {164, Op::DictMerge, 0}, {165, Op::DictUpdate, 0},
    {166, Op::UnpackSequence, 1}, {167, Op::UnpackSequence, 1}, {168, Op::Other, 1},
    {171, Op::Call, 3}, {172, Op::KwNames, 0}, {173, Op::CallIntrinsic1, 0},
};

constexpr Row kPython3_13[] = {
    {2, Op::BeforeWith, 0}, {3, Op::BinaryOp, 1}, {4, Op::BinarySlice, 0},
    {5, Op::BinarySubscr, 1}, {7, Op::CheckExcMatch, 0}, {9, Op::DeleteSubscr, 0},
    {11, Op::EndFor, 0}, {14, Op::FormatSimple, 0}, {15, Op::FormatWithSpec, 0},
    {19, Op::GetIter, 0}, {20, Op::GetLen, 0}, {23, Op::LoadAssertionError, 0},
    {26, Op::MakeFunction, 0}, {30, Op::Nop, 0}, {31, Op::PopExcept, 0}, {32, Op::PopTop, 0},
    {33, Op::PushExcInfo, 0}, {34, Op::PushNull, 0}, {35, Op::ReturnGenerator, 0}, {36, Op::ReturnValue, 0},
    {38, Op::StoreSlice, 0}, {39, Op::StoreSubscr, 1}, {40, Op::ToBool, 3},
    {41, Op::UnaryInvert, 0}, {42, Op::UnaryNegative, 0}, {43, Op::UnaryNot, 0},
    {44, Op::WithExceptStart, 0}, {45, Op::BinaryOp, 1}, {46, Op::BuildConstKeyMap, 0},
    {47, Op::BuildList, 0}, {48, Op::BuildMap, 0}, {49, Op::BuildSet, 0}, {50, Op::BuildSlice, 0},
    {51, Op::BuildString, 0}, {52, Op::BuildTuple, 0}, {53, Op::Call, 3},
    {54, Op::CallFunctionEx, 0}, {55, Op::CallIntrinsic1, 0}, {57, Op::CallKw, 0},
    {58, Op::CompareOp, 1}, {59, Op::ContainsOp, 1}, {60, Op::ConvertValue, 0}, {61, Op::Copy, 0},
    {62, Op::CopyFreeVars, 0}, {63, Op::DeleteAttr, 0}, {64, Op::DeleteDeref, 0},
    {65, Op::DeleteFast, 0}, {66, Op::DeleteGlobal, 0}, {67, Op::DeleteName, 0},
    {68, Op::DictMerge, 0}, {69, Op::DictUpdate, 0}, {71, Op::ExtendedArg, 0},
    {72, Op::ForIter, 1}, {74, Op::ImportFrom, 0}, {75, Op::ImportName, 0}, {76, Op::IsOp, 0},
    {77, Op::JumpBackward, 1}, {78, Op::JumpBackward, 0}, {79, Op::JumpForward, 0},
    {80, Op::ListAppend, 0}, {81, Op::ListExtend, 0}, {82, Op::LoadAttr, 9},
    {83, Op::LoadConst, 0}, {84, Op::LoadDeref, 0}, {85, Op::LoadFast, 0},
    {86, Op::LoadFastAndClear, 0}, {87, Op::LoadFastCheck, 0}, {88, Op::LoadFastLoadFast, 0},
    {91, Op::LoadGlobal, 4}, {92, Op::LoadName, 0}, {93, Op::Other, 1}, {94, Op::MakeCell, 0},
    {95, Op::MapAdd, 0}, {97, Op::PopJumpIfFalse, 1}, {98, Op::PopJumpIfNone, 1},
    {99, Op::PopJumpIfNotNone, 1}, {100, Op::PopJumpIfTrue, 1}, {101, Op::RaiseVarargs, 0},
    {102, Op::Reraise, 0}, {103, Op::ReturnConst, 0}, {104, Op::Other, 1}, {105, Op::SetAdd, 0},
    {106, Op::SetFunctionAttribute, 0}, {107, Op::SetUpdate, 0}, {108, Op::StoreAttr, 4},
    {109, Op::StoreDeref, 0}, {110, Op::StoreFast, 0}, {111, Op::StoreFastLoadFast, 0},
    {112, Op::StoreFastStoreFast, 0}, {113, Op::StoreGlobal, 0}, {114, Op::StoreName, 0},
    {115, Op::Swap, 0}, {116, Op::UnpackEx, 0}, {117, Op::UnpackSequence, 1}, {118, Op::YieldValue, 0},
    {149, Op::Resume, 0}, {150, Op::BinaryOp, 1}, {151, Op::BinaryOp, 1}, {152, Op::BinaryOp, 1},
    {153, Op::BinaryOp, 1}, {154, Op::BinaryOp, 1}, {155, Op::BinaryOp, 1},
    {156, Op::BinaryOp, 1}, {157, Op::BinarySubscr, 1}, {158, Op::BinarySubscr, 1},
    {159, Op::BinarySubscr, 1}, {160, Op::BinarySubscr, 1}, {161, Op::BinarySubscr, 1},
    {162, Op::Call, 3}, {163, Op::Call, 3}, {164, Op::Call, 3}, {165, Op::Call, 3},
    {166, Op::Call, 3}, {167, Op::Call, 3}, {168, Op::Call, 3}, {169, Op::Call, 3},
    {170, Op::Call, 3}, {171, Op::Call, 3}, {172, Op::Call, 3}, {173, Op::Call, 3},
    {174, Op::Call, 3}, {175, Op::Call, 3}, {176, Op::Call, 3}, {177, Op::Call, 3},
    {178, Op::Call, 3}, {179, Op::Call, 3}, {180, Op::Call, 3}, {181, Op::Call, 3},
    {182, Op::CompareOp, 1}, {183, Op::CompareOp, 1}, {184, Op::CompareOp, 1},
    {185, Op::ContainsOp, 1}, {186, Op::ContainsOp, 1}, {187, Op::ForIter, 1},
    {188, Op::ForIter, 1}, {189, Op::ForIter, 1}, {190, Op::ForIter, 1}, {191, Op::LoadAttr, 9},
    {192, Op::LoadAttr, 9}, {193, Op::LoadAttr, 9}, {194, Op::LoadAttr, 9},
    {195, Op::LoadAttr, 9}, {196, Op::LoadAttr, 9}, {197, Op::LoadAttr, 9},
    {198, Op::LoadAttr, 9}, {199, Op::LoadAttr, 9}, {200, Op::LoadAttr, 9},
    {201, Op::LoadAttr, 9}, {202, Op::LoadAttr, 9}, {203, Op::LoadGlobal, 4},
    {204, Op::LoadGlobal, 4}, {205, Op::Other, 1}, {206, Op::Other, 1}, {207, Op::Resume, 0},
    {208, Op::Other, 1}, {209, Op::StoreAttr, 4}, {210, Op::StoreAttr, 4},
    {211, Op::StoreAttr, 4}, {212, Op::StoreSubscr, 1}, {213, Op::StoreSubscr, 1},
    {214, Op::ToBool, 3}, {215, Op::ToBool, 3}, {216, Op::ToBool, 3}, {217, Op::ToBool, 3},
    {218, Op::ToBool, 3}, {219, Op::ToBool, 3}, {220, Op::UnpackSequence, 1},
    {221, Op::UnpackSequence, 1}, {222, Op::UnpackSequence, 1},
};

constexpr Row kPython3_14[] = {
    {1, Op::BinarySlice, 0}, {3, Op::BinaryOp, 5}, {4, Op::CallFunctionEx, 0},
    {6, Op::CheckExcMatch, 0}, {8, Op::DeleteSubscr, 0}, {9, Op::EndFor, 0},
    {12, Op::FormatSimple, 0}, {13, Op::FormatWithSpec, 0}, {16, Op::GetIter, 0},
    {18, Op::GetLen, 0}, {23, Op::MakeFunction, 0}, {27, Op::Nop, 0}, {28, Op::Nop, 0},
    {29, Op::PopExcept, 0}, {30, Op::PopIter, 0}, {31, Op::PopTop, 0}, {32, Op::PushExcInfo, 0},
    {33, Op::PushNull, 0}, {34, Op::ReturnGenerator, 0}, {35, Op::ReturnValue, 0},
    {37, Op::StoreSlice, 0}, {38, Op::StoreSubscr, 1}, {39, Op::ToBool, 3},
    {40, Op::UnaryInvert, 0}, {41, Op::UnaryNegative, 0}, {42, Op::UnaryNot, 0},
    {43, Op::WithExceptStart, 0}, {44, Op::BinaryOp, 5}, {46, Op::BuildList, 0},
    {47, Op::BuildMap, 0}, {48, Op::BuildSet, 0}, {49, Op::BuildSlice, 0}, {50, Op::BuildString, 0},
    {51, Op::BuildTuple, 0}, {52, Op::Call, 3}, {53, Op::CallIntrinsic1, 0}, {55, Op::CallKw, 3},
    {56, Op::CompareOp, 1}, {57, Op::ContainsOp, 1}, {58, Op::ConvertValue, 0}, {59, Op::Copy, 0},
    {60, Op::CopyFreeVars, 0}, {61, Op::DeleteAttr, 0}, {62, Op::DeleteDeref, 0},
    {63, Op::DeleteFast, 0}, {64, Op::DeleteGlobal, 0}, {65, Op::DeleteName, 0},
    {66, Op::DictMerge, 0}, {67, Op::DictUpdate, 0}, {69, Op::ExtendedArg, 0}, {70, Op::ForIter, 1},
    {72, Op::ImportFrom, 0}, {73, Op::ImportName, 0}, {74, Op::IsOp, 0}, {75, Op::JumpBackward, 1},
    {76, Op::JumpBackward, 0}, {77, Op::JumpForward, 0}, {78, Op::ListAppend, 0},
    {79, Op::ListExtend, 0}, {80, Op::LoadAttr, 9}, {81, Op::LoadCommonConstant, 0},
    {82, Op::LoadConst, 0}, {83, Op::LoadDeref, 0}, {84, Op::LoadFast, 0},
    {85, Op::LoadFastAndClear, 0}, {86, Op::LoadFast, 0}, {87, Op::LoadFastLoadFast, 0},
    {88, Op::LoadFastCheck, 0}, {89, Op::LoadFastLoadFast, 0}, {92, Op::LoadGlobal, 4},
    {93, Op::LoadName, 0}, {94, Op::LoadSmallInt, 0}, {95, Op::LoadSpecial, 0}, {96, Op::Other, 1},
    {97, Op::MakeCell, 0}, {98, Op::MapAdd, 0}, {100, Op::PopJumpIfFalse, 1},
    {101, Op::PopJumpIfNone, 1}, {102, Op::PopJumpIfNotNone, 1}, {103, Op::PopJumpIfTrue, 1},
    {104, Op::RaiseVarargs, 0}, {105, Op::Reraise, 0}, {106, Op::Other, 1}, {107, Op::SetAdd, 0},
    {108, Op::SetFunctionAttribute, 0}, {109, Op::SetUpdate, 0}, {110, Op::StoreAttr, 4},
    {111, Op::StoreDeref, 0}, {112, Op::StoreFast, 0}, {113, Op::StoreFastLoadFast, 0},
    {114, Op::StoreFastStoreFast, 0}, {115, Op::StoreGlobal, 0}, {116, Op::StoreName, 0},
    {117, Op::Swap, 0}, {118, Op::UnpackEx, 0}, {119, Op::UnpackSequence, 1},
    {120, Op::YieldValue, 0}, {128, Op::Resume, 0}, {129, Op::BinaryOp, 5}, {130, Op::BinaryOp, 5},
    {131, Op::BinaryOp, 5}, {132, Op::BinaryOp, 5}, {133, Op::BinaryOp, 5}, {134, Op::BinaryOp, 5},
    {135, Op::BinaryOp, 5}, {136, Op::BinaryOp, 5}, {137, Op::BinaryOp, 5}, {138, Op::BinaryOp, 5},
    {139, Op::BinaryOp, 5}, {140, Op::BinaryOp, 5}, {141, Op::BinaryOp, 5}, {142, Op::BinaryOp, 5},
    {143, Op::Call, 3}, {144, Op::Call, 3}, {145, Op::Call, 3}, {146, Op::Call, 3},
    {147, Op::Call, 3}, {148, Op::Call, 3}, {149, Op::Call, 3}, {150, Op::Call, 3},
    {151, Op::CallKw, 3}, {152, Op::CallKw, 3}, {153, Op::CallKw, 3}, {154, Op::Call, 3},
    {155, Op::Call, 3}, {156, Op::Call, 3}, {157, Op::Call, 3}, {158, Op::Call, 3},
    {159, Op::Call, 3}, {160, Op::Call, 3}, {161, Op::Call, 3}, {162, Op::Call, 3},
    {163, Op::Call, 3}, {164, Op::Call, 3}, {165, Op::Call, 3}, {166, Op::CompareOp, 1},
    {167, Op::CompareOp, 1}, {168, Op::CompareOp, 1}, {169, Op::ContainsOp, 1},
    {170, Op::ContainsOp, 1}, {171, Op::ForIter, 1}, {172, Op::ForIter, 1}, {173, Op::ForIter, 1},
    {174, Op::ForIter, 1}, {175, Op::JumpBackward, 1}, {176, Op::JumpBackward, 1},
    {177, Op::LoadAttr, 9}, {178, Op::LoadAttr, 9}, {179, Op::LoadAttr, 9}, {180, Op::LoadAttr, 9},
    {181, Op::LoadAttr, 9}, {182, Op::LoadAttr, 9}, {183, Op::LoadAttr, 9}, {184, Op::LoadAttr, 9},
    {185, Op::LoadAttr, 9}, {186, Op::LoadAttr, 9}, {187, Op::LoadAttr, 9}, {188, Op::LoadAttr, 9},
    {189, Op::LoadAttr, 9}, {190, Op::LoadConst, 0}, {191, Op::LoadConst, 0},
    {192, Op::LoadGlobal, 4}, {193, Op::LoadGlobal, 4}, {194, Op::Other, 1}, {195, Op::Other, 1},
    {196, Op::Resume, 0}, {197, Op::Other, 1}, {198, Op::StoreAttr, 4}, {199, Op::StoreAttr, 4},
    {200, Op::StoreAttr, 4}, {201, Op::StoreSubscr, 1}, {202, Op::StoreSubscr, 1},
    {203, Op::ToBool, 3}, {204, Op::ToBool, 3}, {205, Op::ToBool, 3}, {206, Op::ToBool, 3},
    {207, Op::ToBool, 3}, {208, Op::ToBool, 3}, {209, Op::UnpackSequence, 1},
    {210, Op::UnpackSequence, 1}, {211, Op::UnpackSequence, 1},
};

constexpr Row kPython3_15[] = {
    {1, Op::BinarySlice, 0}, {3, Op::BinaryOp, 5}, {4, Op::CallFunctionEx, 1},
    {6, Op::CheckExcMatch, 0}, {8, Op::DeleteSubscr, 0}, {9, Op::EndFor, 0},
    {12, Op::FormatSimple, 0}, {13, Op::FormatWithSpec, 0}, {16, Op::GetLen, 0},
    {21, Op::MakeFunction, 0}, {25, Op::Nop, 0}, {26, Op::Nop, 0}, {27, Op::PopExcept, 0},
    {28, Op::PopIter, 0}, {29, Op::PopTop, 0}, {30, Op::PushExcInfo, 0}, {31, Op::PushNull, 0},
    {32, Op::ReturnGenerator, 0}, {33, Op::ReturnValue, 0}, {35, Op::StoreSlice, 0},
    {36, Op::StoreSubscr, 1}, {37, Op::ToBool, 3}, {38, Op::UnaryInvert, 0},
    {39, Op::UnaryNegative, 0}, {40, Op::UnaryNot, 0}, {41, Op::WithExceptStart, 0},
    {42, Op::BinaryOp, 5}, {44, Op::BuildList, 0}, {45, Op::BuildMap, 0}, {46, Op::BuildSet, 0},
    {47, Op::BuildSlice, 0}, {48, Op::BuildString, 0}, {49, Op::BuildTuple, 0}, {50, Op::Call, 3},
    {51, Op::CallIntrinsic1, 0}, {53, Op::CallKw, 3}, {54, Op::CompareOp, 1},
    {55, Op::ContainsOp, 1}, {56, Op::ConvertValue, 0}, {57, Op::Copy, 0},
    {58, Op::CopyFreeVars, 0}, {59, Op::DeleteAttr, 0}, {60, Op::DeleteDeref, 0},
    {61, Op::DeleteFast, 0}, {62, Op::DeleteGlobal, 0}, {63, Op::DeleteName, 0},
    {64, Op::DictMerge, 0}, {65, Op::DictUpdate, 0}, {67, Op::ExtendedArg, 0}, {68, Op::ForIter, 1},
    {70, Op::GetIter, 1}, {71, Op::ImportFrom, 0}, {72, Op::ImportName, 0}, {73, Op::IsOp, 0},
    {74, Op::JumpBackward, 1}, {75, Op::JumpBackward, 0}, {76, Op::JumpForward, 0},
    {77, Op::ListAppend, 0}, {78, Op::ListExtend, 0}, {79, Op::LoadAttr, 9},
    {80, Op::LoadCommonConstant, 0}, {81, Op::LoadConst, 0}, {82, Op::LoadDeref, 0},
    {83, Op::LoadFast, 0}, {84, Op::LoadFastAndClear, 0}, {85, Op::LoadFast, 0},
    {86, Op::LoadFastLoadFast, 0}, {87, Op::LoadFastCheck, 0}, {88, Op::LoadFastLoadFast, 0},
    {91, Op::LoadGlobal, 4}, {92, Op::LoadName, 0}, {93, Op::LoadSmallInt, 0},
    {94, Op::LoadSpecial, 0}, {95, Op::Other, 1}, {96, Op::MakeCell, 0}, {97, Op::MapAdd, 0},
    {99, Op::PopJumpIfFalse, 1}, {100, Op::PopJumpIfNone, 1}, {101, Op::PopJumpIfNotNone, 1},
    {102, Op::PopJumpIfTrue, 1}, {103, Op::RaiseVarargs, 0}, {104, Op::Reraise, 0},
    {105, Op::Other, 1}, {106, Op::SetAdd, 0}, {107, Op::SetFunctionAttribute, 0},
    {108, Op::SetUpdate, 0}, {109, Op::StoreAttr, 4}, {110, Op::StoreDeref, 0},
    {111, Op::StoreFast, 0}, {112, Op::StoreFastLoadFast, 0}, {113, Op::StoreFastStoreFast, 0},
    {114, Op::StoreGlobal, 0}, {115, Op::StoreName, 0}, {116, Op::Swap, 0}, {117, Op::UnpackEx, 0},
    {118, Op::UnpackSequence, 1}, {119, Op::YieldValue, 0}, {128, Op::Resume, 1},
    {129, Op::BinaryOp, 5}, {130, Op::BinaryOp, 5}, {131, Op::BinaryOp, 5}, {132, Op::BinaryOp, 5},
    {133, Op::BinaryOp, 5}, {134, Op::BinaryOp, 5}, {135, Op::BinaryOp, 5}, {136, Op::BinaryOp, 5},
    {137, Op::BinaryOp, 5}, {138, Op::BinaryOp, 5}, {139, Op::BinaryOp, 5}, {140, Op::BinaryOp, 5},
    {141, Op::BinaryOp, 5}, {142, Op::BinaryOp, 5}, {143, Op::BinaryOp, 5}, {144, Op::Call, 3},
    {145, Op::Call, 3}, {146, Op::Call, 3}, {147, Op::Call, 3}, {148, Op::Call, 3},
    {149, Op::Call, 3}, {150, Op::Call, 3}, {151, Op::CallFunctionEx, 1},
    {152, Op::CallFunctionEx, 1}, {153, Op::Call, 3}, {154, Op::CallKw, 3}, {155, Op::CallKw, 3},
    {156, Op::CallKw, 3}, {157, Op::Call, 3}, {158, Op::Call, 3}, {159, Op::Call, 3},
    {160, Op::Call, 3}, {161, Op::Call, 3}, {162, Op::Call, 3}, {163, Op::Call, 3},
    {164, Op::Call, 3}, {165, Op::Call, 3}, {166, Op::Call, 3}, {167, Op::Call, 3},
    {168, Op::Call, 3}, {169, Op::CompareOp, 1}, {170, Op::CompareOp, 1}, {171, Op::CompareOp, 1},
    {172, Op::ContainsOp, 1}, {173, Op::ContainsOp, 1}, {174, Op::ForIter, 1},
    {175, Op::ForIter, 1}, {176, Op::ForIter, 1}, {177, Op::ForIter, 1}, {178, Op::ForIter, 1},
    {179, Op::GetIter, 1}, {180, Op::GetIter, 1}, {181, Op::JumpBackward, 1},
    {182, Op::JumpBackward, 1}, {183, Op::LoadAttr, 9}, {184, Op::LoadAttr, 9},
    {185, Op::LoadAttr, 9}, {186, Op::LoadAttr, 9}, {187, Op::LoadAttr, 9}, {188, Op::LoadAttr, 9},
    {189, Op::LoadAttr, 9}, {190, Op::LoadAttr, 9}, {191, Op::LoadAttr, 9}, {192, Op::LoadAttr, 9},
    {193, Op::LoadAttr, 9}, {194, Op::LoadAttr, 9}, {195, Op::LoadAttr, 9},
    {196, Op::LoadGlobal, 4}, {197, Op::LoadGlobal, 4}, {198, Op::Other, 1}, {199, Op::Other, 1},
    {200, Op::Resume, 1}, {201, Op::Resume, 1}, {202, Op::Other, 1}, {203, Op::Other, 1},
    {204, Op::Other, 1}, {205, Op::StoreAttr, 4}, {206, Op::StoreAttr, 4}, {207, Op::StoreAttr, 4},
    {208, Op::StoreSubscr, 1}, {209, Op::StoreSubscr, 1}, {210, Op::ToBool, 3},
    {211, Op::ToBool, 3}, {212, Op::ToBool, 3}, {213, Op::ToBool, 3}, {214, Op::ToBool, 3},
    {215, Op::ToBool, 3}, {216, Op::UnpackSequence, 1}, {217, Op::UnpackSequence, 1},
    {218, Op::UnpackSequence, 1},
};
// clang-format on

struct Meaning {
  Op op = Op::Other;
  std::uint8_t caches = 0;
};
using Table = std::array<Meaning, 256>;

template <std::size_t N>
constexpr Table table_of(const Row (&rows)[N]) {
  Table table{};
  for (const Row& row : rows) table[row.number] = {row.op, row.caches};
  return table;
}

constexpr Table kTables[] = {table_of(kPython3_11), table_of(kPython3_12), table_of(kPython3_13),
                             table_of(kPython3_14), table_of(kPython3_15)};
constexpr int kFirst = 11;
constexpr std::uint32_t kSubscript = 26;  // NB_SUBSCR of BINARY_OP, from 3.14 on

// Backward ones become forward ones with a target.
Op normal(Op op, bool& backward) {
  backward = true;
  switch (op) {
    case Op::JumpBackward:
      return Op::JumpForward;
    case Op::PopJumpBackwardIfFalse:
      return Op::PopJumpIfFalse;
    case Op::PopJumpBackwardIfTrue:
      return Op::PopJumpIfTrue;
    case Op::PopJumpBackwardIfNone:
      return Op::PopJumpIfNone;
    case Op::PopJumpBackwardIfNotNone:
      return Op::PopJumpIfNotNone;
    default:
      backward = false;
      return op;
  }
}

// Six bits a byte, 64 = more follow, 128 = an entry begins (Objects/exception_handling_notes.txt).
class Varints {
 public:
  explicit Varints(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  bool more() const { return at_ < bytes_.size(); }
  std::uint32_t next() {
    std::uint32_t value = 0;
    for (int n = 0; n < 5 && more(); ++n) {
      const std::uint8_t byte = bytes_[at_++];
      value = (value << 6) | (byte & 63U);
      if ((byte & 64U) == 0) break;
    }
    return value;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

}  // namespace

const Instruction* Bytecode::covering(std::uint32_t unit) const {
  if (unit >= at_unit.size() || at_unit[unit] < 0) return nullptr;
  return &list[static_cast<std::size_t>(at_unit[unit])];
}

const Instruction* Bytecode::starting(std::uint32_t unit) const {
  const Instruction* found = covering(unit);
  return found != nullptr && found->at == unit ? found : nullptr;
}

const Cover* Bytecode::handler(std::uint32_t unit) const {
  for (const Cover& cover : covers) {
    if (unit >= cover.start && unit < cover.end) return &cover;
  }
  return nullptr;
}

bool comes_back(const Bytecode& code, std::uint32_t unit) {
  const Instruction* begin = code.covering(unit);
  if (begin == nullptr) return false;
  std::vector<bool> seen(code.list.size());
  std::vector<const Instruction*> todo{begin};
  while (!todo.empty()) {
    const Instruction& i = *todo.back();
    todo.pop_back();
    const bool leaves = i.op == Op::ReturnValue || i.op == Op::ReturnConst ||
                        i.op == Op::RaiseVarargs || i.op == Op::Reraise;
    const bool jumps = i.op == Op::JumpForward;
    const bool branches = i.op == Op::PopJumpIfFalse || i.op == Op::PopJumpIfTrue ||
                          i.op == Op::PopJumpIfNone || i.op == Op::PopJumpIfNotNone ||
                          i.op == Op::JumpIfFalseOrPop || i.op == Op::JumpIfTrueOrPop;
    std::vector<std::uint32_t> to;
    if (jumps || branches || i.op == Op::ForIter) to.push_back(i.target);
    if (!leaves && !jumps && i.op != Op::ForIter) to.push_back(i.next);
    for (const std::uint32_t at : to) {
      const Instruction* next = code.starting(at);
      if (next == begin) return true;
      if (next == nullptr) continue;
      const auto index = static_cast<std::size_t>(next - code.list.data());
      if (seen[index]) continue;
      seen[index] = true;
      todo.push_back(next);
    }
  }
  return false;
}

bool is_readable_bytecode(int minor) {
  return minor >= kFirst && minor < kFirst + static_cast<int>(std::size(kTables));
}

Bytecode decode(int minor, std::span<const std::uint8_t> code,
                std::span<const std::uint8_t> table) {
  Bytecode out;
  if (!is_readable_bytecode(minor)) return out;
  const Table& meanings = kTables[minor - kFirst];
  const auto units = static_cast<std::uint32_t>(code.size() / 2);
  out.at_unit.assign(units, -1);
  for (std::uint32_t at = 0; at < units;) {
    Instruction i;
    i.at = at;
    std::uint32_t unit = at;
    Meaning meaning = meanings[code[2 * unit]];
    i.arg = code[2 * unit + 1];
    while (meaning.op == Op::ExtendedArg && unit + 1 < units) {
      ++unit;
      meaning = meanings[code[2 * unit]];
      i.arg = (i.arg << 8) | code[2 * unit + 1];
    }
    i.next = unit + 1 + meaning.caches;
    bool backward = false;
    i.op = normal(meaning.op, backward);
    if (i.op == Op::BinaryOp && i.arg == kSubscript) i.op = Op::BinarySubscr;
    i.target = backward ? i.next - i.arg : i.next + i.arg;
    for (std::uint32_t n = at; n < i.next && n < units; ++n)
      out.at_unit[n] = static_cast<std::int32_t>(out.list.size());
    at = i.next;
    out.list.push_back(i);
  }
  for (Varints bytes(table); bytes.more();) {
    Cover cover;
    cover.start = bytes.next();
    cover.end = cover.start + bytes.next();
    cover.target = bytes.next();
    const std::uint32_t depth = bytes.next();
    cover.depth = depth >> 1;
    cover.pushes_place = (depth & 1) != 0;
    out.covers.push_back(cover);
  }
  return out;
}

}  // namespace ipcdoctor::runtime::cpython
