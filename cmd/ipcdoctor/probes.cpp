#include "probes/all_probes.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "commands.h"
#include "exit_code.h"
#include "report/layout.h"
#include "reports.h"

namespace ipcdoctor::cmd {

static int list_probes() {
  // a line a class for whoever reads it by a program
  const auto width = ::isatty(STDOUT_FILENO) == 1
                         ? static_cast<std::size_t>(width_of(STDOUT_FILENO))
                         : std::string::npos;
  for (const diagnosis::Probe* probe : probes::probes_by_code()) {
    std::ostringstream name;
    name << probe->code << "  " << std::left << std::setw(24) << probe->slug << "  ";
    const std::string indent(name.str().size(), ' ');
    std::cout << report::wrap(probe->summary, width, name.str(), indent);
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
