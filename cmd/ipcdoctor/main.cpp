#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "base/text.h"
#include "commands.h"
#include "exit_code.h"

namespace {

constexpr const char* kExamples = R"(
Examples:
  ipcdoctor attach 4242                    who waits for whom, and what to change
  ipcdoctor run --timeout 5m -- make test  ends the command when it hangs, and says why
  ipcdoctor save 4242 -o hang.json         look now ...
  ipcdoctor analyze hang.json              ... diagnose later, elsewhere
  ipcdoctor demo                           see it work on a bundled program

Exit codes: 0 no finding, 1 deadlock or stuck, 2 usage, 3 too little was seen, 4 no such target.)";

std::string one_line(const CLI::App*, const CLI::Error& error) {
  return "ipcdoctor: " + ipcdoctor::escape_untrusted(error.what()) + " (see ipcdoctor --help)\n";
}

}  // namespace

int ipcdoctor::cmd::fail(int exit_code, std::string_view text) {
  std::cerr << "ipcdoctor: " << escape_untrusted(text) << '\n';
  return exit_code;
}

std::string ipcdoctor::cmd::words_of(const Error& error) {
  return error.number == 0 && !error.what.empty() ? error.what : to_string(error);
}

int main(int argc, char** argv) {
  using namespace ipcdoctor::cmd;
  CLI::App app(
      "Says why a program of several processes hangs: which mistake, whose, and how to mend it.",
      "ipcdoctor");
  app.set_version_flag("--version", "ipcdoctor " IPCDOCTOR_VERSION);
  app.footer(kExamples);
  app.failure_message(one_line);
  app.require_subcommand(1);
  Command command;
  for (const auto add : {add_attach, add_run, add_watch, add_stacks, add_save, add_analyze,
                         add_explain, add_probes, add_demo, add_check, add_schema}) {
    add(app, command);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  return command();
}
