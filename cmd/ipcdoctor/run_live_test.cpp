#include <pty.h>
#include <sys/ioctl.h>

#include <filesystem>
#include <thread>

#include "process_for_tests.h"

/// `ipcdoctor run` as CI and people use it.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// Those that have `marker` in their command line.
std::vector<pid_t> processes_with(const std::string& marker) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    if (read_file(entry.path() / "cmdline").find(marker) != std::string::npos)
      found.push_back(std::stoi(entry.path().filename()));
  }
  return found;
}

const std::string kHungPair = IPCDOCTOR_PROGRAMS "/unclosed_write_end/parent_keeps_end";

TEST(Run, PassesOutputAndExitCodeThrough) {
  const Result result = ipcdoctor({"run", "--", "sh", "-c", "echo hello; exit 7"});

  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.output, "hello\n");
}

TEST(Run, DiesOfTheSignalThatItsCommandDiedOf) {
  EXPECT_EQ(ipcdoctor({"run", "--", "sh", "-c", "kill -USR1 $$"}).exit_code, -SIGUSR1);
}

TEST(Run, FailsAsEnvDoesWhenThereIsNoSuchCommand) {
  expect_one_line(ipcdoctor({"run", "--", "/nonexistent/command"}), 127);
  expect_one_line(ipcdoctor({"run", "--", "/etc/passwd"}), 126);
}

TEST(Run, EndsAHungCommandAndSaysWhy) {
  const auto begin = Clock::now();
  const Result result =
      ipcdoctor({"run", "--timeout", "40s", "--", IPCDOCTOR_PROGRAMS "/self_deadlock/relock"});

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("self-deadlock"));
  EXPECT_LT(Clock::now() - begin, 30s);  // by the proof, not by the timeout
}

TEST(Run, TheReportBeginsALineAfterTheDotsOfATestRunnerToo) {
  const std::string hangs =
      "printf ... >&2; exec >/dev/null " IPCDOCTOR_PROGRAMS "/self_deadlock/relock";

  EXPECT_THAT(ipcdoctor({"run", "--", "sh", "-c", hangs}).output, HasSubstr("...\nDEADLOCK "));
  EXPECT_THAT(ipcdoctor({"run", "--format", "github", "--", "sh", "-c", hangs}).output,
              HasSubstr("...\n::error "));
}

TEST(Run, EndsTheWholeTreeWhenTimeIsOver) {
  const std::string marker = std::to_string(100000 + ::getpid());
  const Result result = ipcdoctor({"run", "--timeout", "1s", "--kill-after", "300ms", "--", "sh",
                                   "-c", "trap '' TERM; sleep " + marker + " & sleep " + marker});

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_TRUE(processes_with(marker).empty());
}

TEST(Run, LeavesAHealthyCommandAlone) {
  EXPECT_EQ(ipcdoctor({"run", "--", "sh", "-c", "sleep 4 | cat"}).exit_code, 0);
}

// Where somebody, such as PID 1, cannot be looked into, a pipe is never proved dead; what the
// command made itself is trusted all the same.
TEST(Run, EndsACommandWhoseOwnPipeHangs) {
  const auto begin = Clock::now();
  const Result result = ipcdoctor({"run", "--timeout", "60s", "--", kHungPair});

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("unclosed-write-end"));
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));
  EXPECT_LT(Clock::now() - begin, 30s);
}

