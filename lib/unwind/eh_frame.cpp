#include "unwind/eh_frame.h"

#include <algorithm>
#include <unordered_map>

#include "unwind/cie.h"

namespace ipcdoctor::unwind {
namespace {
constexpr std::size_t kMaxRows = 4 << 20;
}

Result<std::vector<FrameEntry>> build_frame_table(std::span<const std::byte> section,
                                                  std::uint64_t address) {
  std::vector<FrameEntry> rows;
  std::unordered_map<std::size_t, std::uint8_t> encodings;  // by offset of the CIE
  for (std::size_t at = 0; section.size() - at >= 8 && rows.size() < kMaxRows;) {
    Bytes in{section.subspan(at)};
    const auto length = in.take<std::uint32_t>();
    if (length == 0 || length == 0xffffffff || length < 4 || length > in.left.size()) break;
    const std::size_t id_at = at + 4;
    in.left = in.left.first(length);
    const auto id = in.take<std::uint32_t>();
    if (id == 0) {
      const auto cie = parse_cie(in.left);
      encodings[at] = cie ? cie->encoding : kOmit;
    } else if (id <= id_at) {
      const auto cie = encodings.find(id_at - id);
      const std::uint8_t encoding = cie == encodings.end() ? kOmit : cie->second;
      const std::uint64_t field = address + at + 8;
      std::uint64_t start =
          encoding == kOmit || (encoding & kIndirect) != 0 ? 0 : in.take_encoded(encoding);
      if ((encoding & 0x70) == kPcRelative) start += field;
      const auto distance = static_cast<std::int64_t>(start - address);
      if (encoding != kOmit && in.good && start != 0 &&
          distance == static_cast<std::int32_t>(distance) && at <= INT32_MAX) {
        rows.push_back({static_cast<std::int32_t>(distance), static_cast<std::int32_t>(at)});
      }
    }
    at += 4 + std::size_t{length};
  }
  if (rows.empty()) return Error{Cause::Malformed, 0, "parse .eh_frame"};
  std::ranges::sort(rows, {}, &FrameEntry::start);
  return rows;
}

std::optional<FrameTableHeader> parse_frame_table_header(std::span<const std::byte> header) {
  Bytes in{header};
  const auto version = in.take<std::uint8_t>();
  const auto frame_encoding = in.take<std::uint8_t>();
  const auto count_encoding = in.take<std::uint8_t>();
  const auto table_encoding = in.take<std::uint8_t>();
  if (version != 1 || count_encoding != kData4 ||
      table_encoding != (kDataRelative | kData4 | kSigned)) {
    return std::nullopt;
  }
  (void)in.take_encoded(frame_encoding);
  const auto rows = in.take<std::uint32_t>();
  if (!in.good || rows == 0 || rows > in.left.size() / sizeof(FrameEntry)) return std::nullopt;
  return FrameTableHeader{header.size() - in.left.size(), rows};
}

}  // namespace ipcdoctor::unwind
