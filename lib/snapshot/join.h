#pragma once

#include <string>
#include <vector>

#include "snapshot/snapshot.h"

/// Snapshots of several hosts as one: TCP connections get their other ends.
///
/// Two rounds prove what one cannot: each look of the first ended before any of the second began,
/// as the second was told a token that only the first could give. A thread that is in the same call
/// with the same count of switches in both ran at no time between them. So nobody who holds the
/// other end m of a connection s has written since the first look at m, if no thread of them ran.
/// What was written before lay in m's send queue at the first look, or had arrived by then. With
/// that queue empty in round one, and nothing unread at s in round two, no byte comes unless
/// somebody writes it. The order matters: the sender's queue of the first round, the receiver's of
/// the second.
///
/// Two sockets are ends of one connection if each has the addresses of the other, no third one
/// among all that were seen has them, and each has received as many bytes as the other has sent.
namespace ipcdoctor::snapshot {

/// What `save --after` is given: it tells whether later looks came after all of these. Equal
/// snapshots count once, the order is no matter. "" if one of them has no id.
std::string token_of(const std::vector<Snapshot>& round);

/// Whether they may be looks at one program: no two of one host and one round that have no target
/// in common, and all know their place.
bool belong_together(const std::vector<Snapshot>& snapshots);

/// Of each host the last look is taken, and of the round before what it adds. A connection whose
/// other end is not found, or not for sure, leads elsewhere: Socket::elsewhere says why.
/// @return Limit if they have too many processes.
Result<Snapshot> join(std::vector<Snapshot> snapshots);

}  // namespace ipcdoctor::snapshot
