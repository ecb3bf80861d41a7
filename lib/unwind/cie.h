#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace ipcdoctor::unwind {

// Pointer encodings of the LSB (DW_EH_PE_*).
inline constexpr std::uint8_t kOmit = 0xff, kIndirect = 0x80, kPcRelative = 0x10,
                              kDataRelative = 0x30;
inline constexpr std::uint8_t kAbsolute = 0x00, kUleb = 0x01, kData2 = 0x02, kData4 = 0x03,
                              kData8 = 0x04;
inline constexpr std::uint8_t kSigned = 0x08;

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
  std::int64_t take_signed_leb128() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; good && shift < 64; shift += 7) {
      const auto byte = take<std::uint8_t>();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift + 7 < 64) value |= ~std::uint64_t{0} << (shift + 7);
      return static_cast<std::int64_t>(value);
    }
    good = false;
    return 0;
  }
  /// A pointer of the format part of the encoding; how it is applied is the caller's matter.
  std::uint64_t take_encoded(std::uint8_t encoding) {
    switch (encoding & 0x0f) {
      case kAbsolute:
      case kData8:
      case kData8 | kSigned:
        return take<std::uint64_t>();
      case kUleb:
        return take_leb128();
      case kData2:
        return take<std::uint16_t>();
      case kData2 | kSigned:
        return static_cast<std::uint64_t>(std::int64_t{take<std::int16_t>()});
      case kData4:
        return take<std::uint32_t>();
      case kData4 | kSigned:
        return static_cast<std::uint64_t>(std::int64_t{take<std::int32_t>()});
      default:
        good = false;
        return 0;
    }
  }
};

/// What a CIE (common information entry of .eh_frame; LSB, "Exception Frames") says for all its
/// FDEs.
struct Cie {
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint8_t encoding = kAbsolute;  ///< how the addresses in the FDEs are written
  bool has_augmentation = false;      ///< the FDEs have augmentation data
  bool signal_frame = false;
  std::span<const std::byte> instructions;  ///< into the bytes given
};

/// @param bytes  after the id word. nullopt: a version or augmentation that nobody writes, or
/// damage.
std::optional<Cie> parse_cie(std::span<const std::byte> bytes);

}  // namespace ipcdoctor::unwind
