#include "report/layout.h"

#include <algorithm>

namespace ipcdoctor::report {

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string wrap(std::string_view text, std::size_t width, std::string_view first,
                 std::string_view rest) {
  std::string out;
  std::string line(first);
  std::size_t column = columns_of(first);
  bool empty = true;  // no word on this line yet
  while (!text.empty()) {
    const auto end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (word.empty() && !empty) {  // keep runs of spaces: they align columns
      line += ' ';
      ++column;
      continue;
    }
    const std::size_t length = columns_of(word);
    if (!empty && column + 1 + length > width) {
      while (line.ends_with(' ')) line.pop_back();
      out += line + '\n';
      line = rest;
      column = columns_of(rest);
      empty = true;
    }
    if (!empty) {
      line += ' ';
      ++column;
    }
    line += word;
    column += length;
    empty = empty && word.empty();
  }
  return out + line + '\n';
}

std::string justify(std::string_view left, std::string_view right, std::size_t width) {
  if (right.empty()) return std::string(left);
  const std::size_t used = columns_of(left) + columns_of(right);
  const std::size_t gap = used + 2 > width ? 2 : width - used;
  return std::string(left) + std::string(gap, ' ') + std::string(right);
}

}  // namespace ipcdoctor::report
