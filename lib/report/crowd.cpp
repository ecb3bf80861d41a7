#include "report/crowd.h"

#include <string_view>
#include <unordered_map>

namespace ipcdoctor::report {

std::vector<Line> crowds_folded(const std::vector<std::string>& texts, std::size_t most) {
  std::unordered_map<std::string_view, std::size_t> counts;
  for (const std::string& text : texts) ++counts[text];
  std::vector<Line> lines;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::size_t& count = counts[texts[i]];
    if (count == 0) continue;
    const bool is_crowd = count > most;
    lines.push_back({i, is_crowd ? count - 1 : 0});
    if (is_crowd) count = 0;  // it has been shown
  }
  return lines;
}

std::string and_more(std::size_t more) {
  return more == 0 ? "" : " and " + std::to_string(more) + " more";
}

}  // namespace ipcdoctor::report
