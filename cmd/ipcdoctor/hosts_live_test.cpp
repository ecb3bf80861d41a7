#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "process_for_tests.h"

/// Several hosts on one machine: namespaces that testdata/hosts/hosts.sh makes.
namespace ipcdoctor::cmd::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class Hosts : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root makes namespaces for hosts";
    folder_ = ::testing::TempDir() + "hosts.XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    const Result up = run_command({"timeout", "20", "bash", kScript, "up", folder_, "3"});
    if (up.exit_code != 0) GTEST_SKIP() << "no hosts can be made here: " << up.output;
  }
  void TearDown() override {
    if (folder_.empty()) return;
    programs_.clear();
    (void)run_command({"bash", kScript, "down", folder_});
    std::filesystem::remove_all(folder_);
  }

  /// A program of testdata/hosts on host I, once it has said that it is ready.
  void start(int host, std::vector<std::string> arguments) {
    std::vector<std::string> argv =
        on(host, {"python3", IPCDOCTOR_TESTDATA "/hosts/" + arguments[0]});
    argv.insert(argv.end(), arguments.begin() + 1, arguments.end());
    programs_.push_back(std::make_unique<Process>(argv, false));
    ASSERT_THAT(programs_.back()->read_until("READY"), HasSubstr("READY"));
  }

  std::vector<std::string> on(int host, const std::vector<std::string>& command) const {
    std::vector<std::string> argv{"bash", kScript, "on", folder_, std::to_string(host)};
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }

  /// One look at one host.
  std::string look(int host, const std::string& program, const std::string& after = "") {
    const std::string path = folder_ + "/look." + std::to_string(++looks_);
    std::vector<std::string> command{IPCDOCTOR_BINARY, "save", "--program", program, "-o", path};
    if (!after.empty()) command.insert(command.end(), {"--after", after});
    const Result saved = run_command(on(host, command));
    EXPECT_EQ(saved.exit_code, 0) << saved.output;
    return path;
  }

  static std::string token(std::vector<std::string> files) {
    files.insert(files.begin(), "token");
    std::string text = ipcdoctor(files).output;
    return text.substr(0, text.find('\n'));
  }

  static json analyzed(std::vector<std::string> files) {
    files.insert(files.begin(), {"analyze", "--format", "json"});
    return json::parse(ipcdoctor(files).output);
  }

  /// As `hosts` reaches them.
  std::string engine() const { return "bash " + kScript + " all " + folder_; }

  inline static const std::string kScript = IPCDOCTOR_TESTDATA "/hosts/hosts.sh";
  std::string folder_;
  int looks_ = 0;
  std::vector<std::unique_ptr<Process>> programs_;
};

TEST_F(Hosts, ADeadlockOverTwoHostsIsOneFindingWithBothHosts) {
  start(2, {"both_receive.py", "serve"});
  start(1, {"both_receive.py", "ask", "10.77.0.2"});
  const std::string a = look(1, "both_receive.py"), b = look(2, "both_receive.py");
  const std::string after = token({a, b});
  const std::string c = look(1, "both_receive.py", after), d = look(2, "both_receive.py", after);

  const json report = analyzed({a, b, c, d});

  EXPECT_EQ(report["verdict"], "deadlock") << report;
  ASSERT_EQ(report["findings"].size(), 1U);
  EXPECT_EQ(report["findings"][0]["class"], "mutual-receive");
  ASSERT_EQ(report["findings"][0]["stuck"].size(), 2U);
  EXPECT_EQ(report["findings"][0]["stuck"][0]["host"], "h1");
  EXPECT_EQ(report["findings"][0]["stuck"][1]["host"], "h2");
  EXPECT_THAT(report["findings"][0]["assumptions"].dump(), Not(HasSubstr("second round")));
  EXPECT_THAT(analyzed({c, b})["findings"][0]["assumptions"].dump(), HasSubstr("second round"));
}

