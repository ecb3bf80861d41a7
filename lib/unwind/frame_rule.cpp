#include "unwind/frame_rule.h"

#include <vector>

#include "unwind/cie.h"

namespace ipcdoctor::unwind {
namespace {

constexpr std::size_t kMaxRemembered = 16;
constexpr std::uint64_t kRspNumber = 7, kRbpNumber = 6,
                        kReturnAddressNumber = 16;  // psABI x86-64, figure 3.36

/// The row under construction. `simple` turns false for ever when something is said that FrameRule
/// cannot say.
struct Row {
  FrameRule rule;
  std::int32_t return_address = -8;  ///< relative to the CFA
};

std::int32_t* slot_of(Row& row, std::uint64_t number) {
  switch (number) {
    case 3:
      return &row.rule.saved[FrameRule::Rbx];
    case 6:
      return &row.rule.saved[FrameRule::Rbp];
    case 12:
      return &row.rule.saved[FrameRule::R12];
    case 13:
      return &row.rule.saved[FrameRule::R13];
    case 14:
      return &row.rule.saved[FrameRule::R14];
    case 15:
      return &row.rule.saved[FrameRule::R15];
    case kReturnAddressNumber:
      return &row.return_address;
    default:
      return nullptr;
  }
}

class Interpreter {
 public:
  Interpreter(const Cie& cie, std::uint64_t start, std::uint64_t address)
      : cie_(cie), location_(start), address_(address) {}

  /// False if the bytes are damaged or say what a FrameRule cannot.
  bool run(std::span<const std::byte> instructions) {
    Bytes in{instructions};
    while (good_ && in.good && !in.left.empty()) {
      if (!step(in)) return good_ && in.good;  // beyond the address
    }
    return good_ && in.good;
  }
  void keep_initial() { initial_ = row_; }
  const Row& row() const { return row_; }

 private:
  /// Of an offset in units of the data alignment; what is too big is damaged and wraps.
  std::int64_t scaled(std::uint64_t factored) const {
    return static_cast<std::int64_t>(factored * static_cast<std::uint64_t>(cie_.data_alignment));
  }
  /// One instruction; false when the location passes the address.
  bool step(Bytes& in) {
    const auto op = in.take<std::uint8_t>();
    const std::uint64_t low = op & 0x3fU;
    switch (op & 0xc0) {
      case 0x40:
        return advance(low);
      case 0x80:
        save(low, scaled(in.take_leb128()));
        return true;
      case 0xc0:
        restore(low);
        return true;
      default:
        return extended(op, in);
    }
  }

  bool extended(std::uint8_t op, Bytes& in) {
    switch (op) {
      case 0x00:
        return true;  // nop
      case 0x02:
        return advance(in.take<std::uint8_t>());
      case 0x03:
        return advance(in.take<std::uint16_t>());
      case 0x04:
        return advance(in.take<std::uint32_t>());
      case 0x05: {
        const auto r = in.take_leb128();
        save(r, scaled(in.take_leb128()));
        return true;
      }
      case 0x06:
        restore(in.take_leb128());
        return true;
      case 0x07:
        put(in.take_leb128(), FrameRule::kUndefined);
        return true;
      case 0x08:
        put(in.take_leb128(), FrameRule::kSame);
        return true;
      case 0x0a:
        remember();
        return true;
      case 0x0b:
        recall();
        return true;
      case 0x0c: {
        const auto r = in.take_leb128();
        base(r);
        offset(static_cast<std::int64_t>(in.take_leb128()));
        return true;
      }
      case 0x0d:
        base(in.take_leb128());
        return true;
      case 0x0e:
        offset(static_cast<std::int64_t>(in.take_leb128()));
        return true;
      case 0x10: {
        const auto r = in.take_leb128();
        skip(in);
        if (slot_of(row_, r) != nullptr) good_ = false;
        return true;
      }
      case 0x11: {
        const auto r = in.take_leb128();
        save(r, scaled(static_cast<std::uint64_t>(in.take_signed_leb128())));
        return true;
      }
      case 0x12: {
        const auto r = in.take_leb128();
        base(r);
        offset(scaled(static_cast<std::uint64_t>(in.take_signed_leb128())));
        return true;
      }
      case 0x13:
        offset(scaled(static_cast<std::uint64_t>(in.take_signed_leb128())));
        return true;
      case 0x2e:
        (void)in.take_leb128();
        return true;  // GNU_args_size
      default:
        good_ = false;
        return true;  // expressions of the CFA, register pairs and what is newer
    }
  }

