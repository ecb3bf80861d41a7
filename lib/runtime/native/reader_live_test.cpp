#include "runtime/native/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>

#include "linux/task_iterator.h"
#include "unwind/child_for_test.h"

namespace ipcdoctor::runtime::native {
namespace {

using namespace snapshot;
using unwind::test::Child;
using unwind::test::compile;

/// What the thread that is blocked in call `nr` and is not the main one does next.
Effects read_next(const Child& child, long nr, bool* gives_back = nullptr) {
  const auto blocked = child.wait_blocked(nr);
  const auto thread =
      std::ranges::find_if(blocked, [&](const auto& entry) { return entry.first != child.pid(); });
  Effects failed;
  failed.unknown = "the test found no thread";
  if (thread == blocked.end()) return failed;
  auto space = linux::AddressSpace::open(Pid{child.pid()});
  if (!space) return failed;
  unwind::Registers registers = unwind::test::registers_of(thread->second);
  if (const auto tasks = linux::read_kernel_tasks()) {
    const auto task = std::ranges::find(*tasks, Tid{thread->first}, &linux::KernelTask::tid);
    if (task != tasks->end() && task->sp == registers.sp.value) {
      registers.rbp = task->rbp, registers.rbx = task->rbx, registers.r12 = task->r12;
      registers.r13 = task->r13, registers.r14 = task->r14, registers.r15 = task->r15;
    }
  }
  unwind::ImageCache images;
  const auto stack = unwind::Unwinder(images).unwind(*space, registers, 512);
  Walk::Thread about;
  about.call = thread->second.nr;
  about.argument = thread->second.args[0];
  if (gives_back != nullptr) *gives_back = Reader(images).gives_back(*space, stack, about);
  return Reader(images).read_thread(*space, stack, about);
}

constexpr const char* kBegin = R"(
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <time.h>
#include <unistd.h>
static volatile int n; static int ends[2]; static sem_t sem; static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void nap(void) { struct timespec t = {3600, 0}; nanosleep(&t, 0); }
static void deep3(int *w) { *w = 1; sem_post(&sem); }
__attribute__((noinline)) static void deep2(int *w) { n++; deep3(w); n++; }
__attribute__((noinline)) static void deep1(int *w) { n++; deep2(w); n++; }
static void quiet(void) { n++; } static void (*volatile pointer)(void) = quiet;
static const char *const names[] = {"a", "b"};
static void *body(void *unused);
int main() { pthread_t t; prctl(PR_SET_PDEATHSIG, SIGKILL); sem_init(&sem, 0, 0); if (pipe(ends)) return 1;
  pthread_create(&t, 0, body, 0); for (;;) pause(); }
)";

struct Case {
  const char* what;
  const char* body;   ///< of void *body(void *unused)
  std::uint32_t has;  ///< what it does
  long call = SYS_clock_nanosleep;
  bool exact = true;  ///< nothing else is in the mask, if it was built with -O2
};

const Case kCases[] = {
    {"sleeps for ever", "for (;;) nap();", 0},
    {"counts", "for (;;) { nap(); n++; }", 0},
    {"sleeps by sleep(3)", "for (;;) { sleep(3600); n++; }", 0},
    {"polls nothing", "for (;;) { poll(0, 0, 3600000); n++; }", 0, SYS_poll},
    {"formats and copies",
     "char b[99]; for (;;) { nap(); snprintf(b, sizeof b, \"%d\", n); n += (int)strlen(b); }", 0},
    {"allocates",
     "for (;;) { nap(); char *p = malloc((unsigned)n + 9u); if (p) memset(p, n, 9); free(p); }", 0},
    {"looks at the time",
     "struct timespec t; for (;;) { nap(); clock_gettime(CLOCK_MONOTONIC, &t); n += (int)t.tv_sec "
     "+ (int)time(0); }",
     0},
    {"switches",
     "for (;;) { nap(); switch (n) { case 0: n = 3; break; case 1: n = 17; break; case 2: n ^= 5; "
     "break; "
     "case 3: n += getpid(); break; case 4: n -= 9; break; case 5: n = 1; break; case 6: n *= 3; "
     "break; default: n++; } }",
     0, SYS_clock_nanosleep, false},
    {"posts", "for (;;) { nap(); sem_post(&sem); }", kReleases},
    {"posts after ten rounds", "for (int i = 0;; i++) { nap(); if (i > 10) sem_post(&sem); }",
     kReleases},
    {"unlocks", "for (;;) { nap(); pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); }",
     kReleases},
    {"posts three functions deep", "int w; for (;;) { nap(); deep1(&w); }", kReleases},
    {"wakes by the bare call",
     "for (;;) { nap(); syscall(SYS_futex, &n, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0); }", kReleases},
    {"waits by the bare call",
     "for (;;) { nap(); struct timespec t = {1, 0}; syscall(SYS_futex, &n, FUTEX_WAIT_PRIVATE, 7, "
     "&t, 0, 0); }",
     0},
    {"wakes by an instruction",
     "for (;;) { nap(); long r = SYS_futex; register long ten __asm__(\"r10\") = 0; __asm__ "
     "volatile(\"syscall\" : \"+a\"(r) : \"D\"(&n), \"S\"(1L), \"d\"(1L), \"r\"(ten) : \"rcx\", "
     "\"r11\", \"memory\"); }",
     kReleases},
    {"writes", "for (;;) { nap(); if (write(ends[1], \"x\", 1) < 0) n++; }", kWrites},
    {"writes into standard error", "for (;;) { nap(); if (write(2, \"x\", 1) < 0) n++; }", kWrites},
    {"prints", "for (;;) { nap(); fprintf(stderr, \"%d\", n); }", kWrites},
    {"reads", "char c; for (;;) { nap(); if (read(ends[0], &c, 1) < 0) n++; }", kReads},
    {"closes", "for (;;) { nap(); close(ends[1]); }", kCloses},
    {"exits", "for (;;) { nap(); if (n) _exit(3); }", kExits},
    {"exits with its handlers", "for (;;) { nap(); if (n) exit(3); }", kExits},
    {"forks", "for (;;) { nap(); if (fork() == 0) _exit(0); }", kForks | kExits},
    {"kills", "for (;;) { nap(); kill(getppid(), SIGUSR1); }", kSignals},
    {"returns", "nap(); return unused;", kEndsThread},
    {"returns some day", "while (!n) nap(); return unused;", kEndsThread},
    {"calls through a pointer", "for (;;) { nap(); pointer(); }", kUnknown},
    {"jumps out", "static jmp_buf b; if (setjmp(b)) n++; for (;;) { nap(); longjmp(b, 1); }",
     kRaises},
    {"aborts if its memory is damaged",
     "char b[64]; for (;;) { nap(); if (n < 64) b[n & 63] = 1; n = b[3]; }", 0},
    {"asserts", "for (;;) { nap(); if (n) abort(); }", kExits | kSignals},
};

struct Build {
  const char* name;
  const char* options;
  bool exact;
};

const Build kBuilds[] = {
    {"O2", "-O2", true},
    {"O0", "-O0", false},
    {"frame pointer, stack protector", "-O2 -fno-omit-frame-pointer -fstack-protector-all", true},
    {"no PIE", "-O1 -no-pie -fno-pic", true},
    {"no PLT", "-O2 -fno-plt -Wl,-z,now", true},
    {"lazy", "-O2 -Wl,-z,lazy", true},
    {"static", "-O2 -static", false},
};

class NativeReader : public ::testing::TestWithParam<Build> {};

TEST_P(NativeReader, SeesAllThatAThreadMayDo) {
  for (const Case& one : kCases) {
    const std::string program = compile(std::string(kBegin) + "static void *body(void *unused) { " +
                                            one.body + "\n return unused; }",
                                        std::string("-w ") + GetParam().options);
    ASSERT_NE(program, "") << one.what;
    const Child child(program);

    const Effects effects = read_next(child, one.call);

    SCOPED_TRACE(std::string(one.what) + ": mask " + std::to_string(effects.mask) + " " +
                 effects.summary + "; " + effects.unknown);
    EXPECT_TRUE((effects.mask & one.has) == one.has || (effects.mask & kUnknown) != 0);
    const bool plain = (one.has & (kUnknown | kRaises | kExits)) == 0;
    if (GetParam().exact && one.exact && plain) {
      EXPECT_EQ(effects.mask, one.has);
    }
    std::filesystem::remove_all(std::filesystem::path(program).parent_path());
  }
}

INSTANTIATE_TEST_SUITE_P(Builds, NativeReader, ::testing::ValuesIn(kBuilds), [](const auto& about) {
  std::string name = about.param.name;
  std::erase_if(name, [](char c) { return !std::isalnum(c); });
  return name;
});

TEST(NativeReader, KnowsWhichDescriptorsAServerUses) {
  const std::string program = compile(std::string(kBegin) + R"(static void *body(void *unused) {
        int l = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = {.sin_family = AF_INET};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(l, (void *)&a, sizeof a) || listen(l, 8)) return unused;
        for (;;) { int c = accept(l, 0, 0); if (c >= 0) { if (write(c, "x", 1) < 0) n++; close(c); } } })",
                                      "-w -O2");
  ASSERT_NE(program, "");
  const Child child(program);

  const Effects effects = read_next(child, SYS_accept);

  EXPECT_EQ(effects.mask, kReads | kWrites | kCloses) << effects.unknown;
  if (linux::read_kernel_tasks()) {
    EXPECT_EQ(effects.fds.size(), 1U);  // which one depends on what we have open
  }
  EXPECT_EQ(effects.summary, "accepts connections, writes and closes descriptors");
}

