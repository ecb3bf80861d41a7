#pragma once

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// Above these stands which host an inode is of: st_dev has 32 bits, the number of a namespace too.
inline constexpr unsigned kPlaceBits = 44;

/// The lowest number of a joined snapshot: none that a kernel gives to a process, thread or System
/// V object of one of its hosts is likely to be written beside it.
inline constexpr int kFirstJoined = 1'000'000'000;
constexpr bool is_joined(Pid pid) {
  return pid.value >= kFirstJoined;
}

/// Gives all processes, threads and System V objects the numbers from `host.first` on, and fills in
/// host.numbers; gives kernel objects and namespaces ids that those of no other `place` have.
/// Numbers in texts, and those that a program stores itself (ns_pid, Number::Pid), stay.
/// @return Limit if there are more numbers than kFirstFiber leaves.
Status renumber(Snapshot& snapshot, Host& host, std::uint64_t place);

}  // namespace ipcdoctor::snapshot