  bool advance(std::uint64_t delta) {
    location_ += delta * cie_.code_alignment;
    return location_ <= address_;
  }
  void put(std::uint64_t number, std::int64_t value) {
    std::int32_t* slot = slot_of(row_, number);
    if (slot != nullptr) *slot = static_cast<std::int32_t>(value);
  }
  void save(std::uint64_t number, std::int64_t distance) {
    if (distance < -(1 << 30) || distance > (1 << 30))
      good_ = false;
    else
      put(number, distance);
  }
  void restore(std::uint64_t number) {
    const std::int32_t* slot = slot_of(initial_, number);
    if (slot != nullptr) put(number, *slot);
  }
  void remember() {
    if (remembered_.size() >= kMaxRemembered)
      good_ = false;
    else
      remembered_.push_back(row_);
  }
  void recall() {
    if (remembered_.empty()) {
      good_ = false;
      return;
    }
    row_ = remembered_.back();
    remembered_.pop_back();
  }
  void base(std::uint64_t number) {
    if (number != kRspNumber && number != kRbpNumber) good_ = false;
    row_.rule.from_rbp = number == kRbpNumber;
  }
  void offset(std::int64_t value) {
    if (value < 0 || value > (1 << 30))
      good_ = false;
    else
      row_.rule.cfa = static_cast<std::int32_t>(value);
  }
  void skip(Bytes& in) {
    const std::uint64_t size = in.take_leb128();
    if (size > in.left.size())
      in.good = false;
    else
      in.left = in.left.subspan(size);
  }

  const Cie& cie_;
  std::uint64_t location_, address_;
  bool good_ = true;
  Row row_, initial_;
  std::vector<Row> remembered_;
};

/// The bytes of an entry after its length and id words; nullopt for the 64-bit form, which nobody
/// writes.
std::optional<std::span<const std::byte>> body_of(std::span<const std::byte> entry) {
  Bytes in{entry};
  const auto length = in.take<std::uint32_t>();
  if (!in.good || length < 4 || length > in.left.size()) return std::nullopt;
  return in.left.subspan(4, length - 4);
}

}  // namespace

std::optional<FrameRule> find_frame_rule(std::span<const std::byte> cie_bytes,
                                         std::span<const std::byte> fde_bytes,
                                         std::uint64_t fde_address, std::uint64_t address) {
  const auto cie_body = body_of(cie_bytes), fde_body = body_of(fde_bytes);
  const auto cie = cie_body ? parse_cie(*cie_body) : std::nullopt;
  if (!cie || !fde_body || cie->signal_frame || cie->encoding == kOmit ||
      (cie->encoding & kIndirect) != 0) {
    return std::nullopt;
  }
  Bytes in{*fde_body};
  std::uint64_t start = in.take_encoded(cie->encoding);
  if ((cie->encoding & 0x70) == kPcRelative) start += fde_address + 8;
  const std::uint64_t size = in.take_encoded(cie->encoding & 0x0f);
  if (!in.good || address < start || address - start >= size) return std::nullopt;
  if (cie->has_augmentation) {
    const std::uint64_t skip = in.take_leb128();
    if (skip > in.left.size()) return std::nullopt;
    in.left = in.left.subspan(skip);
  }
  Interpreter interpreter(*cie, start, address);
  if (!interpreter.run(cie->instructions)) return std::nullopt;
  interpreter.keep_initial();
  if (!interpreter.run(in.left)) return std::nullopt;
  FrameRule rule = interpreter.row().rule;
  rule.outermost = interpreter.row().return_address == FrameRule::kUndefined;
  if (!rule.outermost && interpreter.row().return_address != -8) return std::nullopt;
  return rule;
}

}  // namespace ipcdoctor::unwind
