#include "runtime/php/frames.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::php {
namespace {

using linux::testing::Child;

Child run(const char* code) {
  return testing::run("php", "-r", code);
}

std::string stack_of(const Child& child, std::size_t depth) {
  return testing::stack_of(child, depth, read_frames);
}

class PhpProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::succeeds("php -n")) GTEST_SKIP() << "there is no PHP here";
  }
};

TEST_F(PhpProgram, TellsItsFunctionsWithTheLinesTheyAreAt) {
  const Child child =
      run("function inner() {\n  sleep(1000);\n}\nclass Outer {\n  static function call() {\n\n"
          "    inner();\n  }\n}\nOuter::call();");

  EXPECT_EQ(stack_of(child, 4), "sleep:2 inner:2 Outer::call:7 main:10 ");
  EXPECT_EQ(child.tracer(), 0);
}

TEST_F(PhpProgram, GoesOnBeyondCallsOutOfC) {
  const Child child =
      run("usort($GLOBALS['argv'], fn($a, $b) => 0);\n"
          "array_map(function ($n) {\n  sleep(1000);\n}, [1]);");

  const std::string stack = stack_of(child, 4);
  EXPECT_TRUE(stack.starts_with("sleep:3 {closure")) << stack;  // 8.4 adds where it begins
  EXPECT_TRUE(stack.ends_with("}:3 array_map:2 main:2 ")) << stack;
}

TEST_F(PhpProgram, SurvivesTornAndHostileMemory) {
  const Child child = run("function deep($n) { $n > 0 ? deep($n - 1) : sleep(1000); }\ndeep(20);");
  ASSERT_FALSE(stack_of(child, 23).empty());
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;
  const auto read = [&](const linux::AddressSpace& from) {
    const auto frames = read_frames(from, images);
    return frames && frames->size() == 23;
  };
  ASSERT_TRUE(read(*space));

  EXPECT_GE(linux::testing::read_torn(*space, read), 7);
}

TEST(PhpFrames, AreNoneOfOtherPrograms) {
  const Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;

  const auto frames = read_frames(*space, images);

  ASSERT_FALSE(frames);
  EXPECT_EQ(frames.error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::runtime::php
