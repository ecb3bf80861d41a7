#pragma once

#include <cstddef>
#include <vector>

#include "report/report.h"

namespace ipcdoctor::report {

/// Of the processes that were looked into, those that belong to the program or matter for it:
/// others of the same session or process group (Scope::Related) only where a finding names them or
/// the program waits for them. They may be orphans of it, and may be strangers.
struct Shown {
  std::vector<const snapshot::Process*> processes;
  std::size_t apart = 0;  ///< how many are not among them
};
Shown shown(const Report& report);

}  // namespace ipcdoctor::report
