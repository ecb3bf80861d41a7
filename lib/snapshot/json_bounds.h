#pragma once

#include <cstddef>
#include <string_view>

namespace ipcdoctor::snapshot {

/// Where a string ends that begins before `at`. @return npos: it is longer than any that we write,
/// and no engine's record of an output with a snapshot in it.
inline std::size_t end_of_string(std::string_view json, std::size_t at) {
  constexpr std::size_t kMaxString = 1 << 20;
  bool wraps = false;
  for (const std::size_t begin = at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
    if (wraps || at - begin < kMaxString) continue;
    wraps = json.substr(begin, kMaxString).find("ipcdoctor/snapshot/") != json.npos;
    if (!wraps) return json.npos;
  }
  return at;
}

/// Whether values lie within each other as deep, or strings are as long, as in nothing that we
/// read: a parser takes stack for the one (copying them is recursion), and memory for the other.
inline bool is_out_of_bounds(std::string_view json) {
  constexpr int kMaxDepth = 100;
  int depth = 0;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"' && (at = end_of_string(json, at + 1)) == json.npos) return true;
    if ((c == '[' || c == '{') && ++depth > kMaxDepth) return true;
    if (c == ']' || c == '}') --depth;
  }
  return false;
}

}  // namespace ipcdoctor::snapshot
