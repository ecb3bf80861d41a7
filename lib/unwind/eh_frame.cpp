#include "unwind/eh_frame.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxRows = 4 << 20;

// Pointer encodings of the LSB (DW_EH_PE_*).
constexpr std::uint8_t kOmit = 0xff, kIndirect = 0x80, kPcRelative = 0x10, kDataRelative = 0x30;
constexpr std::uint8_t kAbsolute = 0x00, kUleb = 0x01, kData2 = 0x02, kData4 = 0x03, kData8 = 0x04;
constexpr std::uint8_t kSigned = 0x08;

/// Takes numbers off the front of some bytes; `good` turns false at the end, for ever.
struct Bytes {
  std::span<const std::byte> left;
  bool good = true;

  template <class T>
  T take() {
    T value{};
    if (left.size() < sizeof(T)) {
      good = false;
      left = {};
      return value;
    }
    std::memcpy(&value, left.data(), sizeof value);
    left = left.subspan(sizeof value);
    return value;
  }
  std::uint64_t take_leb128() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; good && shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
    good = false;
    return value;
  }
  /// A pointer of the format part of the encoding; how it is applied is the caller's matter.
  std::uint64_t take_encoded(std::uint8_t encoding) {
    switch (encoding & 0x0f) {
      case kAbsolute: case kData8: case kData8 | kSigned: return take<std::uint64_t>();
      case kUleb: return take_leb128();
      case kData2: return take<std::uint16_t>();
      case kData2 | kSigned: return static_cast<std::uint64_t>(std::int64_t{take<std::int16_t>()});
      case kData4: return take<std::uint32_t>();
      case kData4 | kSigned: return static_cast<std::uint64_t>(std::int64_t{take<std::int32_t>()});
      default: good = false; return 0;
    }
  }
};

/// How the addresses in the FDEs of one CIE are written; kOmit if that cannot be told.
std::uint8_t encoding_of_cie(std::span<const std::byte> cie) {
  Bytes in{cie};
  const auto version = in.take<std::uint8_t>();
  if (version != 1 && version != 3) return kOmit;
  const auto* text = reinterpret_cast<const char*>(in.left.data());
  const std::size_t length = ::strnlen(text, in.left.size());
  if (length == in.left.size() || length > 16) return kOmit;
  const std::string_view augmentation(text, length);
  in.left = in.left.subspan(length + 1);
  (void)in.take_leb128();  // code alignment
  (void)in.take_leb128();  // data alignment
  if (version == 1) (void)in.take<std::uint8_t>(); else (void)in.take_leb128();  // return address register
  if (!augmentation.starts_with('z')) return augmentation.empty() && in.good ? kAbsolute : kOmit;
  (void)in.take_leb128();
  std::uint8_t encoding = kAbsolute;
  for (const char c : augmentation.substr(1)) {
    if (c == 'R') encoding = in.take<std::uint8_t>();
    else if (c == 'L') (void)in.take<std::uint8_t>();
    else if (c == 'P') (void)in.take_encoded(in.take<std::uint8_t>());
    else if (c != 'S' && c != 'B') return kOmit;
  }
  return in.good ? encoding : kOmit;
}

}  // namespace

Result<std::vector<FrameEntry>> build_frame_table(std::span<const std::byte> section, std::uint64_t address) {
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
      encodings[at] = encoding_of_cie(in.left);
    } else if (id <= id_at) {
      const auto cie = encodings.find(id_at - id);
      const std::uint8_t encoding = cie == encodings.end() ? kOmit : cie->second;
      const std::uint64_t field = address + at + 8;
      std::uint64_t start = encoding == kOmit || (encoding & kIndirect) != 0 ? 0 : in.take_encoded(encoding);
      if ((encoding & 0x70) == kPcRelative) start += field;
      const auto distance = static_cast<std::int64_t>(start - address);
      if (encoding != kOmit && in.good && start != 0 && distance == static_cast<std::int32_t>(distance) &&
          at <= INT32_MAX) {
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
  if (version != 1 || count_encoding != kData4 || table_encoding != (kDataRelative | kData4 | kSigned)) {
    return std::nullopt;
  }
  (void)in.take_encoded(frame_encoding);
  const auto rows = in.take<std::uint32_t>();
  if (!in.good || rows == 0 || rows > in.left.size() / sizeof(FrameEntry)) return std::nullopt;
  return FrameTableHeader{header.size() - in.left.size(), rows};
}

}  // namespace ipcdoctor::unwind
