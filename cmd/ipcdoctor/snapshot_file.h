#pragma once

#include <string>

#include "base/result.h"
#include "snapshot/snapshot.h"

namespace ipcdoctor::cmd {

/// What `ipcdoctor save` wrote. @return why not, with the path
Result<snapshot::Snapshot> load_file(const std::string& path);

}  // namespace ipcdoctor::cmd
