#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
}

namespace ipcdoctor::cmd {

/// What the chosen subcommand does once the whole command line was understood; returns the exit
/// code.
using Command = std::function<int()>;

/// Each adds its subcommand to `app`; its callback fills in `command`.
void add_attach(CLI::App& app, Command& command);
void add_watch(CLI::App& app, Command& command);
void add_run(CLI::App& app, Command& command);
void add_stacks(CLI::App& app, Command& command);
void add_tree(CLI::App& app, Command& command);
void add_mcp(CLI::App& app, Command& command);
void add_save(CLI::App& app, Command& command);
void add_token(CLI::App& app, Command& command);
void add_analyze(CLI::App& app, Command& command);
void add_hosts(CLI::App& app, Command& command);
void add_explain(CLI::App& app, Command& command);
void add_probes(CLI::App& app, Command& command);
void add_demo(CLI::App& app, Command& command);
void add_check(CLI::App& app, Command& command);
void add_schema(CLI::App& app, Command& command);
void add_completion(CLI::App& app, Command& command);
void add_help(CLI::App& app, Command& command);

/// Prints "ipcdoctor: TEXT" as exactly one line on standard error. @return exit_code
int fail(int exit_code, std::string_view text);

/// An Error for a person: what() says it all where no system call failed.
std::string words_of(const Error& error);

}  // namespace ipcdoctor::cmd