// A job of root's in the same session, whose parent has gone, is no part of the tree: it may not be
// looked into.
TEST(Run, WorksForAnOrdinaryUserBesideProcessesOfRoot) {
  const std::string as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  if (::geteuid() != 0 || std::system((as_nobody + "test -x " + kHungPair).c_str()) != 0)
    GTEST_SKIP() << "needs root, and programs that others may execute";
  const Result result = run_command({"sh", "-c",
                                     "(sleep 60 >/dev/null 2>&1 &); exec " + as_nobody +
                                         IPCDOCTOR_BINARY " run --timeout 50s -- " + kHungPair});

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));

  // a zombie has no descriptors; /proc refuses to list them to anybody but root
  const Result zombie =
      run_command({"sh", "-c",
                   "exec " + as_nobody +
                       IPCDOCTOR_BINARY " run --timeout 50s -- sh -c ': & exec " IPCDOCTOR_PROGRAMS
                                        "/self_deadlock/relock'"});
  EXPECT_EQ(zombie.exit_code, 124);
  EXPECT_THAT(zombie.output, HasSubstr("self-deadlock (proved)"));
  EXPECT_THAT(zombie.output, Not(HasSubstr("Permission denied")));
}

TEST(Run, TellsOfAPartThatHangsAndLetsTheCommandGoOn) {
  const Result result = ipcdoctor({"run", "--", "sh", "-c", kHungPair + " & sleep 8; exit 3"});

  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.output, HasSubstr("a part of the command hangs"));
  EXPECT_THAT(result.output, Not(HasSubstr("ending it")));
}

TEST(Run, LooksTwiceAtWhatHangsLaterThanAPart) {
  const auto begin = Clock::now();
  const Result result =
      ipcdoctor({"run", "--timeout", "60s", "--", "sh", "-c",
                 kHungPair + " & sleep 6; exec " + IPCDOCTOR_PROGRAMS "/self_deadlock/relock"});

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("a part of the command hangs"));
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));
  EXPECT_GE(Clock::now() - begin, 8s);  // the two seconds of --stall after the six
  EXPECT_LT(Clock::now() - begin, 40s);
}

TEST(Run, EndsTheCommandForAPartWithFailFast) {
  const Result result =
      ipcdoctor({"run", "--fail-fast", "--", "sh", "-c", kHungPair + " & sleep 50; exit 3"});

  EXPECT_EQ(result.exit_code, 124);
}

const std::string kLonelyFifo = "f=$(mktemp -u) && mkfifo $f && trap 'rm $f' EXIT && : >$f";

TEST(Run, EndsWhatOnlyAnOutsiderCouldHelpUnlessItIsTold) {
  const auto begin = Clock::now();
  const Result result = ipcdoctor({"run", "--timeout", "60s", "--", "bash", "-c", kLonelyFifo});
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("peerless-open"));
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));
  EXPECT_GE(Clock::now() - begin, 3s);  // half as long again as a proof
  EXPECT_LT(Clock::now() - begin, 30s);

  const auto again = Clock::now();
  const Result patient =
      ipcdoctor({"run", "--grade", "tree", "--timeout", "6s", "--", "bash", "-c", kLonelyFifo});
  EXPECT_EQ(patient.exit_code, 124);
  EXPECT_GE(Clock::now() - again, 6s);
}

// What it leaves behind holds its output for as long as it takes.
TEST(Run, WaitsForAHelperThatIsMerelySlow) {
  const Result result =
      ipcdoctor({"run", "--", "bash", "-c",
                 "x=$(sleep 7 & echo hi); y=$( (sh -c 'sleep 7; :' & ) ); exit 6"});
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_EQ(result.output, "");
}

TEST(Run, EndsACommandWhoseHelperNeverEnds) {
  const std::string marker = std::to_string(300000 + ::getpid());
  const Result result = ipcdoctor({"run", "--timeout", "60s", "--", "bash", "-c",
                                   "x=$(setsid sleep " + marker + " & echo hi)"});
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("STUCK  unclosed-write-end"));
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));
  EXPECT_TRUE(processes_with(marker).empty());
}

// The manager looks once a second whether it should end, and does nothing else.
TEST(Run, EndsTheClientsOfAManagerThatHang) {
  const auto begin = Clock::now();
  const Result result = ipcdoctor({"run", "--timeout", "60s", "--", "python3", "-c",
                                   "import multiprocessing as m\n"
                                   "with m.Manager() as manager: manager.Queue().get()\n"});
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_LT(Clock::now() - begin, 30s);
  EXPECT_THAT(result.output, HasSubstr("missing-sentinel (assuming)"));
}

