#include "diagnosis/finding.h"

#include <array>

namespace ipcdoctor::diagnosis {

std::string to_string(Verdict verdict) {
  static constexpr std::array kNames = {"deadlock", "stuck", "waiting", "running", "inconclusive"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string to_string(Grade grade) {
  static constexpr std::array kNames = {"", "proved", "assuming", "suspected"};
  return kNames[static_cast<std::size_t>(grade)];
}

}  // namespace ipcdoctor::diagnosis
