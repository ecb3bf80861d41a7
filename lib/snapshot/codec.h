#pragma once

#include <iosfwd>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// The file format of `ipcdoctor save`: JSON with "schema": "ipcdoctor/snapshot/1".
void save(std::ostream& out, const Snapshot& snapshot);
/// @return Malformed for anything else than a snapshot file, Unsupported for one of another
/// version.
Result<Snapshot> load(std::istream& in);

}  // namespace ipcdoctor::snapshot
