#include "probes/all_probes.h"

#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>

#include "commands.h"
#include "exit_code.h"

namespace ipcdoctor::cmd {

static int list_probes() {
  for (const diagnosis::Probe* probe : probes::probes_by_code()) {
    std::cout << probe->code << "  " << std::left << std::setw(24) << probe->slug << "  "
              << probe->summary << '\n';
  }
  return kNoFinding;
}

void add_probes(CLI::App& app, Command& command) {
  CLI::App* probes_command =
      app.add_subcommand("probes", "list the classes of deadlock that are known");
  probes_command->footer("\nExample: ipcdoctor probes | grep -i queue");
  probes_command->callback([&command] { command = list_probes; });
}

}  // namespace ipcdoctor::cmd
