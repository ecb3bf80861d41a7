#pragma once

#include "linux/address_space.h"
#include "snapshot/snapshot.h"
#include "unwind/unwind.h"

namespace ipcdoctor::runtime::shell {

/// The command of a script that a bash is in the middle of, as a frame: its file, line and first word.
///
/// Bash exports its globals for loadable builtins: `line_number` is that of the simple command that runs
/// (execute_cmd.c, bash 4.0 to 5.3), `dollar_vars[0]` the script, `this_command_name` the word.
/// @return Unsupported for another program, an interactive bash and `bash -c`: they have no script.
Result<snapshot::Frame> read_script_frame(const linux::AddressSpace& space, unwind::Images& images);

}  // namespace ipcdoctor::runtime::shell
