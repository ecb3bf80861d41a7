#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/report.h"

namespace ipcdoctor::report {

/// The wait-for graph as html, dot and mermaid draw it: who is stuck or to blame, and between them
/// what they wait for. Alike tasks are one node; the knot, a cycle that closes on itself, is drawn
/// task by task. All text is safe to print.
struct Picture {
  struct Node {
    enum class Kind { Task, Object };
    Kind kind = Kind::Task;
    std::string label;      ///< "python3[42]", "python3[42] and 9 more"; "pipe:[7]"
    std::string where;      ///< a task's "app.py:9 in f", how full an object is; may be empty
    std::string waits_for;  ///< a task's: "data or EOF on pipe:[7]"
    std::string why;        ///< what a culprit is to blame for
    std::vector<snapshot::TaskRef> tasks;  ///< those it stands for, the one that is named first
    bool is_stuck = false;
    bool is_culprit = false;
    bool in_knot = false;
    bool is_up_to_others = false;  ///< an object on which somebody could act who is not drawn
    std::size_t box = 0;           ///< a task's process
    std::string thread;            ///< of its first task: "thread 43"
  };
  /// A process, or alike ones, with those of its threads that are drawn.
  struct Box {
    std::string label;  ///< "python3[42]", "9 x python3"
    std::size_t processes = 1;
    std::vector<std::size_t> nodes;
  };
  /// From who waits, through what it waits for, to who could end the wait.
  struct Arrow {
    std::size_t from = 0, to = 0;  ///< indices of nodes
    std::string label;             ///< "data or EOF", "fd 3 is open for writing"
    std::string evidence;          ///< may be empty
    bool in_knot = false;
  };
  std::vector<Node> nodes;
  std::vector<Box> boxes;
  std::vector<Arrow> arrows;
};

Picture draw(const Report& report, std::span<const diagnosis::Finding> findings);

}  // namespace ipcdoctor::report
