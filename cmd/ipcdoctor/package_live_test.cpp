#include <filesystem>

#include "process_for_tests.h"

/// What is given to users: the binaries, and what `make install` makes of them.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kBuild = fs::path(IPCDOCTOR_BINARY).parent_path().parent_path();
const std::string kStatic = kBuild + "/static/ipcdoctor";

std::string output_of(const std::string& script) {
  return run_command({"sh", "-c", script}).output;
}

/// A folder that goes with this object.
class Folder {
 public:
  Folder() : path_(output_of("mktemp -d | tr -d '\\n'")) {}
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;  // what is left lies in /tmp
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Hardening : public ::testing::TestWithParam<std::string> {};

TEST_P(Hardening, IsInTheBinary) {
  if (!fs::exists(GetParam())) GTEST_SKIP() << "no " << GetParam();
  const std::string segments = output_of("readelf -lW " + GetParam());
  const std::string dynamic = output_of("readelf -dW " + GetParam());

  EXPECT_THAT(segments, ::testing::ContainsRegex("GNU_STACK +[0-9a-fx ]+ RW "));
  EXPECT_THAT(segments, Not(::testing::ContainsRegex(" RWE ")));
  EXPECT_THAT(segments, HasSubstr("GNU_RELRO"));
  if (GetParam() == kStatic) {
    EXPECT_THAT(segments, Not(HasSubstr("INTERP")));
    EXPECT_THAT(dynamic, HasSubstr("no dynamic section"));
    return;  // nothing is bound at run time
  }
  EXPECT_THAT(segments, HasSubstr("DYN (Position-Independent"));
  EXPECT_THAT(dynamic, ::testing::ContainsRegex("FLAGS_1.* NOW"));
  const std::string symbols = output_of("readelf --dyn-syms -W " + GetParam());
  EXPECT_THAT(symbols, HasSubstr("__stack_chk_fail"));
  EXPECT_THAT(symbols, ::testing::ContainsRegex("__(read|memcpy|snprintf)_chk"));
  const std::string main =
      output_of("objdump -d --no-show-raw-insn --disassemble=main " + GetParam());
  EXPECT_THAT(main, HasSubstr("endbr64")) << "control-flow protection, -fcf-protection";
}

INSTANTIATE_TEST_SUITE_P(Of, Hardening, ::testing::Values(IPCDOCTOR_BINARY, kStatic),
                         [](const auto& of) {
                           return std::string(of.param == kStatic ? "TheStaticOne"
                                                                  : "TheSharedOne");
                         });

TEST(Static, IsSmall) {
  if (!fs::exists(kStatic)) GTEST_SKIP() << "no " << kStatic;

  EXPECT_LT(fs::file_size(kStatic), 8'000'000U);
}

TEST(Static, DiagnosesWhereThereIsNothingButItselfAndProc) {
  if (!fs::exists(kStatic)) GTEST_SKIP() << "no " << kStatic;
  if (run_command({"unshare", "--mount", "true"}).exit_code != 0)
    GTEST_SKIP() << "no mount namespace here";
  Folder root;
  fs::create_directory(root.path() + "/proc");
  fs::copy_file(kStatic, root.path() + "/ipcdoctor");
  Process hung({IPCDOCTOR_PROGRAMS "/self_deadlock/relock"}, false);
  hung.read_until("READY");

  const Result result =
      run_command({"unshare", "--mount", "sh", "-c",
                   "mount --rbind /proc \"$0/proc\" && exec chroot \"$0\" /ipcdoctor attach \"$1\"",
                   root.path(), std::to_string(hung.pid())});

  EXPECT_EQ(result.exit_code, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr("DEADLOCK  self-deadlock"));
}

/// The files below a folder, sorted, one a line.
std::string files_in(const std::string& folder) {
  return output_of("cd " + folder + " && find . -type f | sort");
}

TEST(Install, BuildsNothingAndIsUndoneByUninstall) {
  if (!fs::exists(kBuild + "/completions/ipcdoctor.fish")) GTEST_SKIP() << "not all is built";
  Folder root;
  const std::string make =
      "cd " IPCDOCTOR_SOURCE " && env -u MAKEFLAGS -u MFLAGS make BUILD=" + kBuild +
      " DESTDIR=" + root.path() + " PREFIX=/opt/x ";

  const auto begin = Clock::now();
  const Result installed = run_command({"sh", "-c", make + "install"});
  EXPECT_LT(Clock::now() - begin, 20s);

  EXPECT_EQ(installed.exit_code, 0) << installed.output;
  const std::string files = files_in(root.path() + "/opt/x");
  for (const char* file :
       {"./bin/ipcdoctor", "./share/man/man1/ipcdoctor.1", "./share/doc/ipcdoctor/LICENSE",
        "./share/bash-completion/completions/ipcdoctor", "./share/zsh/site-functions/_ipcdoctor",
        "./share/fish/vendor_completions.d/ipcdoctor.fish",
        "./share/ipcdoctor/recipes/pytest_ipcdoctor.py",
        "./share/ipcdoctor/programs/unclosed_write_end/consumer_keeps_end.py"}) {
    EXPECT_THAT(files, HasSubstr(file));
  }
  EXPECT_THAT(files, Not(HasSubstr("healthy")));
  EXPECT_LT(fs::file_size(root.path() + "/opt/x/bin/ipcdoctor"), 9'000'000U) << "it is stripped";
  EXPECT_THAT(run_command({root.path() + "/opt/x/bin/ipcdoctor", "demo"}).output,
              HasSubstr("unclosed-write-end"));

  std::ofstream(root.path() + "/opt/x/bin/other") << "stays";
  EXPECT_EQ(run_command({"sh", "-c", make + "uninstall"}).exit_code, 0);
  EXPECT_EQ(files_in(root.path()), "./opt/x/bin/other\n");
}

TEST(Static, HasADemoThoughItWasInstalledAlone) {
  if (!fs::exists(kStatic)) GTEST_SKIP() << "no " << kStatic;
  Folder root;
  fs::copy_file(kStatic, root.path() + "/ipcdoctor");

  for (const char* path : {"/usr/bin:/bin", "/nonexistent"}) {
    fs::create_directories(root.path() + "/bin");
    const bool python = std::string(path) != "/nonexistent";
    if (!python) fs::create_symlink("/bin/cat", root.path() + "/bin/cat");
    if (!python) fs::create_symlink("/bin/sh", root.path() + "/bin/sh");
    const Result result =
        run_command({"env", std::string("PATH=") + (python ? path : (root.path() + "/bin").c_str()),
                     root.path() + "/ipcdoctor", "demo"});
    EXPECT_EQ(result.exit_code, 1) << result.output;
    EXPECT_THAT(result.output, HasSubstr("unclosed-write-end"));
  }
}

TEST(Release, HasTheSameBytesEachTimeAndAWheelThatPipInstalls) {
  if (!fs::exists(kStatic) || !fs::exists(kBuild + "/completions/ipcdoctor.fish"))
    GTEST_SKIP() << "not all is built";
  Folder folder;
  const std::string release = IPCDOCTOR_SOURCE "/packaging/release " + kBuild + " ";
  const std::string first = folder.path() + "/first";

  const Result made = run_command({"sh", "-c", release + first});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  run_command({"sh", "-c", "umask 077; cd / && " + release + folder.path() + "/second"});
  EXPECT_EQ(output_of("diff -r " + first + " " + folder.path() + "/second 2>&1"), "");
  EXPECT_EQ(run_command({"sh", "-c", "cd " + first + " && sha256sum -c SHA256SUMS"}).exit_code, 0);
  EXPECT_THAT(files_in(first), HasSubstr(".whl"));

  if (std::system("/usr/bin/python3 -c 'import pip, pytest' 2>/dev/null") != 0)
    GTEST_SKIP() << "no pip or no pytest";
  std::ofstream(folder.path() + "/test_it.py")
      << "import threading\ndef test_event():\n    threading.Event().wait()\n";
  const Result tested = run_command(
      {"sh", "-c",
       "cd " + folder.path() +
           " && /usr/bin/python3 -m pip install -q --root-user-action ignore --no-index --no-deps"
           " --target site first/*.whl && env PYTHONPATH=site COLUMNS=200"
           " /usr/bin/python3 -m pytest -q -p no:cacheprovider --ipcdoctor-timeout 2"});
  EXPECT_EQ(tested.exit_code, 1) << tested.output;
  EXPECT_THAT(tested.output, HasSubstr("test_event - DEADLOCK missed-wakeup: "));
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
