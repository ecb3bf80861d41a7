#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/picture.h"

namespace ipcdoctor::report {

/// Where everything of a picture stands, in pixels: the knot in the middle, what waits behind it to
/// the left, who is to blame and not stuck to the right. Where there is room for one column only
/// they stand below each other, the knot first.
struct Diagram {
  struct Line {
    std::string text;        ///< fits the width
    std::string_view style;  ///< "title", "who", "where", "wait", "blame", "fill", "role"
    double y = 0;            ///< of its base line
  };
  /// A node of the picture: alike threads of a box, or an object.
  struct Row {
    std::size_t node = 0;
    double y = 0, height = 0;
    std::vector<Line> lines;
  };
  struct Shape {
    bool is_object = false;
    double x = 0, y = 0, width = 0, height = 0;
    std::vector<Line> title;
    std::vector<Row> rows;
  };
  struct Path {
    std::size_t arrow = 0;
    std::string line;  ///< the d attribute of an SVG path
    std::string head;
  };
  struct Heading {
    double x = 0, y = 0;
    std::string_view text;
  };
  double width = 0, height = 0;
  std::vector<Shape> shapes;
  std::vector<Path> paths;
  std::vector<Heading> headings;
};

enum class Columns { One, Three };

/// A length as SVG has it, to a tenth.
std::string pixels(double value);

/// @return no shapes for a picture without nodes
Diagram lay_out(const Picture& picture, Columns columns);

}  // namespace ipcdoctor::report
