#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "process_for_tests.h"

/// What programs call themselves, in formats where it could be more than a name.
namespace ipcdoctor::cmd::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

/// Names that are syntax to graphviz, mermaid, XML and HTML; the tools themselves read what is
/// written.
TEST(Names, ThatAreSyntaxStayNames) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("names." + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto path = [&](const std::string& name) { return std::string(folder / name); };
  const std::string script = path("a\"];PWN[label=x]; ]]><b onload=1>&amp;%%{init}%%.py");
  std::ofstream(script) << "import threading\n"
                           "lock = threading.Lock()\n"
                           "def f(l):\n    l.acquire()\n"
                           "f.__code__ = f.__code__.replace(co_name='\"];PWN[label=\"',"
                           " co_filename='</script><img src=x onerror=1>\"\\\\')\n"
                           "lock.acquire()\nprint('READY', flush=True)\nf(lock)\n";
  Process hung({"/usr/bin/python3", script}, false);
  hung.read_until("READY");
  std::this_thread::sleep_for(300ms);
  std::vector<std::string> command = {IPCDOCTOR_BINARY, "attach", std::to_string(hung.pid())};
  for (const std::string format : {"dot", "mermaid", "junit", "html"}) {
    command.push_back("--format");
    command.push_back(format + "=" + path(format));
  }
  ASSERT_EQ(run_command(command).exit_code, 1);

  EXPECT_THAT(read_file(path("html")), Not(HasSubstr("<img src=x")));
  EXPECT_THAT(read_file(path("html")), HasSubstr("default-src 'none'"));
  const auto reads = [&](const std::string& tool) {
    const Result result = run_command({"sh", "-c", tool});
    EXPECT_EQ(result.exit_code, 0) << tool << '\n' << result.output;
    return result.output;
  };
  if (run_command({"sh", "-c", "command -v xmllint"}).exit_code == 0)
    reads("xmllint --noout " + path("junit"));
  if (run_command({"sh", "-c", "command -v dot"}).exit_code == 0) {
    const std::string nodes = reads("dot -Tplain " + path("dot"));
    EXPECT_THAT(nodes, Not(::testing::ContainsRegex("\nnode \"?PWN"))) << nodes;
  }
  if (run_command({"sh", "-c", "command -v mmdc"}).exit_code == 0)
    reads("mmdc -q -i " + path("mermaid") + " -o " + path("m.svg"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace ipcdoctor::cmd::testing
