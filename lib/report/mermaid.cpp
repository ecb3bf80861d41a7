#include <ostream>

#include "report/picture.h"
#include "report/report.h"

namespace ipcdoctor::report {
namespace {

/// Text between quotes in a flowchart: all but plain characters as entity codes, #NN;
/// (mermaid.js.org, "Entity codes").
std::string quote(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || byte == ' ' || byte == '.' || byte == ':' ||
                       byte == '-' || byte == '_' || byte == '/' || byte >= 0x80;
    if (plain)
      out += c;
    else
      out += "#" + std::to_string(byte) + ";";
  }
  return out;
}

}  // namespace

/// A flowchart for Markdown.
void write_mermaid(std::ostream& out, const Report& report) {
  const Picture picture = draw(report, report.diagnosis.findings);
  out << "flowchart LR\n";
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const Picture::Node& node = picture.nodes[i];
    const bool is_object = node.kind == Picture::Node::Kind::Object;
    out << "  n" << i << (is_object ? "([\"" : "[\"") << quote(node.label)
        << (node.where.empty() ? "" : "<br/>" + quote(node.where))
        << (is_object ? "\"])\n" : "\"]\n");
    if (node.is_culprit) out << "  style n" << i << " stroke:#c00,stroke-width:3px\n";
  }
  for (const Picture::Arrow& arrow : picture.arrows) {
    const std::string label = arrow.label.empty() ? "" : "|\"" + quote(arrow.label) + "\"|";
    out << "  n" << arrow.from << " -->" << label << " n" << arrow.to << '\n';
  }
}

}  // namespace ipcdoctor::report
