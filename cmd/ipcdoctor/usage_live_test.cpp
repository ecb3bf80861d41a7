#include <filesystem>

#include "process_for_tests.h"

/// The command line as people type it.
namespace ipcdoctor::cmd::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kCommands = {"attach",  "run",        "watch",  "stacks", "save",
                                            "analyze", "explain",    "probes", "demo",   "check",
                                            "schema",  "completion", "help",   "hosts",  "token"};

void expect_told(const std::vector<std::string>& arguments, const std::string& words) {
  const Result result = ipcdoctor(arguments);
  expect_one_line(result, 2);
  EXPECT_THAT(result.output, HasSubstr(words));
}

TEST(Usage, SaysWhatWasProbablyMeant) {
  expect_told({"attahc", "1"}, "no command attahc; did you mean attach?");
  expect_told({"attach", "--fromat", "json", "1"}, "did you mean --format?");
  expect_told({"attach", "--format", "jsno", "1"}, "did you mean json?");
  expect_told({"explain", "unclosed-writ-end"}, "did you mean unclosed-write-end?");
  expect_told({"demo", "self-deadlok"}, "did you mean self-deadlock?");
  expect_told({"help", "rnu"}, "did you mean run?");
  expect_told({"--vresion"}, "did you mean --version?");
  expect_told({"attach", "--color", "alwyas", "1"}, "did you mean always?");
  expect_told({"-q", "attach", "1"}, "-q stands after the command");
}

TEST(Usage, SaysWhatIsWrongInOneLine) {
  expect_told({"attach"}, "PID is required");
  expect_told({"attach", "nginx"}, "pgrep");
  expect_told({"attach", "--timeout", "0", "1"}, "no time at all");
  expect_told({"save", "1"}, "--output is required");
  expect_told({"analyze", "/"}, "no file in the folder / is an ipcdoctor snapshot");
  expect_told({"attach", "--format", "json=a", "--format", "html=a", "1"},
              "only one format can go to a");
  expect_told({"analyze", "/nonexistent"}, "No such file");
}

TEST(Usage, WithoutACommandItListsThem) {
  const Result result = ipcdoctor({});

  EXPECT_EQ(result.exit_code, 2);
  for (const std::string& command : kCommands) EXPECT_THAT(result.output, HasSubstr(command));
}

TEST(Usage, ToldAReportInsteadOfASnapshotSaysWhereSnapshotsComeFrom) {
  const std::string path = ::testing::TempDir() + "report-not-snapshot.json";
  std::ofstream(path) << "{\"schema\": \"ipcdoctor/report/1\"}";

  expect_told({"analyze", path}, "is a report, not a snapshot");
  std::filesystem::remove(path);
}

TEST(Usage, ALongLookAtATerminalTellsThatItIsOne) {
  Process program({"sleep", "100"}, true);
  const std::string look =
      IPCDOCTOR_BINARY " attach --observe 1500ms " + std::to_string(program.pid());

  const std::string at_terminal = run_command({"script", "-qc", look, "/dev/null"}).output;

  EXPECT_THAT(at_terminal, HasSubstr("looking at the processes: 1 s"));
  EXPECT_THAT(run_command({"sh", "-c", look + " 2>&1"}).output, Not(HasSubstr("looking")));
}

TEST(Usage, WatchAtATerminalTellsThatItDoes) {
  Process program({"sleep", "100"}, true);
  const std::string watch = IPCDOCTOR_BINARY " watch --timeout 2s " + std::to_string(program.pid());

  const std::string at_terminal = run_command({"script", "-qc", watch, "/dev/null"}).output;

  EXPECT_THAT(at_terminal, HasSubstr("watching the processes: 1 s"));
  EXPECT_THAT(at_terminal, HasSubstr("\033[K"));
}

TEST(Usage, AMissingProcessIsToldByWatchToo) {
  const Result result = ipcdoctor({"watch", "4194303"});

  expect_one_line(result, 4);
  EXPECT_THAT(result.output, HasSubstr("process 4194303 does not exist"));
}

TEST(Usage, OptionsOfTheCommandThatIsRunAreItsOwn) {
  EXPECT_EQ(ipcdoctor({"run", "--", "echo", "--fromat"}).output, "--fromat\n");
  EXPECT_EQ(ipcdoctor({"run", "--timeout", "1m", "echo", "-x", "--keep"}).output, "-x --keep\n");
}

TEST(Usage, EveryCommandHasAHelpOf80ColumnsWithAnExample) {
  for (const std::string& command : kCommands) {
    const Result result = ipcdoctor({"help", command});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.output, HasSubstr("Example"));
    EXPECT_THAT(result.output, HasSubstr("ipcdoctor " + command));
    std::istringstream lines(result.output);
    bool is_example = false;
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80U) << line;
      is_example |= line.starts_with("Example");
      if (is_example) {  // to be copied: none is folded
        EXPECT_THAT(line, HasSubstr("ipcdoctor")) << command;
      }
    }
    EXPECT_EQ(ipcdoctor({command, "--help"}).output, result.output);
  }
}

