#include <sys/resource.h>
#include <sys/syscall.h>

#include "process_for_tests.h"

/// Why there is no report: each reason has one line and an exit code of its own.
namespace ipcdoctor::cmd::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class WithoutAReport : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(program_.read_until("READY"), HasSubstr("READY")); }

  Result attach(const std::function<void()>& before, const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv{IPCDOCTOR_BINARY, "attach", std::to_string(program_.pid())};
    argv.insert(argv.end(), more.begin(), more.end());
    return run_command(argv, before);
  }

 private:
  Process program_{{std::string(IPCDOCTOR_PROGRAMS) + "/healthy/lock_holder_sleeps"}, false};
};

void expect_one_line(const Result& result, const ::testing::Matcher<std::string>& words) {
  EXPECT_THAT(result.output, words);
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
}

TEST_F(WithoutAReport, AProcessOfOursThatIsKilledIsOne) {
  // kcmp(2) is asked by the helper alone, before it has sent anything.
  const Result result = attach([] { filter_call(SYS_kcmp, SECCOMP_RET_KILL_PROCESS); });
  EXPECT_EQ(result.exit_code, 5);
  expect_one_line(result, HasSubstr("the helper process crashed or was killed"));
}

TEST_F(WithoutAReport, NoTimeIsOne) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    const Result result = attach({}, {"--timeout", "1ms"});
    ASSERT_THAT(result.exit_code, AnyOf(0, 3, 7)) << result.output;
    if (result.exit_code != 7) continue;  // it was quicker
    expect_one_line(result, HasSubstr("gave no answer in time"));
    return;
  }
  GTEST_SKIP() << "it is always quicker here";
}

TEST_F(WithoutAReport, NoMemoryIsOneAndNothingElseComesBeforeIt) {
  bool ran_out = false;
  for (rlim_t kb = 64 << 10; kb > 4 << 10; kb -= kb > 26 << 10 ? 4 << 10 : 64) {
    const Result result = attach([kb] {
      const rlimit memory{kb << 10, kb << 10};
      ::setrlimit(RLIMIT_AS, &memory);
    });
    // the loader ran out of it, or what libraries do before main()
    if (result.exit_code == 127 || (ran_out && result.exit_code == -SIGABRT)) break;
    ASSERT_THAT(result.exit_code, AnyOf(0, 3, 6)) << kb << ": " << result.output;
    if (result.exit_code == 6)
      expect_one_line(result,
                      AnyOf(HasSubstr("out of memory"), HasSubstr("Cannot allocate memory")));
    ran_out = ran_out || result.exit_code == 6;
  }
  EXPECT_TRUE(ran_out);
}

TEST_F(WithoutAReport, ASmallStackIsNoReason) {
  const Result result = attach([] {
    const rlimit stack{64 << 10, 64 << 10};
    ::setrlimit(RLIMIT_STACK, &stack);
  });
  EXPECT_THAT(result.exit_code, AnyOf(0, 3)) << result.output;
  EXPECT_THAT(result.output, HasSubstr("WAITING"));
}

TEST(WithoutATarget, ThatIsGoneIsOneOfItsOwn) {
  const Result result = run_command({IPCDOCTOR_BINARY, "attach", "4194304"});
  EXPECT_EQ(result.exit_code, 4);
  expect_one_line(result, HasSubstr("no process has the id 4194304"));
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
