#pragma once

#include <iosfwd>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// The file format of `ipcdoctor save`: JSON with "schema": "ipcdoctor/snapshot/2". A process, or a
/// thread of one, has only what differs from the one before it in the list.
void save(std::ostream& out, const Snapshot& snapshot);
/// @return Malformed for anything else than a snapshot file, Unsupported for one of another
/// version than this and 1, where each has all.
Result<Snapshot> load(std::istream& in);
/// All that are in what an engine wrote around them: the name of a host before each line ("h1: "),
/// lines of other commands, the standard output as a member of JSON. At least one.
Result<std::vector<Snapshot>> load_all(const std::string& text);

}  // namespace ipcdoctor::snapshot
