#include <ostream>

#include "report/picture.h"
#include "report/report.h"

namespace ipcdoctor::report {
namespace {

/// A double-quoted ID of the DOT language: " and \ are special. \n is the line break that we put in
/// ourselves.
std::string quote(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

/// Graphviz: boxes are stuck, bold ones to blame, and what they wait for is dashed; arrows go from
/// who waits, through that, to who could end the wait.
void write_dot(std::ostream& out, const Report& report) {
  const Picture picture = draw(report, report.diagnosis.findings);
  out << "digraph ipcdoctor {\n  rankdir=LR;\n  node [shape=ellipse, fontname=\"sans-serif\"];\n";
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const Picture::Node& node = picture.nodes[i];
    out << "  n" << i << " [label=\"" << quote(node.label)
        << (node.where.empty() ? "" : "\\n" + quote(node.where)) << '"'
        << (node.kind == Picture::Node::Kind::Object ? ", style=dashed" : "")
        << (node.is_stuck ? ", shape=box" : "")
        << (node.is_culprit ? ", color=red, penwidth=3" : "") << "];\n";
  }
  for (const Picture::Arrow& arrow : picture.arrows) {
    out << "  n" << arrow.from << " -> n" << arrow.to << " [label=\"" << quote(arrow.label)
        << "\"];\n";
  }
  out << "}\n";
}

}  // namespace ipcdoctor::report