TEST(NativeReader, KnowsWhereStdioWrites) {
  struct Print {
    const char* print;
    std::vector<int> fds;
  };
  for (const char* options : {"-w -O2", "-w -O0", "-w -O0 -no-pie -fno-pic"}) {
    for (const Print& one :
         {Print{"fprintf(stderr, \"%d\\n\", n);", {2}}, Print{"fputs(\"a\", stderr);", {2}},
          Print{"printf(\"%d\\n\", n); fflush(stdout);", {1}},
          Print{"perror(\"a\"); puts(\"b\");", {1, 2}}, Print{"fputs(\"a\", own);", {}},
          Print{"fflush(0);", {}}}) {
      const std::string program = compile(
          "#include <stdio.h>\nFILE *own;\n" + std::string(kBegin) +
              "static void *body(void *unused) { own = fopen(\"/dev/null\", \"w\"); for (;;) "
              "{ nap(); " +
              one.print + " } }",
          options);
      ASSERT_NE(program, "");
      const Child child(program);

      const Effects effects = read_next(child, SYS_clock_nanosleep);

      EXPECT_EQ(effects.mask, kWrites) << one.print << effects.unknown;
      EXPECT_EQ(effects.fds, one.fds) << one.print << options;
      std::filesystem::remove_all(std::filesystem::path(program).parent_path());
    }
  }
}

