#pragma once

#include <string_view>

namespace ipcdoctor::snapshot {

/// Whether values lie within each other as deep as in nothing that we read: copying them is
/// recursion, and the stack has an end.
inline bool is_nested_too_deep(std::string_view json) {
  constexpr int kMaxDepth = 100;
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++at;
    if (quoted) continue;
    if ((c == '[' || c == '{') && ++depth > kMaxDepth) return true;
    if (c == ']' || c == '}') --depth;
  }
  return false;
}

}  // namespace ipcdoctor::snapshot
