#include <sys/stat.h>

#include <filesystem>

#include "process_for_tests.h"

/// Where reports go, and what they may not do to what is there already or reads them.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Files : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  Result report_to(const std::string& where) const {
    return ipcdoctor({"attach", std::to_string(sleeper_.pid()), "--format", "json=" + where});
  }
  std::size_t count() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const fs::path folder_ = fs::path(::testing::TempDir()) / ("files." + std::to_string(::getpid()));
  Process sleeper_{{"sleep", "1000"}, false};
};

TEST_F(Files, ArePrivateAndReplaceOnesOfOurOwn) {
  std::ofstream(path("r.json")) << "old";
  fs::create_hard_link(path("r.json"), path("other-name"));

  EXPECT_EQ(report_to(path("r.json")).exit_code & ~3, 0);

  EXPECT_THAT(read_file(path("r.json")), HasSubstr("ipcdoctor/report/1"));
  EXPECT_EQ(fs::status(path("r.json")).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(read_file(path("other-name")), "old") << "it is replaced, not written to";
  EXPECT_EQ(count(), 2U);
}

TEST_F(Files, OfOtherKindsAreRefused) {
  std::ofstream(path("victim")) << "precious";
  fs::create_symlink(path("victim"), path("link"));
  fs::create_symlink(path("nothing"), path("dangling"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0666), 0);
  const Process reader({"cat", path("fifo")}, false);

  for (const char* name : {"link", "dangling", "fifo", "."})
    expect_one_line(report_to(path(name)), 2);
  expect_one_line(report_to("/dev/zero"), 2);
  expect_one_line(ipcdoctor({"save", std::to_string(sleeper_.pid()), "-o", path("link")}), 2);

  EXPECT_EQ(read_file(path("victim")), "precious");
  EXPECT_EQ(count(), 4U);
}

TEST_F(Files, OfOtherUsersAreRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make one";
  std::ofstream(path("r.json")) << "theirs";
  ASSERT_EQ(::chown(path("r.json").c_str(), 12345, 12345), 0);
  fs::permissions(path("r.json"), fs::perms::all);

  const Result result = report_to(path("r.json"));

  expect_one_line(result, 2);
  EXPECT_THAT(result.output, HasSubstr("uid 12345"));
  EXPECT_EQ(read_file(path("r.json")), "theirs");
}

TEST_F(Files, AreNotLeftBehindWhenWritingFails) {
  const std::string attach =
      IPCDOCTOR_BINARY " attach " + std::to_string(sleeper_.pid()) + " --format json=";

  expect_one_line(run_command({"sh", "-c", "ulimit -f 0; exec " + attach + path("r.json")}), 2);

  EXPECT_EQ(count(), 0U);
}

TEST_F(Files, ThatAreFullAreNoEnd) {
  const std::string limited = "ulimit -f 0; exec " IPCDOCTOR_BINARY " ";
  const auto code = [&](const std::string& options) {
    return run_command({"sh", "-c", limited + options}).exit_code;
  };

  EXPECT_EQ(code("attach 4194304 2>" + path("out")), 4);
  EXPECT_EQ(code("attach " + std::to_string(sleeper_.pid()) + " >" + path("out")), 2);
  EXPECT_EQ(code("run true 2>" + path("out")), 0);
  EXPECT_EQ(code("run sh -c 'echo >" + path("out") + "'"), -SIGXFSZ);
  expect_one_line(run_command({"sh", "-c", limited + "probes >" + path("out")}), 2);
}

TEST_F(Files, DescriptorsThatWereGivenAreWrittenTo) {
  const std::string attach =
      IPCDOCTOR_BINARY " attach " + std::to_string(sleeper_.pid()) + " --format json=";

  for (const char* where : {"/dev/fd/5 5>>", "/proc/self/fd/5 5>>", "/dev/stdout >>"}) {
    std::ofstream(path("out")) << "first\n";
    run_command({"sh", "-c", attach + where + path("out")});
    EXPECT_TRUE(read_file(path("out")).starts_with("first\n{")) << where;
  }
  expect_one_line(report_to("/dev/fd/77"), 2);
  EXPECT_EQ(report_to("/dev/null").exit_code & ~3, 0);
}

TEST_F(Files, TheStepSummaryIsAppendedToAndNeverThroughALink) {
  std::ofstream(path("summary")) << "before\n";
  fs::create_symlink(path("summary"), path("link"));
  const auto run = [&](const std::string& name) {
    return run_command({"env", "GITHUB_STEP_SUMMARY=" + path(name), IPCDOCTOR_BINARY, "attach",
                        std::to_string(sleeper_.pid()), "--format", "github=/dev/null"});
  };

  EXPECT_EQ(run("summary").exit_code & ~3, 0);
  const std::string text = read_file(path("summary"));
  EXPECT_TRUE(text.starts_with("before\n###")) << text;
  expect_one_line(run("link"), 2);
  EXPECT_EQ(read_file(path("summary")), text);
}

/// The lines in which the runner of GitHub Actions would find a command (actions/runner,
/// ActionCommand.TryParseV2 and TryParse).
std::vector<std::string> workflow_commands(const std::string& output) {
  std::vector<std::string> found;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(" \t"));
    if (line.starts_with("::") || line.find("##[") != std::string::npos) found.push_back(line);
  }
  return found;
}