TEST(Run, SaysWhyItHangsWhenItIsToldToEnd) {
  const fs::path folder =
      fs::temp_directory_path() / ("ipcdoctor-told-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const std::string report = folder / "hang.xml";
  Process doctor({IPCDOCTOR_BINARY, "run", "--grade", "proved", "--stall", "1m", "--format", "text",
                  "--format", "junit=" + report, "--", "bash", "-c", "echo go; " + kLonelyFifo},
                 false);
  doctor.read_until("go\n");
  std::this_thread::sleep_for(4s);
  ::kill(doctor.pid(), SIGTERM);

  EXPECT_THAT(doctor.read_until("passing it on"), HasSubstr("peerless-open"));
  EXPECT_EQ(WTERMSIG(doctor.wait()), SIGTERM);
  EXPECT_THAT(read_file(report), HasSubstr("peerless-open"));
  fs::remove_all(folder);
}

TEST(Run, SaysNothingWhenAHealthyCommandIsToldToEnd) {
  Process doctor({IPCDOCTOR_BINARY, "run", "--", "sh", "-c", "echo go; exec sleep 100"}, false);
  doctor.read_until("go\n");
  std::this_thread::sleep_for(4s);
  ::kill(doctor.pid(), SIGTERM);

  EXPECT_EQ(doctor.read_until(""), "go\n");
  EXPECT_EQ(WTERMSIG(doctor.wait()), SIGTERM);
}

// Standard error hears of it, but no file: the command may still end well.
TEST(Run, TellsWhatOnlyAnOutsiderCouldHelpAndLetsItGoOn) {
  const fs::path folder =
      fs::temp_directory_path() / ("ipcdoctor-help-" + std::to_string(::getpid()));
  fs::create_directory(folder);
  const std::string fifo = folder / "fifo", report = folder / "hang.json";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  Process doctor({IPCDOCTOR_BINARY, "run", "--grade", "tree", "--format", "json=" + report, "--",
                  "sh", "-c", ": >" + fifo + "; exit 5"},
                 false);

  const std::string said = doctor.read_until("--grade stuck ends it");
  EXPECT_THAT(said, HasSubstr("peerless-open"));
  ::close(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC));  // as an outsider would
  EXPECT_EQ(WEXITSTATUS(doctor.wait()), 5);
  EXPECT_FALSE(fs::exists(report));
  fs::remove_all(folder);
}

// A loop that asks again and again: a suspicion is less than the default asks for.
const std::string kPollingLoop = R"(
import os, select
r, w = os.pipe()
while not select.select([r], [], [], 0.2)[0]: pass
)";

TEST(Run, EndsWhatOnlyPollsIfItIsTold) {
  const auto begin = Clock::now();
  const Result result = ipcdoctor(
      {"run", "--timeout", "60s", "--grade", "suspected", "--", "python3", "-c", kPollingLoop});
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_LT(Clock::now() - begin, 30s);
  EXPECT_THAT(result.output, HasSubstr("(suspected)"));
  EXPECT_THAT(result.output, HasSubstr("the command hangs: ending it"));
}

TEST(Run, SaysWhatPolledWhenTimeIsOver) {
  const Result result = ipcdoctor({"run", "--timeout", "5s", "--", "python3", "-c", kPollingLoop});
  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(result.output, HasSubstr("(suspected)"));
  EXPECT_THAT(result.output, HasSubstr("the time of the command is over"));
}

