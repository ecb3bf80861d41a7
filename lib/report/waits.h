#pragma once

#include <string>
#include <vector>

#include "report/report.h"

/// What is said of a tree that does not hang.
namespace ipcdoctor::report {

/// One line for what alike threads of the tree wait for, with the line of user code and why that
/// can still come, those of the targets first; then dead children that nobody has waited for. Safe
/// to print.
std::vector<std::string> wait_lines(const Report& report);

}  // namespace ipcdoctor::report
