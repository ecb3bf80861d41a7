#include "runtime/native/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipcdoctor::runtime::native {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Value, OfTwoWaysBothNumbersRemain) {
  EXPECT_THAT(Value::of(7).joined(Value::of(3)).numbers(), ElementsAre(3, 7));
  EXPECT_TRUE(Value::of(7).joined(Value::any()).is_any());
  EXPECT_TRUE(Value::of(7).joined(Value::on_stack(7)).is_any());
}

TEST(Value, OfTooManyWaysNothingIsKnown) {
  Value value = Value::of(0);
  for (std::uint64_t i = 1; i < 100; ++i) value = value.joined(Value::of(i));
  EXPECT_TRUE(value.is_any());
}

TEST(Value, ABoundOfTheLowestBitsHoldsOnlyAfterTheRestWasCleared) {
  const Value compared = Value::below(5, 32);  // cmp $5, %eax; ja
  EXPECT_THAT(compared.all(100), IsEmpty());
  EXPECT_THAT(compared.truncated(32).all(100), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Value::below(5, 8).truncated(32).all(1000), IsEmpty());
  EXPECT_THAT(Value::below(5, 8).truncated(8).all(1000).size(), 6U);
}

TEST(Value, AMoveOfHalfARegisterClearsTheOther) {
  EXPECT_EQ(Value::of(0x1'0000'0005).truncated(32), Value::of(5));
  EXPECT_EQ(Value::any().truncated(8).all(1000).size(), 256U);
}

}  // namespace
}  // namespace ipcdoctor::runtime::native
