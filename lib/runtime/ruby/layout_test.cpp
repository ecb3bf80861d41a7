#include "runtime/ruby/layout.h"

#include <gtest/gtest.h>

namespace ipcdoctor::runtime::ruby {
namespace {

TEST(RubyVersion, IsThreeNumbers) {
  const auto version = parse_version("3.1.2");

  ASSERT_TRUE(version);
  EXPECT_EQ(version->major, 3);
  EXPECT_EQ(version->minor, 1);
  EXPECT_EQ(version->patch, 2);
  EXPECT_FALSE(parse_version("3.1"));
  EXPECT_FALSE(parse_version("three"));
  EXPECT_FALSE(parse_version("3.99999.1"));
  EXPECT_FALSE(parse_version(""));
}

TEST(RubyLayout, IsKnownOfTheseVersionsAlone) {
  EXPECT_FALSE(layout_of({2, 6, 0}));
  EXPECT_TRUE(layout_of({2, 7, 4}));
  EXPECT_TRUE(layout_of({3, 4, 9}));
  EXPECT_FALSE(layout_of({3, 5, 0}));
  EXPECT_FALSE(layout_of({4, 0, 0}));
}

TEST(RubyLayout, DiffersInPatchesOfAVersion) {
  EXPECT_EQ(layout_of({3, 1, 4})->vm_traps, 456U);
  EXPECT_EQ(layout_of({3, 1, 5})->vm_traps, 464U);
  EXPECT_EQ(layout_of({3, 2, 2})->vm_traps, 480U);
  EXPECT_EQ(layout_of({3, 2, 3})->vm_traps, 488U);
  EXPECT_EQ(layout_of({3, 2, 4})->vm_traps, 496U);
  EXPECT_EQ(layout_of({3, 2, 9})->vm_traps, 496U);
}

}  // namespace
}  // namespace ipcdoctor::runtime::ruby
