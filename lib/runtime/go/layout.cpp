#include "runtime/go/layout.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace ipcdoctor::runtime::go {
namespace {

// clang-format off
constexpr Layout kLayouts[] = {
    // versions  syscallsp .. waiting        procid  sudog    hchan   pollDesc           _func   inlined    moduledata
    {19, 19,     112, 120, 144, 152, 328,    72,     64, 80,  32, 0,  24, 32, 136, 224,  40, 39, 20, 12, 16, 280, 304},
    {21, 22,     112, 120, 144, 152, 312,    72,     64, 80,  32, 0,  32, 40, 144, 232,  44, 43, 16, 4, 8,   296, 320},
    {23, 24,     112, 120, 152, 160, 320,    72,     64, 80,  40, 32, 32, 40, 160, 264,  44, 43, 16, 4, 8,   296, 320},
    {25, 25,     104, 112, 144, 152, 312,    64,     64, 80,  40, 32, 32, 40, 168, 280,  44, 43, 16, 4, 8,   296, 320},
    {26, 26,     104, 112, 144, 152, 320,    64,     72, 88,  40, 32, 32, 40, 168, 280,  44, 43, 16, 4, 8,   296, 320},
    {27, 27,     104, 112, 144, 152, 320,    64,     72, 88,  40, 32, 32, 40, 168, 280,  44, 43, 16, 4, 8,   296, 344},
};
// clang-format on

}  // namespace

const Layout* find_layout(int minor) {
  const auto it = std::ranges::find_if(kLayouts, [&](const Layout& layout) {
    return layout.first_minor <= minor && minor <= layout.last_minor;
  });
  return it == std::end(kLayouts) ? nullptr : it;
}

std::string parse_build_info(std::span<const std::byte> bytes) {
  constexpr std::string_view kMagic = "\xff Go buildinf:";
  constexpr std::size_t kFlags = 15, kVersion = 32, kMaxVersion = 127;  // one byte of length
  constexpr unsigned kInline = 2;
  if (bytes.size() <= kVersion || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return "";
  if ((std::to_integer<unsigned>(bytes[kFlags]) & kInline) == 0) return "";
  const auto size = std::to_integer<std::size_t>(bytes[kVersion]);
  if (size > kMaxVersion || bytes.size() - kVersion - 1 < size) return "";
  std::string version(size, '\0');
  std::memcpy(version.data(), bytes.data() + kVersion + 1, size);
  return version;
}

int minor_of(const std::string& version) {
  constexpr std::string_view kMajor = "go1.";
  if (!version.starts_with(kMajor)) return -1;
  int minor = 0;
  std::size_t at = kMajor.size();
  for (; at < version.size() && version[at] >= '0' && version[at] <= '9' && minor < 1000; ++at)
    minor = minor * 10 + (version[at] - '0');
  return at == kMajor.size() ? -1 : minor;
}

}  // namespace ipcdoctor::runtime::go