/// A program whose names are workflow commands hangs.
TEST_F(Files, WorkflowCommandsInNamesDoNotReachTheRunner) {
  const std::string script = path("::error::file ##[error]x.py");
  std::ofstream(script) << "import os, threading\n"
                           "lock = threading.Lock()\n"
                           "def f(l):\n    l.acquire()\n"
                           "f.__code__ = f.__code__.replace(co_name='::error::PWN',"
                           " co_filename='x ##[error]PWN ::stop-commands::y')\n"
                           "lock.acquire()\nprint('READY', flush=True)\nf(lock)\n";
  Process hung({"/usr/bin/python3", script}, false);
  hung.read_until("READY");
  std::this_thread::sleep_for(300ms);

  const auto output = [&](const std::string& command) {
    return run_command({"sh", "-c", "GITHUB_ACTIONS=true exec " IPCDOCTOR_BINARY " " + command})
        .output;
  };
  const std::string pid = std::to_string(hung.pid());
  const auto in_github = workflow_commands(output("attach -v --format github " + pid));
  const auto in_text = workflow_commands(output("attach -v " + pid));
  const auto in_run =
      workflow_commands(output("run -v --timeout 1s -- /usr/bin/python3 '" + script + "'"));

  for (const std::string& line : in_github)
    EXPECT_THAT(line, ::testing::ContainsRegex("^::(error|notice) title=IPC|^::(end)?group::"));
  ASSERT_EQ(in_text.size(), 2U);
  ASSERT_EQ(in_run.size(), 2U);
  EXPECT_TRUE(in_run[0].starts_with("::stop-commands::ipcdoctor-"));
  EXPECT_EQ(in_run[1], "::" + in_run[0].substr(std::string("::stop-commands::").size()) + "::");
}

TEST(Brief, HasFortyLinesAtMostOfAllThatWasRecorded) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(IPCDOCTOR_TESTDATA "/snapshots")) {
    if (entry.path().extension() != ".json") continue;
    const std::string file = entry.path();
    const Result result = ipcdoctor({"analyze", file, "--format", "brief"});
    EXPECT_TRUE(result.output.starts_with("## ")) << file << '\n' << result.output;
    EXPECT_LE(std::ranges::count(result.output, '\n'), 40) << file << '\n' << result.output;
    EXPECT_THAT(result.output, HasSubstr("\nNext:\n")) << file;
    ++count;
  }
  EXPECT_GT(count, 0U);
}

TEST_F(Files, SecretsOfACommandLineAreNotInThem) {
  Process hung({"sh", "-c", "sleep 1000; :", "sh", "--token", "hunter2-value", "plain-value"},
               false);
  std::this_thread::sleep_for(300ms);
  const std::string pid = std::to_string(hung.pid());

  const std::string names = ipcdoctor({"attach", pid, "--format", "json"}).output;
  const std::string snapshot = ipcdoctor({"save", pid, "-o", "-"}).output;
  const std::string values = ipcdoctor({"attach", pid, "--argv", "--format", "json"}).output;

  EXPECT_THAT(names, HasSubstr("\"--token\""));
  for (const std::string& text : {names, snapshot}) {
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
    EXPECT_THAT(text, Not(HasSubstr("plain-value")));
  }
  EXPECT_THAT(values, HasSubstr("plain-value"));
  EXPECT_THAT(values, Not(HasSubstr("hunter2")));
}

TEST(Demo, OfEachClassShowsThatClass) {
  std::istringstream classes(ipcdoctor({"probes"}).output);
  for (std::string code, slug; classes >> code >> slug; classes.ignore(1000, '\n')) {
    const Result result = ipcdoctor({"demo", slug});
    if (slug == "half-open-connection") {
      EXPECT_THAT(result.output, HasSubstr("two hosts"));
      continue;
    }

    EXPECT_TRUE(result.exit_code <= 1) << result.output;
    EXPECT_THAT(result.output, ::testing::ContainsRegex("\n\n[A-Z]+  " + slug + " .*" + code));
  }
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
