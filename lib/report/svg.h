#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "report/diagram.h"

namespace ipcdoctor::report {

/// The diagram as an SVG element of class `name`; each row is a link to the element of the
/// identifier `prefix` and the node's number.
void write_svg(std::ostream& out, const Picture& picture, const Diagram& diagram,
               std::string_view name, const std::string& prefix);

}  // namespace ipcdoctor::report
