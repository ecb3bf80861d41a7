#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ipcdoctor::report {

/// A line of a list, and how many more are like it and not shown.
struct Line {
  std::size_t index = 0;
  std::size_t more = 0;
};

/// Which of the lines of a list to show: all, but of more than `most` equal ones the first for all.
std::vector<Line> crowds_folded(const std::vector<std::string>& texts, std::size_t most = 32);

/// "" or " and 9 more".
std::string and_more(std::size_t more);

}  // namespace ipcdoctor::report
