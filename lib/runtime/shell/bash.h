#pragma once

#include <string>
#include <vector>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::shell {

/// Where in its script a bash is, as frames, innermost first: file, line and the builtin's name of
/// the command that runs, then of each call of a function or `source` the file, line and function
/// that it stands in.
///
/// Bash exports its globals for loadable builtins (execute_cmd.c, bash 5.0 to 5.3): `line_number`
/// is that of the builtin that runs, but of the end of the command that was parsed last while it
/// waits for a child; `line_number_for_err_trap` is that of the simple command begun last,
/// `the_printed_command_except_trap` its text, `dollar_vars[0]` the script, `this_command_name` the
/// builtin's name. Bash keeps the script open as descriptor 255. BASH_SOURCE, BASH_LINENO and
/// FUNCNAME are arrays in `global_variables`; without them there is the innermost frame only, and
/// it is taken to be of the script.
/// @param awaited  comm of the child that it waits for; "" if it waits for none
/// @return Unsupported for another program, an interactive bash and `bash -c`: they have no script.
Result<std::vector<snapshot::Frame>> read_script_frames(const linux::AddressSpace& space,
                                                        unwind::Images& images,
                                                        const std::string& awaited = "");

/// Whether the command that a bash runs stands in a loop (`while`, `until`, `for`, `select`) of the
/// same function: `loop_level` counts them. false where it cannot be told.
bool is_in_loop(const linux::AddressSpace& space, unwind::Images& images);

}  // namespace ipcdoctor::runtime::shell