TEST(NativeReader, KnowsTheVariablesThatHoldADescriptorOrALock) {
  struct Act {
    const char* act;
    std::uint32_t mask;
    bool known;
  };
  for (const char* options : {"-w -O2", "-w -O0", "-w -O0 -no-pie -fno-pic"}) {
    for (const Act& one :
         {Act{"write(to[1], \"\", 1);", kWrites, true},
          Act{"write(to[1], \"\", 1); to[1] = 3;", kWrites, false},
          Act{"write(end, \"\", 1);", kWrites, true},
          Act{"write(end, \"\", 1); end = n;", kWrites, false},
          Act{"write(end, \"\", 1); scanned(&end);", kWrites, false},
          Act{"sem_post(&posted);", kReleases, true}, Act{"sem_post(own);", kReleases, true},
          Act{"sem_post(by);", kReleases, true}, Act{"sem_post(common);", kReleases, false}}) {
      const std::string program =
          compile("#include <semaphore.h>\n#include <sys/mman.h>\n" + std::string(kBegin) +
                      "static int to[2]; static sem_t posted, *by = &posted, *common;\n"
                      "static __attribute__((noipa)) void scanned(int *fd) { *fd = n; }\n"
                      "static void *body(void *unused) { pipe(to); sem_t *own = by; int end = "
                      "to[1]; common = mmap(0, 4096, 3, MAP_SHARED | "
                      "MAP_ANONYMOUS, -1, 0); for (;;) { nap(); " +
                      one.act + " } }",
                  options);
      ASSERT_NE(program, "");
      const Child child(program);

      const Effects effects = read_next(child, SYS_clock_nanosleep);

      EXPECT_EQ(effects.mask, one.mask) << one.act << effects.unknown;
      EXPECT_EQ(effects.fds.size() + effects.releases.size(), one.known ? 1U : 0U)
          << one.act << options;
      std::filesystem::remove_all(std::filesystem::path(program).parent_path());
    }
  }
}