TEST(Run, DoesNotTakeAWorkerThatSleepsForALoopThatPolls) {
  const Result result =
      ipcdoctor({"run", "--grade", "suspected", "--", "python3", "-c",
                 "import queue, threading, time\nq = queue.Queue()\n"
                 "def work():\n    for i in range(30): time.sleep(0.3)\n    q.put(1)\n"
                 "threading.Thread(target=work).start()\n"
                 "while True:\n"
                 "    try: q.get(timeout=0.2); break\n"
                 "    except queue.Empty: pass\n"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "");
}

TEST(Run, LeavesAHungCommandAliveWithKeep) {
  Process doctor({IPCDOCTOR_BINARY, "run", "--keep", "--", kHungPair}, false);
  const std::string said = doctor.read_until("left as it is");

  EXPECT_THAT(said, HasSubstr("the command is left as it is (--keep)"));
  EXPECT_EQ(::waitpid(doctor.pid(), nullptr, WNOHANG), 0) << "ipcdoctor waits for it";
}

// What comes from outside may be held by somebody who cannot be seen.
TEST(Run, DoesNotTrustItsOwnStandardInput) {
  Process doctor({IPCDOCTOR_BINARY, "run", "--timeout", "6s", "--", "cat"}, true);
  const std::string said = doctor.read_until("");

  EXPECT_THAT(said, HasSubstr("the time of the command is over"));
  EXPECT_THAT(said, Not(HasSubstr("DEADLOCK")));
}

TEST(Run, WorksWithoutStandardStreams) {
  const Result result = run_command(
      {"sh", "-c", "exec <&- >&-; " IPCDOCTOR_BINARY " run -- sh -c 'echo kept >&2; exit 4'"});

  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.output, "kept\n");
}

TEST(Run, PassesTheExitCodeOnAtOnceThoughADaemonStays) {
  const std::string marker = std::to_string(200000 + ::getpid());
  const auto begin = Clock::now();
  const Result result = ipcdoctor(
      {"run", "--", "sh", "-c", "sleep " + marker + " >/dev/null 2>&1 </dev/null & exit 5"});

  EXPECT_EQ(result.exit_code, 5);
  EXPECT_LT(Clock::now() - begin, 5s);
  const std::vector<pid_t> left = processes_with(marker);
  EXPECT_EQ(left.size(), 1U);
  for (const pid_t pid : left) ::kill(pid, SIGKILL);
}

TEST(Run, EndsTheCommandWhenItIsKilledItself) {
  Process doctor({IPCDOCTOR_BINARY, "run", "--", "sh", "-c",
                  "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.1; done"},
                 false);
  doctor.read_until("ready\n");
  ::kill(doctor.pid(), SIGKILL);

  EXPECT_THAT(doctor.read_until("told\n"), HasSubstr("told"));
  doctor.wait();
}

TEST(Run, LeavesTheCommandAloneWhenItIsKilledItselfWithKeep) {
  Process doctor({IPCDOCTOR_BINARY, "run", "--keep", "--", "sh", "-c", "echo $$; exec sleep 300"},
                 false);
  const pid_t command = std::stoi(doctor.read_until("\n"));
  ::kill(doctor.pid(), SIGKILL);
  doctor.wait();

  EXPECT_EQ(::kill(command, 0), 0);
  EXPECT_EQ(status_field(command, "TracerPid"), "0");
  ::kill(command, SIGKILL);
}

TEST(Run, KeepsUpWithThousandsOfShortLivedProcesses) {
  const Result result =
      ipcdoctor({"run", "--", "sh", "-c",
                 "i=0; while [ $i -lt 3000 ]; do /bin/true; i=$((i + 1)); done; echo $i"});

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "3000\n");
}

