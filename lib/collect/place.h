#pragma once

#include <cstdint>
#include <string>

#include "snapshot/snapshot.h"

namespace ipcdoctor::collect {

std::int64_t milliseconds_since_1970();

/// Fills in Snapshot::host and kernel.
void name_host(snapshot::Snapshot& snapshot);

/// Which host and boot this is, its addresses where no sockets were read; draws the id. Call it
/// when the collection has ended.
void finish_place(snapshot::Place& place, std::int64_t begin_ms, const std::string& after);

}  // namespace ipcdoctor::collect
