#pragma once

#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>

/// Small steps over the kernel's text files, for the parsers of this folder.
namespace ipcdoctor::linux {

/// Takes the next line off the front, without its newline. @return false at the end of the text.
inline bool take_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const std::size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

inline void skip_blanks(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(" \t");
  line.remove_prefix(start == std::string_view::npos ? line.size() : start);
}

/// Takes `prefix` off the front if it is there.
inline bool take_prefix(std::string_view& line, std::string_view prefix) {
  if (!line.starts_with(prefix)) return false;
  line.remove_prefix(prefix.size());
  return true;
}

/// Skips blanks and takes a number. @return false, and `value` unchanged, if there is none or it
/// does not fit.
template <class T>
bool take_number(std::string_view& line, T& value, int base = 10) {
  skip_blanks(line);
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), value, base);
  if (failure != std::errc{}) return false;
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return true;
}

/// The same with "0x" before it.
template <class T>
bool take_hex(std::string_view& line, T& value) {
  skip_blanks(line);
  if (!take_prefix(line, "0x")) return false;
  if (!line.empty() && (line.front() == '-' || line.front() == ' ')) return false;
  return take_number(line, value, 16);
}

/// Skips blanks and takes the bytes up to the next blank; empty at the end.
inline std::string_view take_word(std::string_view& line) {
  skip_blanks(line);
  const std::size_t end = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(word.size());
  return word;
}

/// Nothing but blanks is left.
inline bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\n") == std::string_view::npos;
}

}  // namespace ipcdoctor::linux