TEST(NativeReader, KnowsWhetherASemaphoreIsPostedByWhoWaitsForIt) {
  for (const char* options : {"-w -O2", "-w -O0"}) {
    for (const auto& [act, is_lock] :
         {std::pair{"sem_wait(own); n++; sem_post(own);", true},
          std::pair{"while (sem_wait(&sem) == 0) { n++; sem_post(&sem); }", true},
          std::pair{"while (sem_wait(own) == 0) { n++; sem_post(&other); }", false},
          std::pair{"sem_wait(own + 1); n++; sem_post(own + 1);", true},
          std::pair{"sem_wait(own + 1); n++; sem_post(own + 2);", false},
          std::pair{"sem_t *next = own + 1; sem_wait(own); n++; sem_post(next); sem_post(own);",
                    true},
          std::pair{"while (sem_wait(own) == 0) n++;", false}}) {
      const std::string program =
          compile(std::string(kBegin) +
                      "static sem_t other, three[3]; static void *body(void *unused) "
                      "{ sem_t *own = three; if (n) own = &other;\n" +
                      act + " return 0; }",
                  options);
      ASSERT_NE(program, "");
      const Child child(program);
      bool gives_back = !is_lock;

      (void)read_next(child, SYS_futex, &gives_back);

      EXPECT_EQ(gives_back, is_lock) << act << options;
      std::filesystem::remove_all(std::filesystem::path(program).parent_path());
    }
  }
}

struct CxxCase {
  const char* what;
  const char* body;
  std::uint32_t has;
};

TEST(NativeReader, FollowsTheCxxLibraryAndStopsAtVirtualMethods) {
  const std::string begin = R"(
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>
std::atomic<int> n; std::mutex m; std::condition_variable c; std::vector<int> v;
struct Base { virtual void act() { n++; } virtual ~Base() = default; };
struct Derived : Base { void act() override { c.notify_all(); } };
Base *volatile object = new Derived;
void nap() { std::this_thread::sleep_for(std::chrono::hours(1)); }
void body();
int main() { prctl(PR_SET_PDEATHSIG, SIGKILL); std::thread t(body); for (;;) pause(); }
)";
  const CxxCase cases[] = {
      {"counts", "for (;;) { nap(); n++; }", 0},
      {"notifies", "for (;;) { nap(); c.notify_one(); }", kReleases},
      {"locks", "for (;;) { nap(); std::lock_guard<std::mutex> l(m); n++; }", kReleases},
      {"calls a virtual method", "for (;;) { nap(); object->act(); }", kUnknown},
      {"throws", "for (;;) { nap(); if (n) throw 7; }", kUnknown},
      {"returns", "nap();", kEndsThread},
  };
  for (const char* options : {"-w -O2", "-w -O0"}) {
    for (const CxxCase& one : cases) {
      const std::string program =
          compile(begin + "void body() { " + one.body + " }", options, ".cpp");
      ASSERT_NE(program, "") << one.what;
      const Child child(program);

      const Effects effects = read_next(child, SYS_clock_nanosleep);

      SCOPED_TRACE(std::string(one.what) + options + ": mask " + std::to_string(effects.mask) +
                   " " + effects.unknown);
      EXPECT_TRUE((effects.mask & one.has) == one.has || (effects.mask & kUnknown) != 0);
      std::filesystem::remove_all(std::filesystem::path(program).parent_path());
    }
  }
}

