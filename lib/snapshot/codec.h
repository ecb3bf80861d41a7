#pragma once

#include <iosfwd>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// The file format of `ipcdoctor save`: JSON with "schema": "ipcdoctor/snapshot/2". A process, or a
/// thread of one, has only what differs from the one before it in the list.
void save(std::ostream& out, const Snapshot& snapshot);
/// All that are in a file, or in what an engine wrote around them: the name of a host before each
/// line ("h1: "), lines of other commands, the standard output as a member of JSON.
/// @return at least one; Malformed for anything else, Unsupported for those of another version.
Result<std::vector<Snapshot>> load_all(const std::string& text);

}  // namespace ipcdoctor::snapshot
