#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "linux/confined.h"
#include "unwind/image.h"

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
/// and no foreign altlink is followed, since their paths are the target's own words. What was
/// compiled into the target is read in a process without rights: libdw trusts it too much.
class DebugInfo {
 public:
  /// @param space  where the image was found: separate files beside it are looked up in the
  /// target's root.
  static std::unique_ptr<DebugInfo> open(const Image& image, const linux::AddressSpace& space);

  /// Empty if nothing is known. @param address  at link time. @param go_on  false: nobody waits any
  /// longer. @return the Error of the reader's end, from then on.
  Result<std::vector<SourceFrame>> frames_at(std::uint64_t address,
                                             const linux::Confined::GoOn& go_on);

 private:
  DebugInfo() = default;
  void start(linux::UniqueFd file, const std::string& name);

  Result<linux::Confined> reader_ = Error{};  ///< NotRead: there is no debug information
  std::string name_;
  std::chrono::steady_clock::duration spent_{};
};

}  // namespace ipcdoctor::unwind
