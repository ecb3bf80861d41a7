#include "unwind/cie.h"

#include <string_view>

namespace ipcdoctor::unwind {

std::optional<Cie> parse_cie(std::span<const std::byte> bytes) {
  Bytes in{bytes};
  const auto version = in.take<std::uint8_t>();
  if (version != 1 && version != 3) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(in.left.data());
  const std::size_t length = ::strnlen(text, in.left.size());
  if (length == in.left.size() || length > 16) return std::nullopt;
  const std::string_view augmentation(text, length);
  in.left = in.left.subspan(length + 1);
  Cie cie;
  cie.code_alignment = in.take_leb128();
  cie.data_alignment = in.take_signed_leb128();
  // the return address register
  if (version == 1)
    (void)in.take<std::uint8_t>();
  else
    (void)in.take_leb128();
  if (!augmentation.empty() && augmentation[0] != 'z') return std::nullopt;
  if (!augmentation.empty()) {
    cie.has_augmentation = true;
    const std::uint64_t size = in.take_leb128();
    if (size > in.left.size()) return std::nullopt;
    const auto instructions = in.left.subspan(size);
    in.left = in.left.first(size);
    for (const char c : augmentation.substr(1)) {
      if (c == 'R')
        cie.encoding = in.take<std::uint8_t>();
      else if (c == 'L')
        (void)in.take<std::uint8_t>();
      else if (c == 'P')
        (void)in.take_encoded(in.take<std::uint8_t>());
      else if (c == 'S')
        cie.signal_frame = true;
      else if (c != 'B')
        return std::nullopt;
    }
    cie.instructions = instructions;
  } else {
    cie.instructions = in.left;
  }
  return in.good ? std::optional(cie) : std::nullopt;
}

}  // namespace ipcdoctor::unwind
