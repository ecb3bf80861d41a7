#include "unwind/unwind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "unwind/child_for_test.h"
#include "unwind/unwinder.h"

namespace ipcdoctor::unwind {
namespace {

using snapshot::Frame;
using snapshot::FrameKind;
using test::Child;
using test::compile;
using test::registers_of;
using testing::HasSubstr;
using testing::Not;

constexpr char kReader[] = R"(
#include <unistd.h>
int inner(int fd) {
  char c;
  return (int)read(fd, &c, 1);          // line 5
}
int outer(int n, int fd) { return n == 0 ? inner(fd) : outer(n - 1, fd) + 1; }
int main(void) {
  int p[2];
  if (pipe(p) != 0) return 1;
  return outer(20, p[0]) + 1;           // line 11
}
)";

constexpr char kLocker[] = R"(
#include <pthread.h>
#include <stdio.h>
struct { int x; pthread_mutex_t mutex; } table;
pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static void take(void) { pthread_mutex_lock(&log_mutex); puts(""); }
static void* run(void* p) { take(); return p; }
int main(void) {
  pthread_t t;
  pthread_mutex_lock(&log_mutex);
  pthread_create(&t, NULL, run, NULL);
  return pthread_join(t, NULL);
}
)";

constexpr char kInlined[] = R"(
#include <unistd.h>
namespace app {
struct Reader {
  int fd;
  __attribute__((always_inline)) int once() {
    char c;
    return static_cast<int>(::read(fd, &c, 1)) + 1;   // line 8
  }
  __attribute__((noinline)) int all() { return once() + 1; }
};
}
int main() {
  int p[2];
  if (pipe(p) != 0) return 1;
  return app::Reader{p[0]}.all() + 1;
}
)";

/// The stack of a thread with all names, by a fresh set of images.
std::vector<Frame> stack_of(int pid, const linux::SyscallState& call) {
  Images images;
  const auto space = linux::AddressSpace::open(Pid{pid});
  if (!space) return {};
  auto frames = images.unwind(*space, registers_of(call));
  if (!frames) return {};
  images.describe(*space, *frames);
  return *frames;
}

std::vector<std::string> functions_of(const std::vector<Frame>& frames, std::string_view module) {
  std::vector<std::string> names;
  for (const Frame& f : frames) {
    if (f.module == module) names.push_back(f.function);
  }
  return names;
}