TEST(Usage, HelpAloneIsThatOfTheProgram) {
  EXPECT_EQ(ipcdoctor({"help"}).output, ipcdoctor({"--help"}).output);
  EXPECT_THAT(ipcdoctor({"help"}).output, HasSubstr("Subcommands:"));
}

TEST(Usage, TheVersionIsThatOfTheProjectOrWhatGitTells) {
  EXPECT_THAT(ipcdoctor({"-V"}).output,
              ::testing::MatchesRegex("ipcdoctor [0-9.]+(\\+[0-9a-z.]+)?\n"));
  EXPECT_EQ(ipcdoctor({"-V"}).output, ipcdoctor({"--version"}).output);
}

TEST(Usage, ColoursAreForTerminalsUnlessAskedFor) {
  const auto snapshot =
      std::string(IPCDOCTOR_TESTDATA "/snapshots/unclosed_write_end/consumer_keeps_end.py.json");

  EXPECT_EQ(ipcdoctor({"analyze", snapshot}).output.find('\x1b'), std::string::npos);
  EXPECT_NE(ipcdoctor({"analyze", "--color", "always", snapshot}).output.find('\x1b'),
            std::string::npos);
}

TEST(Usage, QuietSaysNothingButTheExitCode) {
  const auto snapshot =
      std::string(IPCDOCTOR_TESTDATA "/snapshots/unclosed_write_end/consumer_keeps_end.py.json");
  const Result result = ipcdoctor({"analyze", "-q", snapshot});

  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_TRUE(ipcdoctor({"analyze", "-q", "--format", "json", snapshot}).output.starts_with("{"));
}

/// The words of a help text that begin with "--".
std::vector<std::string> options_in(const std::string& help) {
  std::vector<std::string> options;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find("--");
    if (!line.starts_with("  -") || at > 5) continue;
    options.push_back(line.substr(at, line.find_first_of(" ,", at) - at));
  }
  return options;
}

TEST(Completion, OfEachShellKnowsEveryCommandAndOption) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const std::string script = ipcdoctor({"completion", shell}).output;
    for (const std::string& command : kCommands) {
      EXPECT_THAT(script, HasSubstr(command));
      for (const std::string& option : options_in(ipcdoctor({"help", command}).output)) {
        const std::string name = shell == "fish" ? "-l " + option.substr(2) : option;
        EXPECT_THAT(script, HasSubstr(name)) << command;
      }
    }
  }
}

TEST(Completion, OfBashCompletesCommandsOptionsAndValues) {
  const auto complete = [](const std::string& words) {
    return run_command({"bash", "-c",
                        "source <(" IPCDOCTOR_BINARY " completion bash)\nCOMP_WORDS=(" + words +
                            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ipcdoctor; echo "
                            "${COMPREPLY[@]}"})
        .output;
  };

  EXPECT_EQ(complete("ipcdoctor att"), "attach\n");
  EXPECT_EQ(complete("ipcdoctor attach --obs"), "--observe\n");
  EXPECT_EQ(complete("ipcdoctor attach --stop a"), "auto always\n");
  EXPECT_EQ(complete("ipcdoctor attach --format = js"), "json\n");  // as bash splits it
  EXPECT_EQ(complete("ipcdoctor attach --stop ="), "never auto always\n");
  EXPECT_EQ(complete("ipcdoctor explain missing-s"), "missing-sentinel\n");
  EXPECT_THAT(complete("ipcdoctor attach ''"), HasSubstr(" " + std::to_string(::getpid())));
}

TEST(Completion, OfFishCompletesValuesAndTheCommandThatIsRun) {
  if (std::system("command -v fish >/dev/null") != 0) GTEST_SKIP() << "no fish";
  const auto complete = [](const std::string& line) {
    return run_command({"fish", "-c",
                        IPCDOCTOR_BINARY " completion fish | source; complete -C '" + line + "'"})
        .output;
  };

  EXPECT_THAT(complete("ipcdoctor attach --format=js"), HasSubstr("--format=json"));
  EXPECT_THAT(complete("ipcdoctor explain missing-s"), HasSubstr("missing-sentinel"));
  EXPECT_THAT(complete("ipcdoctor run --timeout 3 -- ls --al"), HasSubstr("--almost-all"));
}

TEST(Completion, LoadsInTheOtherShellsToo) {
  for (const std::string shell : {"zsh", "fish"}) {
    if (std::system(("command -v " + shell + " >/dev/null").c_str()) != 0) continue;
    const std::string file = ::testing::TempDir() + "completion." + shell;
    const std::string before = shell == "zsh" ? "autoload -Uz compinit; compinit -D -u; " : "";
    const Result result =
        run_command({"sh", "-c",
                     IPCDOCTOR_BINARY " completion " + shell + " >" + file + " && " + shell +
                         " -c '" + before + "source " + file + "' && rm " + file});
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_EQ(result.output, "") << shell;
  }
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
