#pragma once

#include <string>
#include <vector>

#include "report/report.h"

namespace ipcdoctor::report {

/// The wait-for graph as dot and mermaid draw it: tasks of all findings, steps of their chains.
struct Picture {
  struct Node {
    snapshot::TaskRef task;
    std::string label;  ///< safe: "python3[42]"
    std::string where;  ///< safe: "app.py:9 in f"; may be empty
    bool is_stuck = false;
    bool is_culprit = false;
    std::size_t more = 0;  ///< that are alike and have no box; the label says so
  };
  struct Arrow {
    std::size_t from = 0, to = 0;  ///< indices of nodes
    std::string label;
  };
  std::vector<Node> nodes;
  std::vector<Arrow> arrows;
};

Picture draw(const Report& report);

}  // namespace ipcdoctor::report
