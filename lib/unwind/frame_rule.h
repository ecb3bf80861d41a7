#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace ipcdoctor::unwind {

/// How nearly every frame is left: the caller's stack pointer (CFA) is rsp or rbp plus a constant,
/// the return address is in the word below it, and some registers are saved at constant distances.
/// Anything else (expressions, signal frames) is libunwind's matter.
struct FrameRule {
  enum Register { Rbx, Rbp, R12, R13, R14, R15, kRegisters };
  static constexpr std::int32_t kSame = INT32_MAX;  ///< not saved: still has the caller's value
  static constexpr std::int32_t kUndefined = INT32_MIN;  ///< lost
  bool from_rbp = false;                                 ///< else from rsp
  std::int32_t cfa = 0;                                  ///< added to it
  std::array<std::int32_t, kRegisters> saved{kSame, kSame, kSame,
                                             kSame, kSame, kSame};  ///< relative to the CFA
  bool outermost = false;  ///< the return address is undefined: nobody called
};

/// Runs the call frame instructions of a CIE and its FDE (DWARF 5, 6.4.2) up to an address.
/// @param cie, fde  from their length words on; the FDE's pointer to the CIE is not followed.
/// @param fde_address  at link time, for relative pointers.  @param address  at link time.
/// @return nullopt if the address is not in the FDE, the rule is none of the simple kind, or the
/// bytes are damaged.
std::optional<FrameRule> find_frame_rule(std::span<const std::byte> cie,
                                         std::span<const std::byte> fde, std::uint64_t fde_address,
                                         std::uint64_t address);

}  // namespace ipcdoctor::unwind