/// What eu-stack, which stops the target, says of the thread; only names of functions, "" where it
/// has none.
std::vector<std::string> eu_stack_functions(int pid) {
  std::vector<std::string> names;
  FILE* pipe = ::popen(("eu-stack -1 -p " + std::to_string(pid) + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return names;
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    unsigned long pc = 0;
    char name[1024] = "";
    if (std::sscanf(line, "#%*d %lx %1023s", &pc, name) >= 1) {
      names.emplace_back(name);
    }
  }
  (void)::pclose(pipe);
  return names;
}

class UnwindLive : public testing::TestWithParam<const char*> {};

TEST_P(UnwindLive, EveryFrameOfABlockedReader) {
  const std::string program = compile(kReader, GetParam());
  if (program.empty()) GTEST_SKIP() << "no compiler for " << GetParam();
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  const auto frames = stack_of(child.pid(), calls[0].second);

  const auto functions = functions_of(frames, "app");
  const std::string text = testing::PrintToString(functions);
  EXPECT_EQ(std::ranges::count(functions, "outer"), 21) << text;
  EXPECT_EQ(std::ranges::count(functions, "inner"), 1) << text;
  EXPECT_EQ(std::ranges::count(functions, "main"), 1) << text;
  const auto inner = std::ranges::find(frames, "inner", &Frame::function);
  ASSERT_NE(inner, frames.end());
  EXPECT_EQ(inner->line, 5);
  EXPECT_FALSE(inner->guessed);
  EXPECT_TRUE(inner->user_code);
  EXPECT_THAT(inner->file, HasSubstr("/app.c"));
  const auto main = std::ranges::find(frames, "main", &Frame::function);
  ASSERT_NE(main, frames.end());
  EXPECT_EQ(main->line, 11);
}

TEST_P(UnwindLive, AgreesWithADebuggerThatStopsTheThread) {
  const std::string program = compile(kReader, GetParam());
  if (program.empty()) GTEST_SKIP() << "no compiler for " << GetParam();
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  std::vector<std::string> ours;
  for (const Frame& f : stack_of(child.pid(), calls[0].second)) {
    if (f.kind == FrameKind::Native) ours.push_back(f.function);
  }
  const auto theirs = eu_stack_functions(child.pid());
  if (theirs.empty()) GTEST_SKIP() << "no eu-stack";
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    // libc has several names for one address: compare the program's own
    if (ours[i] == "outer" || ours[i] == "inner" || ours[i] == "main") {
      EXPECT_EQ(ours[i], theirs[i]) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Flags, UnwindLive,
    testing::Values("-O0", "-O1 -fno-inline -fno-optimize-sibling-calls -fomit-frame-pointer",
                    "-O1 -fno-inline -fno-optimize-sibling-calls -fno-omit-frame-pointer",
                    "-O0 -static", "-O0 -no-pie"),
    [](const auto& parameter) {
      std::string name = parameter.param;
      std::erase_if(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; });
      return name;
    });

TEST(UnwindLiveTest, MuslHasNoUnwindInformationAndIsBridged) {
  const std::string program =
      compile(kReader, "-O0 -specs /usr/lib/x86_64-linux-musl/musl-gcc.specs");
  if (program.empty()) GTEST_SKIP() << "no musl";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  const auto frames = stack_of(child.pid(), calls[0].second);
  const auto inner = std::ranges::find(frames, "inner", &Frame::function);
  ASSERT_NE(inner, frames.end());
  EXPECT_EQ(inner->line, 5);
  EXPECT_TRUE(inner->guessed);
}

TEST(UnwindLiveTest, AStrippedProgramWithMiniDebugInfoHasNames) {
  const std::string program = compile(kReader, "-O0");
  const std::string folder = program.substr(0, program.rfind('/'));
  const std::string pack = "cd " + folder +
                           " && objcopy --strip-debug app mini && xz mini && strip app && "
                           "objcopy --add-section .gnu_debugdata=mini.xz app";
  if (program.empty() || std::system(pack.c_str()) != 0) GTEST_SKIP() << "no compiler or no xz";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);

  const auto functions = functions_of(stack_of(child.pid(), calls[0].second), "app");

  EXPECT_EQ(std::ranges::count(functions, "outer"), 21) << testing::PrintToString(functions);
  EXPECT_EQ(std::ranges::count(functions, "main"), 1);
}

TEST(UnwindLiveTest, ADeletedProgramIsReadThroughItsMapping) {
  const std::string program = compile(kReader, "-O0");
  if (program.empty()) GTEST_SKIP() << "no compiler";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  ASSERT_TRUE(std::filesystem::remove(program));
  const auto frames = stack_of(child.pid(), calls[0].second);
  EXPECT_NE(std::ranges::find(frames, "main", &Frame::function), frames.end());
  EXPECT_NE(std::ranges::find(frames, "app", &Frame::module), frames.end())
      << "without \" (deleted)\"";
}

TEST(UnwindLiveTest, AReplacedProgramIsNotReadByItsName) {
  const std::string program = compile(kReader, "-O0");
  const std::string other = compile(kLocker, "-O0");
  if (program.empty() || other.empty()) GTEST_SKIP() << "no compiler";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  std::filesystem::rename(other, program);
  const auto frames = stack_of(child.pid(), calls[0].second);
  EXPECT_EQ(std::ranges::find(frames, "take", &Frame::function), frames.end());
  EXPECT_NE(std::ranges::find(frames, "inner", &Frame::function), frames.end());
}