struct HandlerCase {
  const char* what;
  const char* body;  ///< of void handle(int number)
  std::uint32_t mask;
};

TEST(NativeReader, ReadsHandlersOfSignals) {
  if (!linux::read_kernel_tasks()) GTEST_SKIP() << "the kernel does not tell their addresses";
  const std::string begin = std::string(kBegin).substr(0, std::string(kBegin).find("int main"));
  const HandlerCase cases[] = {
      {"sets a flag", "n = number;", 0},
      {"writes into a pipe", "int e = errno; if (write(ends[1], \"x\", 1) < 0) n = 1; errno = e;",
       kWrites},
      {"posts", "sem_post(&sem);", kReleases},
      {"jumps out", "siglongjmp(out, 1);", kRaises},
      {"ends the process", "_exit(3);", kExits},
      {"says so and ends the process", "if (write(2, \"bye\", 3) < 0) _exit(1); exit(3);",
       kExits | kWrites},
      {"ends the process or not", "if (n++ > 2) _exit(3);", kExits | kUnknown},
      {"calls through a pointer", "pointer();", kUnknown},
      {"kills", "kill(0, number);", kSignals},
  };
  for (const char* options : {"-w -O2", "-w -O0", "-w -O2 -static"}) {
    for (const HandlerCase& one : cases) {
      const std::string program =
          compile(begin + "static sigjmp_buf out; static void handle(int number) { " + one.body +
                      " }\n int main() { struct sigaction a = {.sa_handler = handle}; "
                      "prctl(PR_SET_PDEATHSIG, SIGKILL); sigaction(SIGTERM, &a, 0); "
                      "sigsetjmp(out, 1); for (;;) pause(); }",
                  options);
      ASSERT_NE(program, "") << one.what;
      const Child child(program);
      ASSERT_FALSE(child.wait_blocked(SYS_pause).empty());
      const auto tasks = linux::read_kernel_tasks();
      ASSERT_TRUE(tasks);
      const auto task = std::ranges::find(*tasks, Tid{child.pid()}, &linux::KernelTask::tid);
      ASSERT_NE(task, tasks->end());
      ASSERT_EQ(task->actions.size(), 1U);
      auto space = linux::AddressSpace::open(Pid{child.pid()});
      ASSERT_TRUE(space);
      unwind::ImageCache images;

      const auto handler = Reader(images).read_handler(*space, task->actions[0].handler);

      SCOPED_TRACE(std::string(one.what) + options + ": " + handler.effects.unknown);
      EXPECT_EQ(handler.name, "handle in app");
      const bool is_static = std::string(options).ends_with("static");
      if (is_static) {
        EXPECT_TRUE(handler.effects.may(one.mask) || one.mask == 0);
      } else {
        EXPECT_EQ(handler.effects.mask, one.mask);
      }
      std::filesystem::remove_all(std::filesystem::path(program).parent_path());
    }
  }
}

/// A program whose thread naps once, then does things by chance, noting each before it does it, and
/// at last polls for ever.
class RandomProgram {
 public:
  explicit RandomProgram(unsigned seed) : chance_(seed) {
    for (int i = 0; i < 4; ++i) {
      functions_ += "__attribute__((noinline)) static int f" + std::to_string(i) + "(int a) {\n" +
                    statements(3, i) + "return a + n; }\n";
    }
  }
  std::string text() {
    return std::string(kBegin) + R"(
static volatile unsigned done; static int other[2];
static void *body(void *unused) { int a = 1; struct timespec t = {1, 0};
  if (pipe2(other, O_NONBLOCK)) return 0;
  nanosleep(&t, 0);
)" + "extern int f3(int); a += f3(a);\n" +
           "for (;;) poll(0, 0, 1 << 30); }\n";
  }
  std::string source() {
    std::string all = text();
    const std::string declaration = "extern int f3(int); ";
    all.erase(all.find(declaration), declaration.size());
    const std::size_t at = all.find("static void *body(void *unused) {");
    return all.insert(at, functions_);
  }
  std::string options() {
    static constexpr const char* kOptions[] = {"-O0",
                                               "-O1",
                                               "-O2",
                                               "-O3",
                                               "-Os",
                                               "-O2 -fno-plt",
                                               "-O2 -no-pie -fno-pic",
                                               "-O2 -fno-jump-tables"};
    return std::string("-w ") + kOptions[pick(std::size(kOptions))];
  }