/// Under a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::string& script)
      : Terminal({IPCDOCTOR_BINARY, "run", "--", "bash", "-c", script}) {}
  explicit Terminal(const std::vector<std::string>& argv) {
    winsize size{24, 80, 0, 0};
    std::vector<char*> pointers;
    for (const std::string& argument : argv)
      pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    pid_ = ::forkpty(&master_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::execvp(pointers[0], pointers.data());
      ::_exit(127);
    }
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    ::kill(pid_, SIGKILL);
    ::close(master_);
  }

  void type(const std::string& keys) const {
    EXPECT_EQ(::write(master_, keys.data(), keys.size()), std::ssize(keys));
  }
  void resize(unsigned short columns) const {
    winsize size{24, columns, 0, 0};
    EXPECT_EQ(::ioctl(master_, TIOCSWINSZ, &size), 0);
  }
  std::string read_until(const std::string& end) {
    const auto deadline = Clock::now() + 20s;
    while (text_.find(end) == std::string::npos && Clock::now() < deadline) {
      pollfd ready{master_, POLLIN, 0};
      char buffer[4096];
      if (::poll(&ready, 1, 1000) <= 0) continue;
      const ssize_t n = ::read(master_, buffer, sizeof buffer);
      if (n <= 0) break;
      text_.append(buffer, static_cast<std::size_t>(n));
    }
    return text_;
  }
  int wait() const {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return status;
  }

 private:
  pid_t pid_ = -1;
  int master_ = -1;
  std::string text_;
};

TEST(Run, LeavesTheTerminalToTheCommand) {
  Terminal terminal(
      R"(read -p "name? " x; echo "hello $x"; trap 'stty size' WINCH; echo go; read y; exit 6)");

  EXPECT_THAT(terminal.read_until("name? "), HasSubstr("name? "));
  terminal.type("doctor\n");
  EXPECT_THAT(terminal.read_until("go"), HasSubstr("hello doctor"));
  terminal.resize(123);
  terminal.type("\n");
  EXPECT_THAT(terminal.read_until("24 123"), HasSubstr("24 123"));
  EXPECT_EQ(WEXITSTATUS(terminal.wait()), 6);
}

// Who sits there may be the outsider.
TEST(Run, LeavesItToAPersonAtTheTerminalToHelp) {
  Terminal terminal("f=$(mktemp -u) && mkfifo $f && echo fifo:$f: && : >$f; rm $f; exit 5");
  const std::string said = terminal.read_until("--grade stuck ends it");
  EXPECT_THAT(said, HasSubstr("peerless-open"));
  const std::size_t name = said.find("fifo:") + 5;
  const std::string fifo = said.substr(name, said.find(':', name) - name);
  ::close(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(WEXITSTATUS(terminal.wait()), 5);
}

TEST(Run, DiesOfControlCAsTheCommandDoes) {
  Terminal terminal("echo go; sleep 100");
  terminal.read_until("go");
  terminal.type("\x03");

  const int status = terminal.wait();

  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

TEST(Run, LetsTheCommandHandleControlC) {
  // A bash in front of another command may take it that this has dealt with the signal.
  Terminal terminal("trap 'echo caught; exit 9' INT; echo go; read x");
  terminal.read_until("go");
  terminal.type("\x03");

  EXPECT_THAT(terminal.read_until("caught"), HasSubstr("caught"));
  EXPECT_EQ(WEXITSTATUS(terminal.wait()), 9);
}

TEST(Run, IsStoppedByControlZAndGoesOnWithItsTime) {
  Terminal shell(std::vector<std::string>{"bash", "--norc", "--noprofile", "-i"});
  shell.type(IPCDOCTOR_BINARY
             " run --timeout 3s -- bash -c 'echo g''o; read x; echo \"got $x\"; exit 4'\n");
  shell.read_until("go\r\n");
  shell.type("\x1a");
  EXPECT_THAT(shell.read_until("Stopped"), HasSubstr("Stopped"));
  std::this_thread::sleep_for(4s);  // longer than its time
  shell.type("fg\n");
  std::this_thread::sleep_for(300ms);
  shell.type("word\n");
  EXPECT_THAT(shell.read_until("got word"), HasSubstr("got word"));
  shell.type("echo code $?\n");
  EXPECT_THAT(shell.read_until("code 4"), HasSubstr("code 4"));
  shell.type("exit\n");
}

/// A folder of its own for what a recipe needs.
class Recipes : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << text;
  }

  /// Runs a line of shell in the folder. Each tool hangs in the same program, and must be ended
  /// with its name.
  Result in_folder(const std::string& line) const {
    return run_command({"sh", "-c", "cd " + dir_.string() + " && " + line});
  }
  void expect_told(const Result& result, int exit_code) const {
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_THAT(result.output, HasSubstr("DEADLOCK  unclosed-write-end"));
  }

  const fs::path dir_ = fs::temp_directory_path() / ("recipe." + std::to_string(::getpid()));
  const std::string doctor_ = IPCDOCTOR_BINARY " run --timeout 60s -- ";
};

