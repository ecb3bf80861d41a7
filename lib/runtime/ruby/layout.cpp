#include "runtime/ruby/layout.h"

#include <algorithm>
#include <charconv>

namespace ipcdoctor::runtime::ruby {
namespace {

constexpr Layout k27 = {.vm_main_thread = 192,
                        .vm_threads = 312,
                        .vm_traps = 472,
                        .vm_waiting = 264,
                        .ractor_node = 0,
                        .ractor_threads = 0,
                        .th_vm = 24,
                        .th_ec = 32,
                        .th_status = 80,
                        .th_blocking = 152,
                        .th_locking = 248,
                        .th_keeping = 256,
                        .ec_thread = 56,
                        .ec_stack = 152,
                        .frame_size = 56,
                        .lines = 120,
                        .line_size = 8,
                        .packs_first_line = true,
                        .packs_lengths = true,
                        .nil = 8,
                        .undef = 52};

constexpr Layout after_27() {
  Layout layout = k27;
  layout.vm_main_thread = 40, layout.vm_threads = 8, layout.vm_traps = 448, layout.vm_waiting = 272;
  layout.ractor_node = 568, layout.ractor_threads = 304;
  layout.th_vm = 32, layout.th_ec = 40, layout.th_status = 88, layout.th_blocking = 160;
  layout.th_locking = 256, layout.th_keeping = 264;
  return layout;
}
constexpr Layout k30 = after_27();

constexpr Layout after_30() {
  Layout layout = k30;
  layout.vm_traps = 456;
  layout.th_status = 92, layout.th_blocking = 168, layout.th_locking = 264, layout.th_keeping = 272;
  layout.ec_thread = 48, layout.ec_stack = 144;
  layout.frame_size = 64, layout.line_size = 12;
  return layout;
}
constexpr Layout k31 = after_30();

constexpr Layout after_31() {
  Layout layout = k31;
  layout.vm_traps = 480, layout.vm_waiting = 0;
  layout.th_ec = 48, layout.th_status = 112, layout.th_blocking = 120;
  layout.th_locking = 216, layout.th_keeping = 224;
  layout.ec_stack = 152, layout.lines = 112;
  layout.packs_first_line = layout.packs_lengths = false;
  layout.nil = 4, layout.undef = 36;
  return layout;
}
constexpr Layout k32 = after_31();

constexpr Layout after_32() {
  Layout layout = k32;
  layout.vm_traps = 656, layout.ractor_node = 432, layout.ractor_threads = 256;
  layout.th_status = 240, layout.th_blocking = 248;
  layout.th_locking = 344, layout.th_keeping = 352;
  layout.frame_size = 56;
  return layout;
}
constexpr Layout k33 = after_32();

constexpr Layout after_33() {
  Layout layout = k33;
  layout.vm_traps = 664, layout.ec_stack = 144;
  return layout;
}
constexpr Layout k34 = after_33();

}  // namespace

std::optional<Version> parse_version(std::string_view text) {
  Version version;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int* number : {&version.major, &version.minor, &version.patch}) {
    const auto parsed = std::from_chars(at, end, *number);
    if (parsed.ec != std::errc{} || *number < 0 || *number > 1000) return std::nullopt;
    at = parsed.ptr;
    if (number == &version.patch) break;
    if (at == end || *at++ != '.') return std::nullopt;
  }
  return version;
}

std::optional<Layout> layout_of(const Version& version) {
  Layout layout = k27;
  switch (version.major * 100 + version.minor) {
    case 207:
      return k27;
    case 300:
      return k30;
    case 301:
      layout = k31;
      if (version.patch >= 5) layout.vm_traps += 8;
      return layout;
    case 302:
      layout = k32;
      layout.vm_traps += 8 * static_cast<std::uint64_t>(std::clamp(version.patch - 2, 0, 2));
      return layout;
    case 303:
      return k33;
    case 304:
      return k34;
    default:
      return std::nullopt;
  }
}

}  // namespace ipcdoctor::runtime::ruby
