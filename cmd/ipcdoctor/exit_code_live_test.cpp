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

void expect_one_line(const Result& result, const std::string& words) {
  EXPECT_THAT(result.output, HasSubstr(words));
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
}

TEST_F(WithoutAReport, AProcessOfOursThatIsKilledIsOne) {
  // kcmp(2) is asked by the helper alone, before it has sent anything.
  const Result result = attach([] { filter_call(SYS_kcmp, SECCOMP_RET_KILL_PROCESS); });
  EXPECT_EQ(result.exit_code, 5);
  expect_one_line(result, "the helper process crashed or was killed");
}

TEST_F(WithoutAReport, NoTimeIsOne) {
  const Result result = attach({}, {"--timeout", "1ms"});
  EXPECT_EQ(result.exit_code, 7);
  expect_one_line(result, "gave no answer in time");
}

TEST_F(WithoutAReport, NoMemoryIsOneAndNothingElseComesBeforeIt) {
  bool ran_out = false;
  for (rlim_t megabytes = 64; megabytes > 4; megabytes -= 2) {
    const Result result = attach([megabytes] {
      const rlimit memory{megabytes << 20, megabytes << 20};
      ::setrlimit(RLIMIT_AS, &memory);
    });
    if (result.exit_code == 127) break;  // the loader ran out of it
    ASSERT_THAT(result.exit_code, AnyOf(0, 3, 6)) << megabytes << ": " << result.output;
    if (result.exit_code == 6) expect_one_line(result, "out of memory");
    ran_out = ran_out || result.exit_code == 6;
    EXPECT_FALSE(ran_out && result.exit_code == 0) << megabytes;
  }
  EXPECT_TRUE(ran_out);
}

TEST(WithoutATarget, ThatIsGoneIsOneOfItsOwn) {
  const Result result = run_command({IPCDOCTOR_BINARY, "attach", "4194304"});
  EXPECT_EQ(result.exit_code, 4);
  expect_one_line(result, "no process has the id 4194304");
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
