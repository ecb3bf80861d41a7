#include "runtime/perl/frames.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::perl {
namespace {

using linux::testing::Child;

Child run(const char* code) {
  return testing::run("perl", "-e", code);
}

std::string stack_of(const Child& child, std::size_t depth) {
  return testing::stack_of(child, depth, read_frames);
}

class PerlProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::succeeds("perl -e 0")) GTEST_SKIP() << "there is no Perl here";
  }
};

TEST_F(PerlProgram, TellsItsSubroutinesWithTheLinesTheyAreAt) {
  const Child child = run("sub inner {\n  sleep 1000;\n}\nsub outer {\n\n  inner();\n}\nouter();");

  EXPECT_EQ(stack_of(child, 3), "inner:2 outer:6 main:8 ");
  EXPECT_EQ(child.tracer(), 0);
}

TEST_F(PerlProgram, GoesOnBeyondCallsOutOfC) {
  const Child child = run("my @a = sort {\n  sleep 1000;\n  0\n} (2, 1);");

  EXPECT_EQ(stack_of(child, 1), "main:2 ");
}

TEST_F(PerlProgram, KnowsLoopsFromBareBlocks) {
  const auto is_in_loop_of = [](const char* code, std::size_t depth = 1) {
    const Child child = run(code);
    EXPECT_FALSE(stack_of(child, depth).empty());
    const auto space = linux::AddressSpace::open(child.pid());
    unwind::Images images;
    return space && is_in_loop(*space, images);
  };

  EXPECT_TRUE(is_in_loop_of("while (1) { sleep 1000; }"));
  EXPECT_TRUE(is_in_loop_of("sub f { sleep 1000 }\nfor (my $i = 0; $i < 9; $i++) { { f(); } }", 2));
  EXPECT_FALSE(is_in_loop_of("{ sleep 1000; }"));
  EXPECT_FALSE(is_in_loop_of("for my $i (1, 2) { sleep 1000; }"));
}

TEST_F(PerlProgram, SurvivesTornAndHostileMemory) {
  const Child child = run("sub deep { $_[0] > 0 ? deep($_[0] - 1) : sleep 1000 }\ndeep(20);");
  ASSERT_FALSE(stack_of(child, 22).empty());
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;
  const auto read = [&](const linux::AddressSpace& from) {
    const auto frames = read_frames(from, images);
    return frames && frames->size() == 22;
  };
  ASSERT_TRUE(read(*space));

  EXPECT_GE(linux::testing::read_torn(*space, read), 7);
}

TEST(PerlFrames, AreNoneOfOtherPrograms) {
  const Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;

  const auto frames = read_frames(*space, images);

  ASSERT_FALSE(frames);
  EXPECT_EQ(frames.error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::runtime::perl