const std::string kValidate =
    "/usr/bin/python3 -c 'import json, sys, jsonschema; "
    "schema, *files = [json.load(open(name)) for name in sys.argv[1:]]; "
    "[jsonschema.validate(file, schema) for file in files]' ";

bool has_json_schema() {
  return std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") == 0;
}

TEST_F(Recipes, EveryDiagnosisFitsTheSchemas) {
  if (!has_json_schema()) GTEST_SKIP() << "no jsonschema";
  const Result result = in_folder(
      "for s in " IPCDOCTOR_TESTDATA
      "/snapshots/*/*.json; do n=$(basename $s .json); " IPCDOCTOR_BINARY
      " analyze $s --format json=$n.json --format sarif=$n.sarif || [ $? = 1 ] || exit 9; done; " +
      kValidate +
      IPCDOCTOR_TESTDATA "/schema/sarif.json *.sarif && " IPCDOCTOR_BINARY " schema >schema && " +
      kValidate + "schema *.json && echo all fit");
  EXPECT_THAT(result.output, HasSubstr("all fit"));
}

TEST_F(Recipes, Make) {
  write("Makefile", "test:\n\t" + kHungPair + "\n");

  expect_told(in_folder(doctor_ + "make test"), 124);
}

// ctest waits with a timeout of its own, so it never hangs itself: the test is a part.
TEST_F(Recipes, CTestAsAWhole) {
  write("CTestTestfile.cmake", "add_test(hangs " + kHungPair + ")\n");

  expect_told(in_folder(IPCDOCTOR_BINARY " run --timeout 60s --fail-fast -- ctest"), 124);
}

TEST_F(Recipes, EachTestOfCTest) {
  write("CTestTestfile.cmake", "add_test(fine true)\nadd_test(hangs " IPCDOCTOR_BINARY
                               " run --timeout 60s -- " +
                                   kHungPair + ")\n");

  const Result result = in_folder("ctest --output-on-failure");

  expect_told(result, 8);
  EXPECT_THAT(result.output, HasSubstr("50% tests passed, 1 tests failed out of 2"));
}

TEST_F(Recipes, Pytest) {
  if (std::system("/usr/bin/python3 -c 'import pytest' 2>/dev/null") != 0)
    GTEST_SKIP() << "no pytest";
  write("test_it.py",
        "import multiprocessing\n\n\ndef child(queue):\n    queue.get()\n\n\ndef test_hangs():\n"
        "    queue = multiprocessing.Queue()\n    process = multiprocessing.Process(target=child, "
        "args=(queue,))\n"
        "    process.start()\n    process.join()\n");

  const Result result = in_folder(doctor_ + "/usr/bin/python3 -m pytest -q -p no:cacheprovider");

  EXPECT_EQ(result.exit_code, 124) << result.output;
  EXPECT_THAT(result.output, HasSubstr("DEADLOCK  missing-sentinel"));
  EXPECT_THAT(result.output, HasSubstr("test_it.py:12 in test_hangs"));
}

