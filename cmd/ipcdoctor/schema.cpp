#include <CLI/CLI.hpp>
#include <iostream>

#include "commands.h"
#include "embedded.h"
#include "exit_code.h"

namespace ipcdoctor::cmd {

void add_schema(CLI::App& app, Command& command) {
  CLI::App* schema_command = app.add_subcommand("schema", "print the JSON Schema of the reports");
  schema_command->footer("\nExample: ipcdoctor schema >report.schema.json");
  schema_command->callback([&command] {
    command = [] {
      std::cout << report_schema();
      return kNoFinding;
    };
  });
}

}  // namespace ipcdoctor::cmd