 private:
  unsigned pick(std::size_t count) {
    chance_ = chance_ * 1103515245U + 12345U;
    return static_cast<unsigned>((chance_ >> 16) % count);
  }
  std::string act() {
    switch (pick(14)) {
      case 0:
        return "done |= 1; sem_post(&sem);";
      case 1:
        return "done |= 1; pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m);";
      case 2:
        return "done |= 2; { char c; if (read(other[0], &c, 1) < 0) n++; }";
      case 3:
        return "done |= 4; if (write(other[1], \"x\", 1) < 0) n++;";
      case 4:
        return "done |= 8; close(dup(other[0]));";
      case 5:
        return "done |= 64; if (fork() == 0) _exit(0);";
      case 6:
        return "done |= 128; kill(getpid(), SIGURG);";
      case 7:
        return "done |= 1; syscall(SYS_futex, &n, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);";
      case 8:
        return "done |= 4; fprintf(stderr, \"%s\", a > 900 ? names[0] : \"\");";
      case 9:
        return "pointer();";
      default:
        return "n += a;";
    }
  }
  std::string statements(int depth, int functions) {
    std::string out;
    for (unsigned i = 0, count = 1 + pick(3); i < count; ++i) {
      switch (depth == 0 ? 0 : pick(7)) {
        case 1:
          out += "if ((n + a) & 1) { " + statements(depth - 1, functions) + " } else { " +
                 statements(depth - 1, functions) + " }\n";
          break;
        case 2:
          out += "for (int i = 0; i < " + std::to_string(pick(4)) + "; i++) { " +
                 statements(depth - 1, functions) + " }\n";
          break;
        case 3:
          out += "switch ((unsigned)(n + a) % 7) {";
          for (int c = 0; c < 6; ++c)
            out += " case " + std::to_string(c) + ": " + act() +
                   " a += " + std::to_string(pick(90)) + "; break;";
          out += " default: a++; }\n";
          break;
        case 4:
          if (functions > 0)
            out += "a += f" + std::to_string(pick(static_cast<std::size_t>(functions))) + "(a);\n";
          break;
        default:
          out += act() + "\n";
      }
    }
    return out;
  }

  unsigned chance_;
  std::string functions_;
};

TEST(NativeReader, OfRandomProgramsNoEffectIsMissed) {
  const char* count = std::getenv("IPCDOCTOR_RANDOM_PROGRAMS");
  const unsigned programs = count == nullptr ? 12 : static_cast<unsigned>(std::atoi(count));
  int understood = 0;
  for (unsigned seed = 1; seed <= programs; ++seed) {
    RandomProgram random(seed * 7919);
    const std::string source = random.source();
    const std::string options = random.options();
    const std::string program = compile(source, options);
    ASSERT_NE(program, "") << source;
    const Child child(program);

    const Effects effects = read_next(child, SYS_clock_nanosleep);

    ASSERT_EQ(effects.unknown.find("the test found"), std::string::npos) << source;
    ASSERT_FALSE(child.wait_blocked(SYS_poll).empty()) << source;
    const auto space = linux::AddressSpace::open(Pid{child.pid()});
    ASSERT_TRUE(space);
    unwind::Images images;
    const auto address = images.address_of(*space, "app", "done");
    ASSERT_TRUE(address);
    const auto done = space->memory.read_u32(*address);
    ASSERT_TRUE(done);
    EXPECT_TRUE((effects.mask & kUnknown) != 0 || (*done & ~effects.mask) == 0)
        << "seed " << seed << " " << options << "\n"
        << source << "\n"
        << effects.mask;
    understood += (effects.mask & kUnknown) == 0 ? 1 : 0;
    std::filesystem::remove_all(std::filesystem::path(program).parent_path());
  }
  RecordProperty("understood", understood);
  EXPECT_GT(understood, 0);
}

}  // namespace
}  // namespace ipcdoctor::runtime::native
