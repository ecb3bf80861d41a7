#include "runtime/node/v8.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "linux/proc_syscall.h"
#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::node {
namespace {

using linux::testing::Child;

Child run(const char* code) {
  return testing::run("node", "-e", code);
}

std::vector<snapshot::Frame> user_frames(const linux::AddressSpace& space, unwind::Images& images) {
  std::vector<snapshot::Frame> found;
  const auto text = space.dir.read("syscall");
  const auto call = text ? linux::parse_syscall(*text) : Result<linux::SyscallState>(text.error());
  const auto v8 = V8::find(space, images);
  if (!call || call->kind != linux::SyscallState::Kind::InCall || !v8) return found;
  for (snapshot::Frame& frame : v8->frames(call->sp))
    if (frame.user_code) found.push_back(std::move(frame));
  return found;
}

std::string stack_of(const Child& child, std::size_t depth) {
  return testing::stack_of(child, depth, user_frames);
}

class NodeProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::succeeds("node -e 0")) GTEST_SKIP() << "there is no Node here";
  }
};

constexpr char kProgram[] =
    "const { spawnSync } = require('child_process');\n"
    "function inner(seconds) {\n"
    "  const text = 'a' + seconds;\n"
    "  return spawnSync('sleep', [String(seconds)]) + text;\n"
    "}\n"
    "class Outer {\n"
    "  call() {\n"
    "\n"
    "    return inner(5);\n"
    "  }\n"
    "}\n"
    "new Outer().call();\n";

TEST_F(NodeProgram, TellsItsFunctionsWithTheLinesTheyAreAt) {
  const Child child = run(kProgram);

  EXPECT_EQ(stack_of(child, 3), "inner:4 call:9 (anonymous):12 ");
  EXPECT_EQ(child.tracer(), 0);
}

TEST_F(NodeProgram, TellsThatItWaitsInAtomics) {
  const Child child =
      run("const cells = new Int32Array(new SharedArrayBuffer(4));\n"
          "function wait() {\n  Atomics.wait(cells, 0, 0);\n}\nwait();");

  EXPECT_EQ(stack_of(child, 2), "wait:3 (anonymous):5 ");
}

TEST_F(NodeProgram, SurvivesTornAndHostileMemory) {
  const Child child = run(kProgram);
  ASSERT_FALSE(stack_of(child, 3).empty());
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;
  ASSERT_EQ(user_frames(*space, images).size(), 3U);
  const auto start = std::chrono::steady_clock::now();

  EXPECT_GE(linux::testing::read_torn(*space,
                                      [&](const linux::AddressSpace& torn) {
                                        return user_frames(torn, images).size() == 3;
                                      }),
            7);

  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(V8, IsNoneInOtherPrograms) {
  const Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;

  const auto v8 = V8::find(*space, images);

  ASSERT_FALSE(v8);
  EXPECT_EQ(v8.error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::runtime::node
