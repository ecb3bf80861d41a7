#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "unwind/image.h"
#include "unwind/unwind.h"

struct unw_addr_space;

namespace ipcdoctor::unwind {

/// One step of a stack.
struct RawFrame {
  std::uint64_t pc = 0, sp = 0;
  bool guessed = false;  ///< found by scanning the stack, or beyond such a frame
  Registers registers;   ///< as the code at pc will find them: sp, pc, and the saved ones if known
  bool signal = false;   ///< where a handler returns to: its caller was interrupted
};

/// Why a stack ended.
enum class End {
  Outermost,        ///< the frame description says that nobody called
  NoDescription,    ///< code without unwind information
  MissingRegister,  ///< the frame is found through rbp, which is not known
  Broken,  ///< the stack pointer did not grow, memory could not be read, a description is damaged
  Limit,   ///< too many frames or too much work
};

struct RawStack {
  std::vector<RawFrame> frames;  ///< innermost first; at least one
  End end = End::Broken;
};

/// Unwinds stacks off-line with libunwind: registers and memory come from our own readers, tables
/// from ImageCache.
class Unwinder {
 public:
  explicit Unwinder(ImageCache& images) : images_(images) {}

  /// Where the frame description does not do (rbp is not known, or there is none), goes on by a
  /// scan of the stack; all frames from there on are marked as guessed.
  RawStack unwind(const linux::AddressSpace& space, const Registers& registers, std::size_t limit);

  /// The same by libunwind alone: what the quick way is tested against.
  RawStack unwind_slowly(const linux::AddressSpace& space, const Registers& registers,
                         std::size_t limit);

 private:
  struct Walk;
  class QuickWalk;
  void bridge(const linux::AddressSpace& space, Walk& walk);
  void guess_frame_pointer(const linux::AddressSpace& space, Walk& walk);
  struct AddrSpaceDelete {
    void operator()(unw_addr_space* space) const;
  };
  using AddrSpace = std::unique_ptr<unw_addr_space, AddrSpaceDelete>;
  unw_addr_space* space_for(const linux::AddressSpace& space);

  ImageCache& images_;
  /// libunwind caches by address: one cache for each layout of code. Forked processes have equal
  /// ones.
  std::map<std::vector<std::uint64_t>, AddrSpace> spaces_;
};

}  // namespace ipcdoctor::unwind
