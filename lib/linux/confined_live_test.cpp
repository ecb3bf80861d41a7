#include "linux/confined.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "linux/testing.h"

namespace ipcdoctor::linux {
namespace {

using ::testing::HasSubstr;

bool always() {
  return true;
}

/// What one that does `body` answers.
Result<std::string> answer_of(const Confined::Answer& body, const Confinement& confinement = {}) {
  auto child = Confined::start(confinement, -1, body);
  if (!child) return child.error();
  return child->ask("", always);
}

std::string errno_of(bool failed) {
  return failed ? std::strerror(errno) : "allowed";
}

std::string none_of(long result) {
  return errno_of(result < 0);
}

TEST(ConfinedLiveTest, ItAnswersOneQuestionAfterTheOther) {
  int count = 0;
  auto child = Confined::start({}, -1, [count](std::string_view question) mutable {
    return std::string(question) + std::to_string(++count);
  });
  ASSERT_TRUE(child);
  EXPECT_EQ(child->ask("a", always).value_or(""), "a1");
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(child->ask(large, always).value_or(""), large + "2");
}

struct Attempt {
  const char* name;
  long (*run)();
};

class ConfinedRights : public ::testing::TestWithParam<Attempt> {};

TEST_P(ConfinedRights, AreNotThere) {
  const auto answer = answer_of([](std::string_view) { return none_of(GetParam().run()); });
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(*answer, std::strerror(EPERM));
}

INSTANTIATE_TEST_SUITE_P(
    OfEachKind, ConfinedRights,
    ::testing::Values(
        Attempt{"OpenAFile", [] { return long{::open("/etc/passwd", O_RDONLY)}; }},
        Attempt{"MakeAFile", [] { return long{::open("/tmp/x", O_WRONLY | O_CREAT, 0600)}; }},
        Attempt{"RemoveAFile", [] { return long{::unlink("/nowhere")}; }},
        Attempt{"Connect", [] { return long{::socket(AF_INET, SOCK_STREAM, 0)}; }},
        Attempt{"Signal", [] { return long{::kill(1, 0)}; }},
        Attempt{"Fork", [] { return long{::fork()}; }},
        Attempt{"Execute", [] { return long{::execl("/bin/true", "true", nullptr)}; }},
        Attempt{"LookAtFiles", [] { return long{::access("/etc/passwd", F_OK)}; }},
        Attempt{"LookAtDescriptors", [] { return long{::fcntl(0, F_GETFD)}; }},
        Attempt{"MapCode",
                [] {
                  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  return at == MAP_FAILED ? -1L : 0L;
                }}),
    [](const auto& attempt) { return attempt.param.name; });

TEST(ConfinedLiveTest, ItHasNoCapabilityAndGainsNoneAndHasTwoDescriptors) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  // what it may not ask for itself is seen from outside, while it thinks
  auto child = Confined::start({}, file.get(), [](std::string_view) {
    for (;;) {
    }
    return std::string();
  });
  ASSERT_TRUE(child);
  std::string status;
  std::vector<int> open;
  const auto self = ProcDir::open(Pid{::getpid()});
  ASSERT_TRUE(self);
  const auto look = [&] {
    const auto children =
        self->read("task/" + std::to_string(::getpid()) + "/children").value_or("");
    const auto dir = ProcDir::open(Pid{std::atoi(children.c_str())});
    if (dir) status = dir->read("status").value_or("");
    if (dir) open = dir->list_numbers("fd").value_or(std::vector<int>{});
    return status.find("Seccomp:\t2") == std::string::npos;
  };
  EXPECT_FALSE(child->ask("", look));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("CapPrm:\t0000000000000000"));
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_EQ(open.size(), 2U);
}

TEST(ConfinedLiveTest, ExceptionsAreThrownAndCaught) {
  const auto answer = answer_of([](std::string_view) -> std::string {
    try {
      throw std::runtime_error("thrown");
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  });
  EXPECT_EQ(answer.value_or(""), "thrown");
}

TEST(ConfinedLiveTest, ACrashIsTold) {
  const auto answer = answer_of([](std::string_view) {
    *static_cast<volatile int*>(nullptr) = 1;
    return std::string();
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().cause, Cause::Other);
  EXPECT_EQ(answer.error().what, "crashed (signal 11)");
}

TEST(ConfinedLiveTest, MemoryHasItsBound) {
  const auto answer = answer_of([](std::string_view) {
    std::vector<std::string> all;
    for (;;) all.emplace_back(std::size_t{8} << 20, 'x');
    return std::string();
  });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().cause, Cause::Limit);
  EXPECT_EQ(answer.error().what, "ran out of memory");
}

TEST(ConfinedLiveTest, ProcessorTimeHasItsBound) {
  const auto answer = answer_of(
      [](std::string_view) {
        for (;;) {
        }
        return std::string();
      },
      {.cpu = std::chrono::seconds(1)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().cause, Cause::TimedOut);
  EXPECT_EQ(answer.error().what, "ran out of processor time");
}

TEST(ConfinedLiveTest, TooLongAnAnswerIsNotTaken) {
  const auto answer =
      answer_of([](std::string_view) { return std::string(1 << 20, 'x'); }, {.answer = 1 << 16});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().cause, Cause::Limit);
}

TEST(ConfinedLiveTest, NobodyWaitsLongerThanHeWantsToAndNothingIsLeft) {
  auto child = Confined::start({}, -1, [](std::string_view) {
    for (;;) {
    }
    return std::string();
  });
  ASSERT_TRUE(child);
  int ticks = 0;
  const auto answer = child->ask("", [&] { return ++ticks < 3; });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().what, "took too long");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "it was reaped";
  EXPECT_EQ(child->ask("", always).error().cause, Cause::Gone);
}

TEST(ConfinedLiveTest, ItDiesWithItsParent) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  UniqueFd read_end(pipe[0]), write_end(pipe[1]);
  {
    const testing::Child parent([&] {
      auto child = Confined::start({}, write_end.get(), [](std::string_view) {
        for (;;) {
        }
        return std::string();
      });
      if (child) (void)child->ask("", always);
      return 0;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  write_end.reset();
  char byte = 0;
  EXPECT_EQ(::read(read_end.get(), &byte, 1), 0) << "nobody has the other end any more";
}

}  // namespace
}  // namespace ipcdoctor::linux