TEST(UnwindLiveTest, InlinedCallsComeBeforeTheFunctionTheyAreIn) {
  const std::string program = compile(kInlined, "-O2", ".cpp");
  if (program.empty()) GTEST_SKIP() << "no compiler";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  const auto frames = stack_of(child.pid(), calls[0].second);
  const auto once = std::ranges::find(frames, "app::Reader::once()", &Frame::function);
  ASSERT_NE(once, frames.end());
  EXPECT_EQ(once->kind, FrameKind::Inlined);
  EXPECT_EQ(once->line, 8);
  ASSERT_NE(once + 1, frames.end());
  EXPECT_THAT((once + 1)->function, testing::StartsWith("app::Reader::all()"));
  EXPECT_EQ((once + 1)->kind, FrameKind::Native);
  EXPECT_EQ((once + 1)->pc, once->pc);
}

TEST(UnwindLiveTest, FunctionsAndVariablesBySymbols) {
  const std::string program = compile(kLocker, "-O0");
  if (program.empty()) GTEST_SKIP() << "no compiler";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_futex, 2);
  ASSERT_EQ(calls.size(), 2U);
  const auto waiter =
      std::ranges::find_if(calls, [&](const auto& c) { return c.first != child.pid(); });
  Images images;
  const auto space = linux::AddressSpace::open(Pid{child.pid()});
  ASSERT_TRUE(space);

  const RemoteAddr mutex{waiter->second.args[0]};
  const auto variable = images.variable_at(*space, mutex);
  ASSERT_TRUE(variable);
  EXPECT_EQ(variable->name, "log_mutex");
  EXPECT_EQ(variable->module, "app");
  EXPECT_EQ(variable->offset, 0U);
  const auto address = images.address_of(*space, "app", "log_mutex");
  ASSERT_TRUE(address);
  EXPECT_EQ(*address, mutex);

  const auto table = images.address_of(*space, "app", "table");  // .bss: behind the mapped file
  ASSERT_TRUE(table);
  const auto inside = images.variable_at(*space, RemoteAddr{table->value + 8});
  ASSERT_TRUE(inside);
  EXPECT_EQ(inside->name, "table");
  EXPECT_EQ(inside->offset, 8U);
  EXPECT_FALSE(images.variable_at(*space, waiter->second.sp)) << "a stack holds no named variables";

  const auto lock = images.address_of(*space, "libc", "pthread_mutex_lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(images.function_at(*space, *lock).value_or(""), "pthread_mutex_lock");
  EXPECT_FALSE(images.address_of(*space, "app", "no_such_symbol"));
  EXPECT_FALSE(images.function_at(*space, RemoteAddr{8}));
}

TEST(UnwindLiveTest, NoSwitchOfTheThreadThatIsRead) {
  const std::string program = compile(kReader, "-O0");
  if (program.empty()) GTEST_SKIP() << "no compiler";
  const Child child(program);
  const auto calls = child.wait_blocked(SYS_read);
  ASSERT_EQ(calls.size(), 1U);
  const auto dir = linux::ProcDir::open(Pid{child.pid()});
  ASSERT_TRUE(dir);
  const auto switches = [&] {
    const std::string status = dir->read("status").value_or("");
    return status.substr(status.find("voluntary_ctxt_switches"));
  };
  const std::string before = switches();
  ASSERT_THAT(stack_of(child.pid(), calls[0].second), Not(testing::IsEmpty()));
  EXPECT_EQ(switches(), before);
}