TEST_F(Hosts, WithoutOneHostTheOtherWaitsForAnAddress) {
  start(2, {"both_receive.py", "serve"});
  start(1, {"both_receive.py", "ask", "10.77.0.2"});

  const json report = analyzed({look(1, "both_receive.py"), look(3, "both_receive.py")});

  EXPECT_EQ(report["verdict"], "waiting") << report;
  EXPECT_THAT(report["unseen"].dump(), HasSubstr("10.77.0.2:7000"));
}

TEST_F(Hosts, AConnectionThatTheOtherHostHasForgottenIsHalfOpen) {
  start(2, {"forgets.py", "serve"});
  start(1, {"forgets.py", "ask", "10.77.0.2"});
  ASSERT_THAT(programs_.front()->read_until("GONE"), HasSubstr("GONE"));
  const std::string a = look(1, "forgets.py"), b = look(2, "forgets.py");
  const std::string after = token({a, b});
  const std::string c = look(1, "forgets.py", after), d = look(2, "forgets.py", after);

  const json report = analyzed({a, b, c, d});

  ASSERT_EQ(report["findings"].size(), 1U) << report;
  EXPECT_EQ(report["findings"][0]["class"], "half-open-connection");
  EXPECT_EQ(report["findings"][0]["culprits"][0]["host"], "h1");
  EXPECT_TRUE(analyzed({c, d})["findings"].empty()) << "one look each: it may be younger";
}

TEST_F(Hosts, APingPongIsHealthyHoweverItIsLookedAt) {
  start(2, {"ping.py", "serve"});
  start(1, {"ping.py", "ask", "10.77.0.2"});

  for (int i = 0; i < 5; ++i) {
    const std::string a = look(1, "ping.py"), b = look(2, "ping.py");
    const std::string after = token({a, b});
    const std::string c = look(1, "ping.py", after), d = look(2, "ping.py", after);
    EXPECT_NE(analyzed({a, b, c, d})["verdict"], "deadlock");
    EXPECT_NE(analyzed({c, d})["verdict"], "deadlock");
  }
}

TEST_F(Hosts, APingPongOverASlowWireIsHealthy) {
  Process wire({"python3", IPCDOCTOR_TESTDATA "/hosts/wire.py", folder_, "0.3"}, false);
  if (wire.read_until("READY").find("READY") == std::string::npos)
    GTEST_SKIP() << "no TUN device can be made here";
  start(2, {"ping.py", "serve"});
  start(1, {"ping.py", "ask", "10.78.0.2"});

  for (int i = 0; i < 10; ++i) {
    const std::string a = look(1, "ping.py"), b = look(2, "ping.py");
    const std::string after = token({a, b});
    const std::string c = look(1, "ping.py", after), d = look(2, "ping.py", after);
    EXPECT_TRUE(analyzed({a, b, c, d})["findings"].empty());
    EXPECT_TRUE(analyzed({c, d})["findings"].empty());
  }
}

TEST_F(Hosts, OneCommandLooksAtAllOfThemTwice) {
  start(2, {"both_receive.py", "serve"});
  start(1, {"both_receive.py", "ask", "10.77.0.2"});

  const Result result = ipcdoctor({"hosts", "--via", engine(), "--remote", IPCDOCTOR_BINARY,
                                   "--program", "both_receive.py", "-v"});

  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr("h1:python3["));
  EXPECT_THAT(result.output, HasSubstr("h2:python3["));
  EXPECT_THAT(result.output, HasSubstr("both_receive.py:12 in ask"));
  EXPECT_THAT(result.output, Not(HasSubstr("10000000"))) << "a number of the join";
  EXPECT_THAT(result.output, Not(HasSubstr("second round")));
}

/// An engine that is started on the first host.
struct Engine {
  const char* name;
  std::string via;
};

