#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <memory>
#include <new>
#include <string_view>

#include "commands.h"
#include "exit_code.h"
#include "suggest.h"
#include "usage.h"
#include "version.h"

namespace {

constexpr const char* kExamples = R"(
Examples:
  ipcdoctor attach 4242                    who waits for whom, and why
  ipcdoctor run --timeout 5m -- make test  ends the command when it hangs
  ipcdoctor save 4242 -o hang.json         look now ...
  ipcdoctor analyze hang.json              ... diagnose later, elsewhere
  ipcdoctor demo                           see it work on a bundled program
  ipcdoctor help run                       the options of one command

Exit codes: 0 no finding, 1 deadlock or stuck, 2 usage, 3 too little was seen,
4 no such target, 5-7 ipcdoctor itself failed; `run`: that of its command,
124 when it ended it.)";

/// The command that was chosen, or the program.
const CLI::App& chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : *commands.front();
}

int run(int argc, char** argv) {
  using namespace ipcdoctor::cmd;
  CLI::App app(
      "Says why a program of several processes hangs: which mistake, whose, and how\nto mend it.",
      "ipcdoctor");
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("-V,--version", std::string("ipcdoctor ") + kVersion, "print the version");
  app.footer(kExamples);
  app.require_subcommand(1);
  Command command;
  for (const auto add : {add_attach, add_run, add_watch, add_stacks, add_tree, add_save, add_token,
                         add_analyze, add_hosts, add_explain, add_probes, add_demo, add_check,
                         add_schema, add_mcp, add_completion, add_help}) {
    add(app, command);
  }
  if (argc < 2) {
    std::cerr << help_of(app);
    return kUsage;
  }
  if (const std::string wrong = unknown_names(app, argc, argv); !wrong.empty())
    return fail(kUsage, wrong);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << help_of(chosen(app));
    return 0;
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << '\n';
    return 0;
  } catch (const CLI::ParseError& error) {
    const CLI::App& at = chosen(app);
    const std::string name = at.get_parent() == nullptr ? "" : " " + at.get_name();
    return fail(kUsage, std::string(error.what()) + " (see ipcdoctor" + name + " --help)");
  }
  return command();
}

/// There may not even be room for an exception.
[[noreturn]] void end_without_memory(int exit_code) {
  constexpr std::string_view kWords = "ipcdoctor: out of memory\n";
  (void)!::write(STDERR_FILENO, kWords.data(), kWords.size());  // there is nothing else to do
  ::_exit(exit_code);
}

bool is_run(int argc, char** argv) {
  return argc > 1 && std::string_view(argv[1]) == "run";
}

/// Before the objects of libraries in headers, CLI11's, are made: what they cannot get would end us
/// with a signal. The C libraries of GNU pass the arguments of main().
[[gnu::constructor(101)]] void prepare_for_no_memory(int argc, char** argv) {
  using namespace ipcdoctor::cmd;
  if (is_run(argc, argv))
    std::set_new_handler([] { end_without_memory(kRunFailed); });
  else
    std::set_new_handler([] { end_without_memory(kNoMemory); });
}

/// A file that RLIMIT_FSIZE keeps from growing is an error of write(2), and not our end without a
/// word. Not ignored but handled: a command that we start gets the default back, by execve(2).
void outlive_full_files() {
  struct sigaction now {};
  if (::sigaction(SIGXFSZ, nullptr, &now) == 0 && now.sa_handler == SIG_DFL)
    (void)std::signal(SIGXFSZ, [](int) {});
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ipcdoctor::cmd;
  const bool runs = is_run(argc, argv);
  outlive_full_files();
  if (runs) std::set_new_handler(nullptr);  // it has a command to end or to leave in order
  try {
    const int code = run(argc, argv);
    const bool written = std::cout.flush().good();
    return written || runs ? code : fail(kUsage, "standard output could not be written to");
  } catch (const std::bad_alloc&) {
    end_without_memory(runs ? kRunFailed : kNoMemory);
  }
}
