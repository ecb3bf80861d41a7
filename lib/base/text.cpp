#include "base/text.h"

#include <algorithm>
#include <cstdint>

namespace ipcdoctor {
namespace {

/// The length of the well-formed UTF-8 sequence at the front, and its code point; 0 if ill-formed
/// (Unicode 15, table 3-7).
std::size_t decode(std::string_view s, std::uint32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    code = lead;
    return 1;
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
  if (length == 0 || lead > 0xf4 || s.size() < length) return 0;
  code = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return overlong || surrogate || code > 0x10ffff ? 0 : length;
}

/// Controls, and the characters that reorder, hide or break text (Unicode 15, categories Cc, Cf,
/// Zl, Zp).
bool is_unsafe(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
         (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
         (c >= 0xe0000 && c <= 0xe0fff);
}

}  // namespace

std::string escape_untrusted(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    std::uint32_t code = 0;
    const std::size_t length = decode(bytes, code);
    if (length != 0 && !is_unsafe(code)) {
      out.append(bytes.substr(0, length));
    } else {
      for (std::size_t i = 0; i < (length == 0 ? 1 : length); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string break_workflow_commands(std::string_view text) {
  std::string out;
  bool begins_line = true;  // so far nothing but what .NET may take for white space
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    out += text[i];
    if ((begins_line && rest.starts_with("::")) || rest.starts_with("##[")) {
      out += rest[0] == ':' ? " :" : "# ";
      ++i;
    }
    const auto byte = static_cast<unsigned char>(text[i]);
    begins_line = byte == '\n' || (begins_line && (byte <= ' ' || byte >= 0x80));
  }
  return out;
}

std::string enumerate(const std::vector<std::string>& parts, std::size_t most, std::size_t all) {
  all = std::max(all, parts.size());
  const std::size_t shown = std::min(parts.size(), most);
  std::string text;
  for (std::size_t i = 0; i < shown; ++i)
    text += (i == 0 ? "" : i + 1 == all ? " and " : ", ") + parts[i];
  return text + (all > shown ? " and " + std::to_string(all - shown) + " more" : "");
}

bool holds_any(std::string_view text, std::span<const std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

}  // namespace ipcdoctor