TEST_F(Hosts, AllEnginesSayTheSame) {
  if (run_command({"sh", "-c", "command -v ssh ssh-keygen /usr/sbin/sshd"}).exit_code != 0)
    GTEST_SKIP() << "no sshd is installed";
  ASSERT_EQ(run_command({"bash", kScript, "sshd", folder_}).exit_code, 0);
  start(2, {"both_receive.py", "serve"});
  start(1, {"both_receive.py", "ask", "10.77.0.2"});
  const std::string config = "-F " + folder_ + "/ssh_config";
  const std::vector<Engine> engines{
      {"ssh", "ssh " + config + " h1,h2,h3"},
      {"pdsh", "env 'PDSH_SSH_ARGS_APPEND=" + config + "' pdsh -R ssh -w 'h[1-3]'"},
      {"clush", "clush -O 'ssh_options=" + config + "' -w 'h[1-3]'"},
      {"mpirun",
       "env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --host h1,h2,h3 --mca "
       "plm rsh --mca plm_rsh_agent 'ssh " +
           config + "' --mca oob_tcp_if_include eth0"}};
  std::string first;
  for (const Engine& engine : engines) {
    if (run_command({"sh", "-c", std::string("command -v ") + engine.name}).exit_code != 0)
      continue;
    SCOPED_TRACE(engine.name);
    const Result result =
        run_command(on(1, {IPCDOCTOR_BINARY, "hosts", "--via", engine.via, "--remote",
                           IPCDOCTOR_BINARY, "--program", "both_receive.py"}));
    EXPECT_EQ(result.exit_code, 1) << result.output;
    // but for how long it took
    const std::string report = result.output.substr(0, result.output.rfind("seen in"));
    EXPECT_THAT(report, HasSubstr("h1:python3["));
    if (first.empty()) first = report;
    EXPECT_EQ(report, first);
  }
}

TEST_F(Hosts, TheRollIsCalledOverAllRanks) {
  start(1, {"rank.py", "ask", "RANK=0", "WORLD_SIZE=4", "MASTER_ADDR=h1"});
  start(2, {"rank.py", "ask", "RANK=1", "WORLD_SIZE=4", "MASTER_ADDR=h1"});
  start(3, {"rank.py", "late", "RANK=2", "WORLD_SIZE=4", "MASTER_ADDR=h1"});

  const Result result = ipcdoctor({"hosts", "--via", engine(), "--remote", IPCDOCTOR_BINARY,
                                   "--env", "MASTER_ADDR=h1", "--rounds", "1"});

  EXPECT_THAT(result.output,
              HasSubstr("2 of 4, ranks 0-1: socket.accept at rank.py:18 in barrier"));
  EXPECT_THAT(result.output, HasSubstr("rank 2, h3:python3["));
  EXPECT_THAT(result.output, HasSubstr("rank.py:13 in compute"));
  EXPECT_THAT(result.output, HasSubstr("rank 3: not looked at"));
}

TEST_F(Hosts, AProgramThatRunsNowhereIsNoTarget) {
  const Result result = ipcdoctor(
      {"hosts", "--via", engine(), "--remote", IPCDOCTOR_BINARY, "--program", "no-such-program"});

  expect_one_line(result, 4);
}

TEST(HostsCommand, PrintsWhatItWouldStart) {
  const auto printed = [](const std::string& via) {
    return ipcdoctor({"hosts", "--via", via, "--program", "my app", "--rounds", "1", "--dry-run"})
        .output;
  };
  EXPECT_EQ(printed("clush -w h[1-3]"),
            "clush -w 'h[1-3]' -L 'ipcdoctor save -o - --program '\\''my app'\\'''\n");
  EXPECT_EQ(printed("ssh -F cfg h1,h2"),
            "ssh -F cfg h1 'ipcdoctor save -o - --program '\\''my app'\\'''\n"
            "ssh -F cfg h2 'ipcdoctor save -o - --program '\\''my app'\\'''\n");
  EXPECT_THAT(printed("sudo -u x ssh h1"), HasSubstr("ssh h1 'ipcdoctor save"));
  EXPECT_EQ(printed("kubectl exec -n x pod-a"),
            "kubectl exec -n x pod-a -- ipcdoctor save -o - --program 'my app'\n");
  EXPECT_EQ(printed("srun --jobid 7"),
            "srun --jobid 7 --overlap --ntasks-per-node=1 -o DIR/%N.json ipcdoctor save -o - "
            "--program 'my app'\n");
  expect_one_line(ipcdoctor({"hosts", "--via", "ssh 'h1", "--program", "x"}), 2);
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
