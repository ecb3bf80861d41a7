#include "collect/group_equal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipcdoctor::collect {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using Order = Result<std::strong_ordering>;

Order by_tens(int a, int b) {
  return a / 10 <=> b / 10;
}

TEST(GroupEqual, PutsTogetherWhatIsEqual) {
  const auto groups = group_equal(std::vector{31, 12, 35, 11, 20}, by_tens);

  ASSERT_TRUE(groups);
  EXPECT_THAT(*groups, ElementsAre(ElementsAre(12, 11), ElementsAre(20), ElementsAre(31, 35)));
}

TEST(GroupEqual, SaysThatNothingIsKnownWhicheverComparisonFails) {
  const std::vector items{31, 12, 35, 11, 20, 33, 14, 36, 28, 17, 39, 21, 13, 30, 25, 15, 38, 22};
  int count = 0;
  (void)group_equal(items, [&](int a, int b) {
    ++count;
    return by_tens(a, b);
  });
  for (int fails = 0; fails < count; ++fails) {
    int nth = 0;
    const auto groups = group_equal(items, [&](int a, int b) -> Order {
      if (nth++ == fails) return Error{Cause::Denied, EPERM, "compare"};
      return by_tens(a, b);
    });
    EXPECT_FALSE(groups) << fails;
  }
}

TEST(GroupEqual, LeavesOutWhoHasEnded) {
  const auto groups = group_equal(std::vector{31, 12, 35, 11, 20, 13}, [](int a, int b) -> Order {
    if (a == 12 || b == 12 || a == 20 || b == 20) return Error{Cause::Gone, ESRCH, "compare"};
    return by_tens(a, b);
  });

  ASSERT_TRUE(groups);
  EXPECT_THAT(*groups, UnorderedElementsAre(ElementsAre(11, 13), ElementsAre(31, 35)));
}

TEST(GroupEqual, DoesNotBelieveThatSomebodyWhoIsThereHasEnded) {
  const auto groups = group_equal(std::vector{31, 12}, [](int a, int b) -> Order {
    if (a != b) return Error{Cause::Gone, ESRCH, "compare"};
    return by_tens(a, b);
  });

  EXPECT_FALSE(groups);
}

}  // namespace
}  // namespace ipcdoctor::collect
