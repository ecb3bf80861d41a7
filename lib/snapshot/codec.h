#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// Compact bytes (CBOR) for the way from the helper process to its parent.
std::string encode(const Snapshot& snapshot);
/// @return Malformed if the bytes are not a whole snapshot of this version.
Result<Snapshot> decode(std::string_view bytes);

/// The file format of `ipcdoctor save`: JSON with "schema": "ipcdoctor/snapshot/1".
void save(std::ostream& out, const Snapshot& snapshot);
/// @return Malformed for anything else than a snapshot file, Unsupported for one of another
/// version.
Result<Snapshot> load(std::istream& in);

}  // namespace ipcdoctor::snapshot
