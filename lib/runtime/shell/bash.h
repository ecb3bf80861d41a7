#pragma once

#include <string>

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::shell {

/// The command of a script that a bash is in the middle of, as a frame: its file, line and first
/// word.
///
/// Bash exports its globals for loadable builtins (execute_cmd.c, bash 5.0 to 5.3): `line_number`
/// is that of the builtin that runs, but of the end of the command that was parsed last while it
/// waits for a child; `line_number_for_err_trap` is that of the simple command begun last,
/// `the_printed_command_except_trap` its text, `dollar_vars[0]` the script, `this_command_name` the
/// builtin's name. Bash keeps the script open as descriptor 255.
/// @param awaited  comm of the child that it waits for; "" if it waits for none
/// @return Unsupported for another program, an interactive bash and `bash -c`: they have no script.
Result<snapshot::Frame> read_script_frame(const linux::AddressSpace& space, unwind::Images& images,
                                          const std::string& awaited = "");

}  // namespace ipcdoctor::runtime::shell
