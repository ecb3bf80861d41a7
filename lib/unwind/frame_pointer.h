#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "unwind/image.h"

namespace ipcdoctor::unwind {

/// The call instruction that ends right before a return address.
struct CallSite {
  std::optional<std::uint64_t> target;  ///< of a direct call; none for an indirect one
};

/// @param before  the bytes up to the return address, 7 at best. nullopt: no call instruction ends
/// there.
std::optional<CallSite> parse_call(std::span<const std::uint8_t> before,
                                   std::uint64_t return_address);

/// The function that the call before the return address enters: a direct call, one through a PLT
/// entry, or one through a pointer beside the code (-fno-plt). nullopt for calls through registers.
std::optional<std::uint64_t> find_callee(const linux::AddressSpace& space, ImageCache& images,
                                         std::uint64_t return_address);

/// Where a function's saved frame pointer may be, by the stack alone: a word that is followed by a
/// return address behind a call of this function.
struct FramePointer {
  std::uint64_t value = 0;
  bool direct =
      false;  ///< the call names this very function; else it is indirect or goes through a PLT
};

/// Candidates above `sp`, nearest first, those of direct calls before the others; a guess, never a
/// proof: old frames may still lie in arrays that nobody has overwritten.
/// @param function  start of the function whose frame it is.
std::vector<FramePointer> find_frame_pointers(const linux::AddressSpace& space, ImageCache& images,
                                              std::uint64_t sp, std::uint64_t function);

/// The caller of a frame that keeps a frame pointer, as code does that nothing describes: V8's, and
/// that of most just-in-time compilers.
/// @return nullopt: rbp is no frame pointer above `sp`, no call instruction ends where it would
/// return to.
struct Caller {
  std::uint64_t pc = 0, sp = 0, rbp = 0;
};
std::optional<Caller> find_caller(const linux::AddressSpace& space, std::uint64_t sp,
                                  std::uint64_t rbp);

/// The first return address above `sp` into a function with unwind information, for code that has
/// none itself (musl, assembly): where that word is, and what it holds.
struct ReturnAddress {
  std::uint64_t at = 0, pc = 0;
};
std::optional<ReturnAddress> find_return_address(const linux::AddressSpace& space,
                                                 ImageCache& images, std::uint64_t sp);

}  // namespace ipcdoctor::unwind
