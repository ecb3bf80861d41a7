#include "suggest.h"

#include <algorithm>

namespace ipcdoctor::cmd {
namespace {

constexpr std::size_t kLongest = 64;  // no name is longer

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string closest(std::string_view wrong, const std::vector<std::string>& names) {
  if (wrong.size() < 2 || wrong.size() > kLongest) return "";
  std::string best;
  std::size_t least = wrong.size() / 3 + 1;
  for (const std::string& name : names) {
    const std::size_t cost = name.starts_with(wrong) ? 1 : distance(wrong, name);
    if (cost >= least && !(cost == least && best.empty())) continue;
    least = cost;
    best = name;
  }
  return best;
}

std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& names) {
  const std::string name = closest(wrong, names);
  return name.empty() ? "" : "; did you mean " + name + "?";
}

}  // namespace ipcdoctor::cmd
