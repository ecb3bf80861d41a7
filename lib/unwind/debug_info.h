#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "unwind/image.h"

struct Dwarf;
struct Elf;

namespace ipcdoctor::unwind {

/// A function at an address: the one that the compiler inlined innermost comes first, the real one
/// last.
struct SourceFrame {
  std::string function;  ///< demangled, safe to print; "" if unknown
  std::string file;      ///< full path as the compiler had it, safe to print; "" if unknown
  int line = 0;          ///< of the address itself, or of the inlined call
};

/// DWARF of one image by libdw: its own, or a separate file with the same build id below
/// /usr/lib/debug or where .gnu_debuglink points, beside the image. Nothing is downloaded; no .dwo
/// and no foreign altlink is followed, since their paths are the target's own words.
class DebugInfo {
 public:
  /// @param space  where the image was found: separate files beside it are looked up in the
  /// target's root.
  static std::unique_ptr<DebugInfo> open(const Image& image, const linux::AddressSpace& space);
  ~DebugInfo();

  /// Empty if nothing is known. @param address  at link time.
  std::vector<SourceFrame> frames_at(std::uint64_t address);

 private:
  DebugInfo() = default;
  Status load(linux::UniqueFd file);
  void index_units();

  linux::UniqueFd file_;
  Elf* elf_ = nullptr;
  Dwarf* dwarf_ = nullptr;
  struct Range {
    std::uint64_t begin, end, unit;
  };
  std::vector<Range> units_;  ///< code of each compilation unit, sorted, and the offset of its DIE
};

}  // namespace ipcdoctor::unwind
