#include "runtime/ruby/threads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "runtime/interpreter_for_tests.h"

namespace ipcdoctor::runtime::ruby {
namespace {

using linux::testing::Child;
using linux::testing::eventually;
using ::testing::HasSubstr;

bool is_installed() {
  return testing::succeeds("ruby -e 0");
}

/// A program of Ruby.
class Program {
 public:
  explicit Program(const char* code) : child_(testing::run("ruby", "-e", code)) {}

  /// Each time anew, as all that was read is remembered.
  Result<std::vector<Thread>> threads() const {
    const auto space = linux::AddressSpace::open(child_.pid());
    if (!space) return space.error();
    unwind::Images images;
    const auto vm = Vm::find(*space, images);
    return vm ? read_threads(*vm) : Result<std::vector<Thread>>(vm.error());
  }
  /// The main thread as soon as it sleeps for that; nullopt: it never did.
  std::optional<Thread> main_in(Sleep sleep) const {
    std::optional<Thread> found;
    (void)eventually([&] {
      const auto all = threads();
      if (!all) return false;
      const auto main = std::ranges::find(*all, true, &Thread::is_main);
      if (main == all->end() || main->sleep != sleep || main->frames.empty()) return false;
      found = *main;
      return true;
    });
    return found;
  }
  const Child& child() const { return child_; }

 private:
  Child child_;
};

class RubyProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!is_installed()) GTEST_SKIP() << "there is no Ruby here";
  }
};

TEST_F(RubyProgram, TellsTheLineAndTheCallersOfAThread) {
  const Program program(
      "q = Queue.new\ndef take(q)\n  q.pop\nend\nThread.new { sleep }\n\ntake(q)");

  const auto main = program.main_in(Sleep::Queue);

  ASSERT_TRUE(main);
  std::vector<std::string> stack;
  for (const snapshot::Frame& frame : main->frames)
    if (frame.user_code) stack.push_back(frame.function + ":" + std::to_string(frame.line));
  ASSERT_EQ(stack.size(), 2U);
  EXPECT_THAT(stack[0], HasSubstr("take:3"));
  EXPECT_EQ(stack[1], "<main>:7");
  EXPECT_EQ(program.child().tracer(), 0);
}

TEST_F(RubyProgram, TellsTheLineInLongMethods) {
  std::string code = "def long(a)\n";
  for (int i = 0; i < 300; ++i) code += "  a += 1\n";
  code += "  sleep\nend\nThread.new { $stdin.read; sleep }\nlong(1)";
  const Program program(code.c_str());

  const auto main = program.main_in(Sleep::Other);

  ASSERT_TRUE(main);
  const auto user = std::ranges::find(main->frames, true, &snapshot::Frame::user_code);
  ASSERT_NE(user, main->frames.end());
  EXPECT_EQ(user->line, 302);
}

TEST_F(RubyProgram, TellsWhoHasAMutex) {
  const Program program(
      "m = Mutex.new; r, w = IO.pipe; t = Thread.new { m.synchronize { r.read } }\n"
      "sleep 0.1 until m.locked?\nm.lock");

  const auto main = program.main_in(Sleep::Mutex);
  const auto all = program.threads();

  ASSERT_TRUE(main);
  ASSERT_TRUE(all);
  const auto owner = std::ranges::find(*all, main->other, &Thread::address);
  ASSERT_NE(owner, all->end());
  EXPECT_FALSE(owner->is_main);
}

TEST_F(RubyProgram, WhoSleepsInAMutexDoesNotWaitForIt) {
  const Program program("m = Mutex.new; r, w = IO.pipe; Thread.new { r.read }\nm.lock; m.sleep");

  const auto main = program.main_in(Sleep::Other);

  EXPECT_TRUE(main);
}

TEST_F(RubyProgram, TellsWhichSignalsItHandlesItself) {
  const Program program("trap('USR1') { 1 }\ntrap('USR2', 'EXIT'); trap('HUP', 'IGNORE')\nsleep");
  ASSERT_TRUE(program.main_in(Sleep::Other));
  const auto space = linux::AddressSpace::open(program.child().pid());
  ASSERT_TRUE(space);
  unwind::Images images;
  const auto vm = Vm::find(*space, images);
  ASSERT_TRUE(vm);

  const auto traps = read_traps(*vm);

  ASSERT_TRUE(traps);
  const auto kind_of = [&](int signal) {
    const auto it = std::ranges::find(*traps, signal, &Trap::signal);
    return it == traps->end() ? std::nullopt : std::optional(it->kind);
  };
  EXPECT_EQ(kind_of(SIGUSR1), Trap::Kind::Code);
  EXPECT_EQ(std::ranges::find(*traps, SIGUSR1, &Trap::signal)->where, "-e:1");
  EXPECT_EQ(kind_of(SIGUSR2), Trap::Kind::Exit);
  EXPECT_EQ(kind_of(SIGTERM), Trap::Kind::Default);
  EXPECT_EQ(kind_of(SIGHUP), std::nullopt);
}

TEST_F(RubyProgram, SurvivesTornAndHostileMemory) {
  const Program program(
      "q = Queue.new; m = Mutex.new; r, w = IO.pipe\n"
      "3.times { Thread.new { m.synchronize { r.read } } }\ntrap('USR1') { 1 }\nq.pop");
  ASSERT_TRUE(program.main_in(Sleep::Queue));
  const auto space = linux::AddressSpace::open(program.child().pid());
  ASSERT_TRUE(space);
  unwind::Images images;
  const auto read = [&](const linux::AddressSpace& from) {
    const auto vm = Vm::find(from, images);
    if (!vm) return false;
    (void)read_traps(*vm);
    const auto threads = read_threads(*vm);
    return threads && threads->size() == 4;
  };
  ASSERT_TRUE(read(*space));
  const auto start = std::chrono::steady_clock::now();

  EXPECT_GE(linux::testing::read_torn(*space, read), 7);

  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

TEST(RubyVm, IsNoneInOtherPrograms) {
  const Child child([] { return ::pause(); });
  const auto space = linux::AddressSpace::open(child.pid());
  ASSERT_TRUE(space);
  unwind::Images images;

  const auto vm = Vm::find(*space, images);

  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().cause, Cause::Unsupported);
}

}  // namespace
}  // namespace ipcdoctor::runtime::ruby