/// The plug-in fails the test that hangs with the report, ends its processes, and the next one
/// runs; also below a program that lives, and would end all when its time is over.
TEST_F(Recipes, EachTestOfPytest) {
  if (std::system("/usr/bin/python3 -c 'import pytest' 2>/dev/null") != 0)
    GTEST_SKIP() << "no pytest";
  write("test_it.py",
        "import multiprocessing, threading\n"
        "def test_event():\n"
        "    threading.Event().wait()\n"
        "def consume(queue):\n"
        "    while queue.get() is not None:\n"
        "        pass\n"
        "def test_hangs():\n"
        "    queue = multiprocessing.Queue()\n"
        "    child = multiprocessing.Process(target=consume, args=(queue,))\n"
        "    child.start()\n"
        "    queue.put(1)\n"
        "    child.join()\n"
        "def test_after():\n"
        "    assert not multiprocessing.active_children()\n");

  const Result result =
      in_folder("PYTHONPATH=" IPCDOCTOR_SOURCE
                "/cmd/ipcdoctor/recipes COLUMNS=200 timeout 600 /usr/bin/python3 -m pytest -q"
                " -p no:cacheprovider -p pytest_ipcdoctor --ipcdoctor-timeout 2"
                " --ipcdoctor " IPCDOCTOR_BINARY);

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("DEADLOCK  missing-sentinel"));
  EXPECT_THAT(result.output, HasSubstr("test_it.py:12 in test_hangs"));
  EXPECT_THAT(result.output, HasSubstr("DEADLOCK  missed-wakeup"));
  EXPECT_THAT(result.output, HasSubstr("2 failed, 1 passed"));
  EXPECT_THAT(result.output, HasSubstr("test_it.py::test_hangs - DEADLOCK missing-sentinel: "));
}

/// A log that is cut: `2>&1 | head`. What hangs is ended all the same, and the files are written.
TEST_F(Recipes, EndsWhatHangsThoughNobodyReadsTheReport) {
  const Result result = in_folder(
      "(" IPCDOCTOR_BINARY " run --format text --format json=f.json -- sh -c 'echo $$ >pid; exec " +
      kHungPair +
      "'; echo $? >code) 2>&1 >/dev/null | true; until test -s code; do sleep 0.1; done;"
      " cat code; kill -0 $(cat pid) 2>/dev/null || echo ended; test -s f.json && echo written");

  EXPECT_EQ(result.output, "125\nended\nwritten\n");
}

/// The same where xdist hands the tests out, and for those in the style of unittest. What a test
/// waits for in its own process is not proved there: xdist has a thread in it that lives.
TEST_F(Recipes, EachTestOfPytestWithXdistAndUnittest) {
  if (std::system("/usr/bin/python3 -c 'import xdist' 2>/dev/null") != 0)
    GTEST_SKIP() << "no pytest-xdist";
  write("test_it.py",
        "import subprocess, threading, time, unittest\n"
        "class Old(unittest.TestCase):\n"
        "    def test_event(self):\n"
        "        threading.Event().wait()\n"
        "    def test_sleep(self):\n"
        "        time.sleep(30)\n"
        "    def test_pair(self):\n"
        "        subprocess.run(['" +
            kHungPair +
            "'])\n"
            "    def test_after(self):\n"
            "        pass\n");

  const Result result =
      in_folder("PYTHONPATH=" IPCDOCTOR_SOURCE
                "/cmd/ipcdoctor/recipes COLUMNS=200 /usr/bin/python3 -m pytest -q -n 2"
                " -p no:cacheprovider -p pytest_ipcdoctor --ipcdoctor-timeout 2"
                " --ipcdoctor " IPCDOCTOR_BINARY);

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output,
              HasSubstr("test_it.py::Old::test_pair - DEADLOCK unclosed-write-end: "));
  EXPECT_THAT(result.output, ContainsRegex("Old::test_event - (DEADLOCK|WAITING) missed-wakeup"));
  EXPECT_THAT(result.output, HasSubstr("Old::test_sleep - WAITING: line 6: sleeps: "));
  EXPECT_THAT(result.output, HasSubstr("3 failed, 1 passed"));
}

