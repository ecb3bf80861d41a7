#include <CLI/CLI.hpp>
#include <iostream>

#include "commands.h"
#include "embedded.h"
#include "exit_code.h"

namespace ipcdoctor::cmd {

void add_schema(CLI::App& app, Command& command) {
  app.add_subcommand("schema", "print the JSON Schema of the reports")->callback([&command] {
    command = [] {
      std::cout << report_schema();
      return kNoFinding;
    };
  });
}

}  // namespace ipcdoctor::cmd
