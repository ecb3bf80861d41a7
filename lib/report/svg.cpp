#include "report/svg.h"

#include <ostream>

#include "report/markup.h"

namespace ipcdoctor::report {
namespace {

std::string number(const char* name, double value) {
  return std::string(" ") + name + "=\"" + pixels(value) + "\"";
}

class SvgWriter {
 public:
  SvgWriter(std::ostream& out, const Picture& picture, const Diagram& diagram,
            const std::string& prefix)
      : out_(out), picture_(picture), diagram_(diagram), prefix_(prefix) {}

  void write(std::string_view name) {
    out_ << "<svg class=\"" << name << "\" role=\"group\" aria-label=\"Who waits for whom\""
         << number("width", diagram_.width) << number("height", diagram_.height)
         << " viewBox=\"0 0 " << pixels(diagram_.width) << ' ' << pixels(diagram_.height)
         << "\">\n";
    for (const Diagram::Heading& heading : diagram_.headings)
      out_ << "<text class=\"heading\"" << number("x", heading.x) << number("y", heading.y) << '>'
           << heading.text << "</text>\n";
    for (const Diagram::Path& path : diagram_.paths) write_arrow(path);
    for (const Diagram::Shape& shape : diagram_.shapes) write_shape(shape);
    out_ << "</svg>\n";
  }

 private:
  void write_arrow(const Diagram::Path& path) {
    const Picture::Arrow& arrow = picture_.arrows[path.arrow];
    out_ << "<g class=\"arrow" << (arrow.in_knot ? " knot" : "") << "\" data-from=\"" << arrow.from
         << "\" data-to=\"" << arrow.to << "\"><title>" << escape_markup(arrow.label)
         << (arrow.evidence.empty() ? "" : ": ") << escape_markup(arrow.evidence)
         << "</title><path class=\"wire\" d=\"" << path.line << "\"/><path class=\"head\" d=\""
         << path.head << "\"/></g>\n";
  }

  void write_lines(const Diagram::Shape& shape, const std::vector<Diagram::Line>& lines) {
    for (const Diagram::Line& line : lines)
      out_ << "<text class=\"" << line.style << '"' << number("x", shape.x + 10)
           << number("y", line.y) << '>' << escape_markup(line.text) << "</text>";
  }

  void write_shape(const Diagram::Shape& shape) {
    bool in_knot = false;
    for (const Diagram::Row& row : shape.rows)
      in_knot = in_knot || picture_.nodes[row.node].in_knot;
    out_ << "<g class=\"" << (shape.is_object ? "object" : "process") << (in_knot ? " knot" : "")
         << "\"><rect class=\"shape\"" << number("x", shape.x) << number("y", shape.y)
         << number("width", shape.width) << number("height", shape.height)
         << number("rx", shape.is_object ? 16 : 6) << "/>";
    write_lines(shape, shape.title);
    for (const Diagram::Row& row : shape.rows) {
      out_ << "\n<a href=\"#" << prefix_ << row.node << "\" data-node=\"" << row.node
           << "\"><rect class=\"row\"" << number("x", shape.x + 3) << number("y", row.y - 1)
           << number("width", shape.width - 6) << number("height", row.height)
           << number("rx", shape.is_object ? 13 : 4) << "/>";
      write_lines(shape, row.lines);
      out_ << "</a>";
    }
    out_ << "</g>\n";
  }

  std::ostream& out_;
  const Picture& picture_;
  const Diagram& diagram_;
  const std::string& prefix_;
};

}  // namespace

void write_svg(std::ostream& out, const Picture& picture, const Diagram& diagram,
               std::string_view name, const std::string& prefix) {
  SvgWriter(out, picture, diagram, prefix).write(name);
}

}  // namespace ipcdoctor::report