/// The quick way and libunwind must agree, frame by frame, on every thread of a big program that is
/// at hand.
TEST(UnwindLiveTest, TheQuickWayAgreesWithLibunwind) {
  const Child child([] {
    (void)::execlp(
        "python3", "python3", "-c",
        "import threading\n"
        "lock = threading.Lock()\n"
        "lock.acquire()\n"
        "def f(n): lock.acquire() if n == 0 else sorted([1], key=lambda x: f(n - 1))\n"
        "for n in range(10): threading.Thread(target=f, args=(n,), daemon=True).start()\n"
        "lock.acquire()\n",
        nullptr);
    ::_exit(127);
  });
  const auto calls = child.wait_blocked(SYS_futex, 11);
  if (calls.empty()) GTEST_SKIP() << "no python3";
  const auto space = linux::AddressSpace::open(Pid{child.pid()});
  ASSERT_TRUE(space);
  ImageCache images;
  Unwinder unwinder(images);
  std::size_t frames = 0;
  for (const auto& [tid, call] : calls) {
    const RawStack quick = unwinder.unwind(*space, registers_of(call), 512);
    const RawStack slow = unwinder.unwind_slowly(*space, registers_of(call), 512);
    ASSERT_EQ(quick.end, slow.end) << tid;
    ASSERT_EQ(quick.frames.size(), slow.frames.size()) << tid;
    for (std::size_t i = 0; i < slow.frames.size(); ++i) {
      EXPECT_EQ(quick.frames[i].pc, slow.frames[i].pc) << tid << " frame " << i;
      EXPECT_EQ(quick.frames[i].sp, slow.frames[i].sp) << tid << " frame " << i;
    }
    frames += slow.frames.size();
  }
  EXPECT_GT(frames, 100U);
}

// ---- our own memory as a hostile target

class HostileStack : public testing::Test {
 protected:
  HostileStack() {
    words_ = static_cast<std::uint64_t*>(
        ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    space_ = linux::AddressSpace::open(Pid{::getpid()});
  }
  ~HostileStack() override { (void)::munmap(words_, kSize); }
  std::size_t unwind_from(std::uint64_t pc) {
    space_->memory.drop_cache();
    Registers registers;
    registers.pc = RemoteAddr{pc};
    registers.sp = RemoteAddr{reinterpret_cast<std::uint64_t>(words_)};
    const auto frames = images_.unwind(*space_, registers);
    return frames ? frames->size() : 0;
  }
  static constexpr std::size_t kSize = 1 << 16;
  std::uint64_t* words_;
  Result<linux::AddressSpace> space_;
  Images images_;
};

TEST_F(HostileStack, RandomWordsEnd) {
  ASSERT_TRUE(space_);
  const auto pc = images_.address_of(*space_, "libc", "read");
  ASSERT_TRUE(pc);
  std::mt19937_64 random(1);
  const auto self = reinterpret_cast<std::uint64_t>(words_);
  for (int round = 0; round < 200; ++round) {
    for (std::size_t i = 0; i < kSize / 8; ++i) {
      // a mix of stack addresses, code addresses and noise
      const std::uint64_t r = random();
      words_[i] = r % 3 == 0 ? self + r % kSize : r % 3 == 1 ? pc->value + r % 65536 : r;
    }
    EXPECT_LE(unwind_from(pc->value + 16), 512U);
  }
}

TEST_F(HostileStack, ACyclicChainEnds) {
  ASSERT_TRUE(space_);
  const auto pc = images_.address_of(*space_, "libc", "read");
  ASSERT_TRUE(pc);
  // every word is the same return address and every saved rbp points at itself
  for (std::size_t i = 0; i < kSize / 8; ++i)
    words_[i] = i % 2 == 0 ? reinterpret_cast<std::uint64_t>(words_ + i) : pc->value + 5;
  EXPECT_LE(unwind_from(pc->value + 16), 512U);
}

TEST_F(HostileStack, WildProgramCounters) {
  ASSERT_TRUE(space_);
  for (const std::uint64_t pc : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63,
                                 reinterpret_cast<std::uint64_t>(words_)}) {
    EXPECT_LE(unwind_from(pc), 2U);
  }
  EXPECT_EQ(unwind_from(0), 0U);
}

}  // namespace
}  // namespace ipcdoctor::unwind
