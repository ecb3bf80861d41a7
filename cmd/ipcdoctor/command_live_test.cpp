#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "process_for_tests.h"

/// The whole command on the programs of testdata/programs, as a user runs it.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

/// What a program says of itself: the codes of its first line, and the roles that it prints.
struct Expected {
  std::set<std::string> codes;  ///< empty: healthy
  std::set<int> stuck, culprits;
};

Expected expectation(const std::string& source, const std::string& said) {
  Expected expected;
  const std::string text = read_file(source);
  std::istringstream words(text.substr(0, text.find('\n')));
  for (std::string word; words >> word;) {
    while (!word.empty() && (word.back() == ':' || word.back() == ',')) word.pop_back();
    if (word.starts_with("IPC") && word.size() == 6) expected.codes.insert(word);
  }
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("stuck ")) expected.stuck.insert(std::stoi(line.substr(6)));
    if (line.starts_with("culprit ")) expected.culprits.insert(std::stoi(line.substr(8)));
  }
  return expected;
}

std::set<int> pids_of(const json& entries) {
  std::set<int> pids;
  for (const json& entry : entries) pids.insert(entry["pid"].get<int>());
  return pids;
}

bool names(const json& report, const Expected& expected) {
  std::set<int> stuck;
  bool named = false;
  static const std::map<std::string, std::string> kSlugs = [] {
    std::map<std::string, std::string> slugs;
    std::istringstream lines(ipcdoctor({"probes"}).output);
    for (std::string code, slug; lines >> code >> slug; lines.ignore(1000, '\n'))
      slugs[slug] = code;
    return slugs;
  }();
  for (const json& finding : report["findings"]) {
    stuck.merge(pids_of(finding["stuck"]));
    std::set<std::string> codes{finding["code"].get<std::string>()};
    for (const json& slug : finding["also"]) codes.insert(kSlugs.at(slug.get<std::string>()));
    named = named || std::ranges::any_of(expected.codes, [&](const std::string& code) {
              return codes.contains(code);
            });
  }
  return named && std::ranges::includes(stuck, expected.stuck);
}

/// How a built program or a script is started.
std::vector<std::string> command_of(const std::string& path) {
  static const std::map<std::string, std::string> kInterpreters = {
      {".py", "python3"}, {".sh", "bash"}, {".rb", "ruby"},
      {".pl", "perl"},    {".php", "php"}, {".js", "node"}};
  const std::size_t dot = path.rfind('.');
  const auto interpreter = kInterpreters.find(path.substr(dot));
  if (interpreter != kInterpreters.end()) return {interpreter->second, path};
  return {path.substr(0, dot)};
}

