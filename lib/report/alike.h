#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/report.h"

namespace ipcdoctor::report {

/// Findings that say the same of different processes or hosts, the first for all: one mistake hangs
/// in each worker of a pool, or on ten thousand hosts.
struct Alike {
  const diagnosis::Finding* first = nullptr;
  std::size_t count = 0;
  /// Where the first of each is stuck, each once, escaped: the hosts, or "app[42]" on one host.
  std::vector<std::string> where;
};

/// In the order of the findings.
std::vector<Alike> alike_findings(const Report& report);

/// "12 times, in app[40], app[42], app[43], app[44] and 8 more"; "on 12 hosts: ...", for one that
/// many have, too. "" where that tells nothing.
std::string likewise(const Report& report, const Alike& group);

}  // namespace ipcdoctor::report