/// A project whose CMakeLists.txt includes the module, built and tested with Debian's CMake.
TEST_F(Recipes, CMakeModule) {
  fs::copy_file(IPCDOCTOR_SOURCE "/cmd/ipcdoctor/recipes/IpcdoctorTest.cmake",
                dir_ / "IpcdoctorTest.cmake");
  write("t.c",
        "#include <unistd.h>\nint main(void) { int p[2]; char c; return pipe(p) || read(p[0], &c, "
        "1); }\n");
  write("CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.25)\nproject(t C)\nenable_testing()\n"
        "include(IpcdoctorTest.cmake)\nipcdoctor_watch_tests(--timeout 60s)\n"
        "add_executable(t t.c)\nadd_test(NAME hangs COMMAND t)\n");

  const Result result =
      in_folder("cmake -S . -B build -DIPCDOCTOR_EXECUTABLE=" IPCDOCTOR_BINARY
                " && cmake --build build && ctest --test-dir build --output-on-failure");

  expect_told(result, 8);
}

TEST_F(Recipes, Bats) {
  if (std::system("command -v bats >/dev/null") != 0) GTEST_SKIP() << "no bats";
  write("it.bats", "@test \"hangs\" {\n  " + kHungPair + "\n}\n");

  expect_told(in_folder(doctor_ + "bats it.bats"), 124);
}

TEST_F(Recipes, ReportFilesOfOneRun) {
  const Result result =
      in_folder(IPCDOCTOR_BINARY
                " run --format junit=a.xml --format sarif=a.sarif --format github=a.txt"
                " --format json=a.json --format html=a.html -- " +
                kHungPair);

  EXPECT_EQ(result.exit_code, 124);
  EXPECT_THAT(read_file(dir_ / "a.xml"), HasSubstr("<failure"));
  if (std::system("command -v xmllint >/dev/null") == 0) {
    EXPECT_EQ(in_folder("xmllint --noout --schema " IPCDOCTOR_TESTDATA "/schema/junit.xsd a.xml")
                  .exit_code,
              0);
  }
  EXPECT_THAT(read_file(dir_ / "a.sarif"), HasSubstr("\"2.1.0\""));
  if (has_json_schema()) {
    EXPECT_EQ(in_folder(kValidate + IPCDOCTOR_TESTDATA "/schema/sarif.json a.sarif").exit_code, 0);
    EXPECT_EQ(in_folder(IPCDOCTOR_BINARY " schema | " + kValidate + "/dev/stdin a.json").exit_code,
              0);
  }
  EXPECT_THAT(read_file(dir_ / "a.txt"), HasSubstr("::error "));
  EXPECT_THAT(read_file(dir_ / "a.json"), HasSubstr("ipcdoctor/report/1"));
  EXPECT_THAT(read_file(dir_ / "a.html"), HasSubstr("</html>"));
  std::size_t files = 0;
  for (const auto& file : fs::directory_iterator(dir_)) {
    ++files;
    EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write) << file;
  }
  EXPECT_EQ(files, 5U) << "nothing else is left behind";
}

TEST(Watch, ReportsATreeThatHangs) {
  Process program({kHungPair}, true);
  program.read_until("READY");

  const Result result = ipcdoctor({"watch", std::to_string(program.pid())});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("unclosed-write-end"));
  EXPECT_EQ(::kill(program.pid(), 0), 0);
}

TEST(Watch, ReportsWhatOnlyAnOutsiderCouldHelp) {
  Process program({"bash", "-c", "f=$(mktemp -u); mkfifo $f; trap 'rm $f' EXIT; : >$f"}, true);

  const std::string pid = std::to_string(program.pid());
  EXPECT_EQ(ipcdoctor({"watch", "--timeout", "5s", "--grade", "tree", pid}).exit_code, 1);
  const Result result = ipcdoctor({"watch", pid});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output, HasSubstr("peerless-open"));
}

TEST(Watch, ReportsWhateverIsThereWhenTimeIsOver) {
  Process program({"sleep", "100"}, true);

  const Result result = ipcdoctor({"watch", "--timeout", "2s", std::to_string(program.pid())});

  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, HasSubstr("WAITING"));
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
