#pragma once

#include <string>
#include <vector>

#include "snapshot/snapshot.h"

namespace ipcdoctor::snapshot {

/// A host's looks. `first` is of the round before `last` and proved to be; nullptr: there is none.
struct Looks {
  Snapshot* last = nullptr;
  const Snapshot* first = nullptr;
};

/// One for each host, the newest look that there is; sorted by the host's name. Looks at the same
/// host that are neither its last nor the one before are left out.
std::vector<Looks> looks_of(std::vector<Snapshot>& snapshots);

/// Who may have put something into a socket, or taken from it, between the two looks at it: a
/// holder that came, went or ran. "" if nobody.
std::string who_acted(const Looks& looks, const ObjectId& socket);

}  // namespace ipcdoctor::snapshot