/// Whether there is what it needs: of compilers and interpreters only some are required.
bool can_be_run(const std::string& path) {
  const std::string program = command_of(path).front();
  if (program.find('/') != std::string::npos) return fs::exists(program);
  std::istringstream folders(std::getenv("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

/// The youngest process of the same job, if there is another one that has not ended.
pid_t another_of(pid_t pid) {
  pid_t found = 0;
  std::istringstream children(
      read_file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"));
  for (pid_t child = 0; children >> child;) {
    const bool ended = status_field(child, "State").starts_with("Z");
    if (!ended && ::getpgid(child) == ::getpgid(pid) && ::getsid(child) == ::getsid(pid))
      found = child;
  }
  return found;
}

/// The verdict and the codes. Whether somebody of a program that lives runs just then is chance.
std::pair<std::string, std::set<std::string>> claims_of(const json& report) {
  std::set<std::string> codes;
  for (const json& finding : report["findings"]) codes.insert(finding["code"].get<std::string>());
  const std::string verdict = report["verdict"];
  return {verdict == "running" ? "waiting" : verdict, codes};
}

class Programs : public ::testing::TestWithParam<std::string> {};

TEST_P(Programs, AreDiagnosedAndLeftAsTheyWere) {
  const std::string source = std::string(IPCDOCTOR_TESTDATA "/programs/") + GetParam();
  // Those of another C library may be somewhere else.
  const char* other = std::getenv("IPCDOCTOR_PROGRAMS");
  const std::string built =
      std::string(other != nullptr ? other : IPCDOCTOR_PROGRAMS) + "/" + GetParam();
  const std::vector<std::string> command = command_of(built);
  if (!can_be_run(built)) GTEST_SKIP() << "its language is not installed here";
  Process program(command, true);
  const std::string said = program.read_until("READY");
  ASSERT_THAT(said, HasSubstr("READY"));
  const Expected expected = expectation(source, said);

  // READY is said before the last call: look until everybody has arrived, or give up.
  Result result;
  json report;
  const auto deadline = Clock::now() + 20s;
  do {
    std::this_thread::sleep_for(200ms);
    result = attach_json(program.pid());
    report = json::parse(result.output, nullptr, false);
    ASSERT_FALSE(report.is_discarded()) << result.output;
  } while (!expected.codes.empty() && !names(report, expected) && Clock::now() < deadline);

  if (expected.codes.empty()) {
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result.output;
    for (const json& finding : report["findings"]) {
      EXPECT_TRUE(finding["verdict"] != "deadlock" && finding["verdict"] != "stuck") << finding;
    }
  } else {
    EXPECT_TRUE(names(report, expected)) << report["findings"];
    EXPECT_EQ(result.exit_code,
              report["verdict"] == "deadlock" || report["verdict"] == "stuck" ? 1 : 0);
  }
  if (const pid_t other_pid = another_of(program.pid()); other_pid != 0) {
    json other_report = json::parse(attach_json(other_pid).output, nullptr, false);
    ASSERT_FALSE(other_report.is_discarded());
    // A healthy one may still have been on its way to where it waits.
    while (claims_of(other_report) != claims_of(report) && Clock::now() < deadline) {
      report = json::parse(attach_json(program.pid()).output);
      other_report = json::parse(attach_json(other_pid).output);
    }
    EXPECT_EQ(claims_of(other_report), claims_of(report)) << "when another process is named";
  }
  EXPECT_EQ(::kill(program.pid(), 0), 0);
  EXPECT_EQ(status_field(program.pid(), "TracerPid"), "0");
  EXPECT_EQ(report["tool"]["stopped_threads"], 0);
}

std::vector<std::string> all_programs() {
  std::vector<std::string> found;
  for (const auto& folder : fs::directory_iterator(IPCDOCTOR_TESTDATA "/programs")) {
    if (!folder.is_directory()) continue;
    for (const auto& file : fs::directory_iterator(folder)) {
      static const std::set<std::string> kSources = {".c",  ".go", ".py",  ".sh",
                                                     ".rb", ".pl", ".php", ".js"};
      if (kSources.contains(file.path().extension())) {
        found.push_back(folder.path().filename() / file.path().filename());
      }
    }
  }
  std::ranges::sort(found);
  return found;
}

std::string name_of(const ::testing::TestParamInfo<std::string>& program) {
  std::string name = program.param;
  std::ranges::replace_if(
      name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Programs, ::testing::ValuesIn(all_programs()), name_of);

TEST(Errors, ANumberThatIsNone) {
  expect_one_line(ipcdoctor({"attach", "abc"}), 2);
}

TEST(Errors, NoSuchProcess) {
  expect_one_line(ipcdoctor({"attach", "4194303"}), 4);
}

TEST(Errors, AnAncestorOfItsOwn) {
  expect_one_line(ipcdoctor({"attach", std::to_string(::getpid())}), 4);
}

TEST(Errors, AKernelThread) {
  if (read_file("/proc/2/comm") != "kthreadd\n")
    GTEST_SKIP() << "no kernel threads in this PID namespace";
  expect_one_line(ipcdoctor({"attach", "2"}), 4);
}

TEST(Errors, AZombie) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);

  expect_one_line(ipcdoctor({"attach", std::to_string(child)}), 4);

  ::waitpid(child, nullptr, 0);
}

TEST(Errors, AnUnwritableReport) {
  expect_one_line(ipcdoctor({"attach", "1", "--format", "json=/nonexistent/report.json"}), 2);
  expect_one_line(ipcdoctor({"attach", "1", "--format", "json=/tmp"}), 2);
}

TEST(Errors, ABrokenSnapshot) {
  const std::string path = ::testing::TempDir() + "broken.json";
  std::ofstream(path) << "{\"schema\": \"ipcdoctor/snapshot/3\", \"snapshot\": {\"processes\": 3}}";

  expect_one_line(ipcdoctor({"analyze", path}), 2);
}

TEST(Errors, ASnapshotLargerThanAnyIs) {  // it is not read
  const std::string path = ::testing::TempDir() + "large.json";
  std::ofstream{path};
  std::filesystem::resize_file(path, std::uintmax_t{2} << 30);

  const Result result = ipcdoctor({"analyze", path});
  std::filesystem::remove(path);

  expect_one_line(result, 2);
  EXPECT_THAT(result.output, HasSubstr("larger than 1 GB"));
}

TEST(Errors, AnUnknownFormatOrClass) {
  expect_one_line(ipcdoctor({"attach", "1", "--format", "xml"}), 2);
  expect_one_line(ipcdoctor({"explain", "no-such-class"}), 2);
}

TEST(Output, HostileNamesComeOutEscaped) {
  const std::string folder = ::testing::TempDir() + "\x1b[31mred\n\xff";
  fs::create_directories(folder);
  const std::string program = folder + "/s\x1b]0;x\a";
  fs::copy_file("/bin/sleep", program, fs::copy_options::overwrite_existing);
  Process sleeper({program, "1000"}, false);
  std::this_thread::sleep_for(200ms);

  for (const char* format : {"text", "brief", "json", "html", "junit", "sarif", "github", "dot",
                             "mermaid", "snapshot"}) {
    const Result result =
        ipcdoctor({"attach", std::to_string(sleeper.pid()), "-v", "--format", format});
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result.output;
    EXPECT_EQ(result.output.find('\x1b'), std::string::npos) << result.output;
    EXPECT_EQ(result.output.find('\xff'), std::string::npos) << result.output;
  }
  fs::remove_all(folder);
}

/// Every frame of the report that was guessed.
std::size_t guessed_frames(const json& report) {
  std::size_t count = 0;
  for (const json& process : report["processes"]) {
    for (const json& thread : process["threads"]) {
      for (const json& frame : thread["native"]) count += frame.value("guessed", false) ? 1 : 0;
    }
  }
  return count;
}

TEST(Stops, OnlyWhoseStackIsNotKnownWithoutAndWhoseCallGoesOn) {
  Process program({IPCDOCTOR_PROGRAMS "/unclosed_write_end/parent_keeps_end"}, true);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  std::this_thread::sleep_for(200ms);
  // without BPF, as on most machines of users
  const auto attach = [&](const std::string& policy) {
    std::vector<std::string> command;
    if (::geteuid() == 0) command = {"setpriv", "--bounding-set", "-bpf,-perfmon,-sys_admin", "--"};
    command.insert(command.end(), {IPCDOCTOR_BINARY, "attach", std::to_string(program.pid()),
                                   "--stop=" + policy, "--format", "json"});
    return json::parse(run_command(command).output);
  };

  const json without = attach("never");
  const json with = attach("auto");

  EXPECT_EQ(without["tool"]["stopped_threads"], 0);
  EXPECT_GT(guessed_frames(without), 0U) << "code without optimisation has frame pointers";
  EXPECT_GT(with["tool"]["stopped_threads"], 0);
  EXPECT_EQ(guessed_frames(with), 0U);
  EXPECT_EQ(with["verdict"], without["verdict"]);
  EXPECT_EQ(status_field(program.pid(), "State").substr(0, 1), "S");
  EXPECT_EQ(status_field(program.pid(), "TracerPid"), "0");
}

class Snapshots : public ::testing::TestWithParam<std::string> {};

/// The report that is made of the file has the very bytes of the one that was made on the spot.
TEST_P(Snapshots, AreDiagnosedByteForByte) {
  const std::string built = std::string(IPCDOCTOR_PROGRAMS "/") + GetParam();
  if (!can_be_run(built)) GTEST_SKIP() << "its language is not installed here";
  Process program(command_of(built), true);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  std::this_thread::sleep_for(100ms);
  const std::string own = ::testing::TempDir() + std::to_string(::getpid());
  const std::string report = own + ".report.json";
  const std::string snapshot = own + ".snapshot.json";

  const Result attached = ipcdoctor({"attach", std::to_string(program.pid()), "--format",
                                     "json=" + report, "--format", "snapshot=" + snapshot});
  const Result analyzed = ipcdoctor({"analyze", snapshot, "--format", "json"});

  EXPECT_EQ(analyzed.exit_code, attached.exit_code);
  EXPECT_EQ(analyzed.output, read_file(report));
  EXPECT_FALSE(analyzed.output.empty());
  std::filesystem::remove(report);
  std::filesystem::remove(snapshot);
}

INSTANTIATE_TEST_SUITE_P(All, Snapshots, ::testing::ValuesIn(all_programs()), name_of);

TEST(Save, WhatWasSavedIsDiagnosedTheSame) {
  Process program({IPCDOCTOR_PROGRAMS "/self_deadlock/relock"}, false);
  program.read_until("READY");
  std::this_thread::sleep_for(300ms);
  const std::string path = ::testing::TempDir() + "hang.json";

  ASSERT_EQ(ipcdoctor({"save", std::to_string(program.pid()), "-o", path}).exit_code, 0);
  const Result analyzed = ipcdoctor({"analyze", path});

  EXPECT_EQ(analyzed.exit_code, 1);
  EXPECT_THAT(analyzed.output, HasSubstr("self-deadlock"));
  EXPECT_THAT(analyzed.output, HasSubstr("relock.c:7"));
}

/// A result of a Pool is awaited; `body` defines f, start and more of Pool's arguments.
class PoolOfWorkers {
 public:
  explicit PoolOfWorkers(const std::string& body)
      : program_(
            {"/usr/bin/python3", "-c",
             "import ctypes, multiprocessing as mp, os, sys, time\n"
             "libc = ctypes.CDLL(None)\nlibc.prctl(1, 9)\n"
             "os.register_at_fork(after_in_child=lambda: libc.prctl(1, 9))\n"
             "mp.set_start_method('fork')\nsys.stderr.close()\n" +
                 body +
                 "print('READY', flush=True)\n"
                 "with mp.Pool(2, initializer=start, **more) as p: p.map(f, range(100000), 1)\n"},
            true) {
    program_.read_until("READY");
  }
  json report() const { return json::parse(attach_json(program_.pid()).output, nullptr, false); }

 private:
  Process program_;
};

bool has_finding(const json& report, const std::string& code) {
  return std::ranges::any_of(report["findings"],
                             [&](const json& finding) { return finding["code"] == code; });
}

TEST(Pools, WhoseWorkersEndAsTheyStartMakeNoProgress) {
  const PoolOfWorkers pool("def f(x): pass\ndef start(): raise OSError\nmore = {}\n");
  const auto deadline = Clock::now() + 40s;
  json report;
  do {  // now and then it is met while it starts one
    report = pool.report();
  } while (!has_finding(report, "IPC301") && Clock::now() < deadline);

  ASSERT_TRUE(has_finding(report, "IPC301")) << report;
  EXPECT_TRUE(report["verdict"] == "waiting" || report["verdict"] == "running")
      << report["verdict"];
  EXPECT_EQ(report["findings"][0]["grade"], "suspected");
  EXPECT_THAT(report["findings"][0]["title"], HasSubstr("end soon after they start"));
}

TEST(Pools, WhoseWorkersAreReplacedAsTheProgramSaysAreHealthy) {
  for (const std::string body :
       {"def f(x): time.sleep(0.01)\ndef start(): pass\nmore = {'maxtasksperchild': 1}\n",
        "def f(x): time.sleep(0.01)\ndef start(): pass\nmore = {}\n"
        "ps = [mp.Process(target=time.sleep, args=(0,)) for i in range(20)]\n"
        "for p in ps: p.start()\nfor p in ps: p.join()\n"}) {
    const PoolOfWorkers pool(body);
    for (int look = 0; look < 10; ++look) {
      const json report = pool.report();
      EXPECT_FALSE(has_finding(report, "IPC301")) << report["findings"];
      std::this_thread::sleep_for(100ms);
    }
  }
}

TEST(Stacks, NamesTheLinesOfPythonAndWithVTheNativeFramesThatRunThem) {
  Process program({"/usr/bin/python3", "-c",
                   "import threading\nlock = threading.Lock()\nlock.acquire()\n"
                   "def wait():\n  lock.acquire()\nprint('READY', flush=True)\nwait()"},
                  false);
  program.read_until("READY");
  std::this_thread::sleep_for(300ms);
  const std::string pid = std::to_string(program.pid());

  const Result plain = ipcdoctor({"stacks", pid});
  EXPECT_EQ(plain.exit_code, 0);
  EXPECT_THAT(plain.output, HasSubstr("<string>:5 in wait\n      <string>:7 in <module>\n"));
  EXPECT_EQ(plain.output.find("PyEval"), std::string::npos) << plain.output;

  const std::string merged = ipcdoctor({"stacks", "-v", pid}).output;
  const auto inner = merged.find("futex"), wait = merged.find("in wait"),
             module = merged.find("in <module>"), run = merged.find("Py_BytesMain");
  EXPECT_TRUE(inner < wait && wait < module && module < run && run != std::string::npos) << merged;

  const json document = json::parse(ipcdoctor({"stacks", pid, "--format", "json"}).output);
  EXPECT_EQ(document["schema"], "ipcdoctor/stacks/1");
  const json& thread = document["processes"][0]["threads"][0];
  EXPECT_EQ(thread["python"][0]["line"], 5);
  EXPECT_EQ(thread["moved"], false);
}

TEST(Stacks, NamesNativeFramesWhereThereIsNoOtherLanguage) {
  Process program({IPCDOCTOR_PROGRAMS "/self_deadlock/relock"}, false);
  program.read_until("READY");
  std::this_thread::sleep_for(300ms);
  EXPECT_THAT(ipcdoctor({"stacks", std::to_string(program.pid())}).output,
              HasSubstr("relock.c:7 in "));
}

TEST(Tree, HasALineForEachThreadAndRefreshesOnATerminalOnly) {
  Process program({IPCDOCTOR_PROGRAMS "/unclosed_write_end/parent_keeps_end"}, false);
  program.read_until("READY");
  std::this_thread::sleep_for(300ms);
  const std::string pid = std::to_string(program.pid());

  const Result tree = ipcdoctor({"tree", pid});

  EXPECT_EQ(tree.exit_code, 0) << tree.output;
  EXPECT_TRUE(tree.output.starts_with("parent_keeps_en[" + pid + "]  ")) << tree.output;
  EXPECT_THAT(tree.output, HasSubstr("\n  parent_keeps_en["));
  EXPECT_THAT(tree.output, HasSubstr("waits for the exit of"));
  EXPECT_THAT(tree.output, HasSubstr("<- to blame"));
  expect_one_line(ipcdoctor({"tree", "-w", pid}), 2);
}

/// Kills both, or only ipcdoctor, or first its helper.
void kill_doctor(pid_t doctor, int way) {
  const std::string children =
      "/proc/" + std::to_string(doctor) + "/task/" + std::to_string(doctor) + "/children";
  const int helper = std::atoi(read_file(children).c_str());
  if (way == 0) ::kill(-doctor, SIGKILL);
  if (way == 2 && helper > 0) {
    ::kill(helper, SIGKILL);
    std::this_thread::sleep_for(5ms);
  }
  ::kill(doctor, SIGKILL);
  ::waitpid(doctor, nullptr, 0);
  // the helper ends with it
  const std::string stat = "/proc/" + std::to_string(helper) + "/stat";
  const auto deadline = Clock::now() + 5s;
  const auto lives = [&] {
    const std::string text = read_file(stat);
    return !text.empty() && text.find(") Z") == std::string::npos;
  };
  while (helper > 0 && lives() && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(helper > 0 && lives());
}

class Killed : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(Killed, AtAnyMomentItLeavesTheTargetRunning) {
  Process program(GetParam(), false);
  ASSERT_THAT(program.read_until("READY"), HasSubstr("READY"));
  std::this_thread::sleep_for(200ms);  // READY is said before the last call
  const std::string switches = status_field(program.pid(), "voluntary_ctxt_switches");

  for (int i = 0; i < 200; ++i) {
    const pid_t doctor = ::fork();
    if (doctor == 0) {
      ::setsid();
      ::dup2(::open("/dev/null", O_WRONLY), 1);
      ::dup2(1, 2);
      ::execl(IPCDOCTOR_BINARY, "ipcdoctor", "attach", std::to_string(program.pid()).c_str(),
              nullptr);
      ::_exit(127);
    }
    std::this_thread::sleep_for(
        std::chrono::microseconds(i * 250));  // from the start to beyond the end
    kill_doctor(doctor, i % 3);
  }

  EXPECT_THAT(status_field(program.pid(), "State"),
              ::testing::AnyOf(HasSubstr("S"), HasSubstr("R")));
  EXPECT_EQ(status_field(program.pid(), "TracerPid"), "0");
  EXPECT_EQ(status_field(program.pid(), "voluntary_ctxt_switches"), switches);
}

INSTANTIATE_TEST_SUITE_P(
    Targets, Killed,
    ::testing::Values(std::vector<std::string>{IPCDOCTOR_PROGRAMS "/self_deadlock/relock"},
                      std::vector<std::string>{"sh", "-c", "echo READY; while :; do :; done"}),
    [](const auto& target) { return target.index == 0 ? "Blocked" : "Busy"; });

}  // namespace
}  // namespace ipcdoctor::cmd::testing
