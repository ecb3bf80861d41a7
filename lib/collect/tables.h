#pragma once

#include <functional>
#include <set>
#include <vector>

#include "collect/system.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

enum class TablesFrom { Cheapest, Proc, Kernel };

/// Reads the descriptor tables of all processes that have none yet, also those of threads that
/// share no table. Sockets are OtherSocket and anonymous files get dev = pid, ino = fd until
/// identify_objects() has looked at their kind. @return false if a process or a thread went before
/// its table was read: whoever it left its descriptors to has to be looked for.
/// @param from  Cheapest: from the kernel itself (linux/fd_iterator.h) once that costs less than
///              what is left to read through /proc. Kernel: what it does not tell still comes from
///              /proc.
bool read_tables(System& system, TablesFrom from = TablesFrom::Cheapest);

/// Asks the kernel how many there are of the ends of each pipe, for System::ends_of(). Nothing is
/// learned where it does not tell. Call after read_tables().
void read_pipe_ends(System& system);

/// Calls `each` for every table: that of a process has tid 0.
void for_each_table(
    System& system,
    const std::function<void(ProcessEntry&, Tid, std::vector<snapshot::Fd>&)>& each);

/// Gives equal files equal ids in all tables: eventfds by eventfd-id, pidfds by pid, the others by
/// kcmp(2). Costs a read for each descriptor of that kind in the system, so only for kinds that
/// somebody waits on.
void identify_objects(System& system, snapshot::ObjectKind kind);

}  // namespace ipcdoctor::collect
