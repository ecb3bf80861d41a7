#pragma once

#include <string>
#include <vector>

#include "probes/internal/set_members.h"

/// Tasks that wait for an item of a queue or a message: what they take from, and who could put
/// something there.
namespace ipcdoctor::probes {

/// It takes from a queue of a library or receives on a connection of one; workers of pools do not
/// count.
bool takes_from_queue(const Thread& thread);

/// It takes items that come from other processes: from a queue or a connection of a library, a
/// server's queue, a message queue.
bool takes_from_processes(const Thread& thread);

/// It takes items that only threads of its own process can put.
bool takes_from_threads(const Thread& thread);

/// The same, and its counterpart, where no interpreter tells which queue it is: Go's channels,
/// Rust's, Ruby's and Java's queues.
bool takes_from_memory(const Thread& thread);
bool puts_into_memory(const Thread& thread);

/// Members that wait for items of the same queue as `one`, itself included. Queues are the same
/// when their pipe is.
Members fellow_receivers(const Members& members, const Member& one);

/// Whether that member could put something there: it has the other end, or shares the memory. True
/// where that is not known.
bool could_give(const Member& giver, const Member& receiver);

/// "the Queue `jobs`", "the pipe of 42 fd 4".
std::string queue_name(const Context& context, const Member& receiver);

}  // namespace ipcdoctor::probes
