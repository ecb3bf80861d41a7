#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "linux/address_space.h"
#include "unwind/eh_frame.h"
#include "unwind/elf_file.h"
#include "unwind/frame_rule.h"
#include "unwind/symbol_table.h"

namespace ipcdoctor::unwind {

/// The unwind table of an image at link-time addresses.
struct UnwindTable {
  std::uint64_t base = 0;  ///< what the rows are relative to
  std::uint64_t address =
      0;  ///< of the rows in the image; 0 = the image has none, they were built from .eh_frame
  std::vector<FrameEntry> rows;  ///< sorted by address
};

/// One ELF image: what is needed to unwind and to name, each part read when it is first asked for.
class Image {
 public:
  Image(ElfFile elf, std::string path);

  const ElfFile& elf() const { return elf_; }
  const std::string& path() const { return path_; }  ///< as maps has it, raw
  const std::string& name() const { return name_; }  ///< last component, safe to print
  bool is_system() const {
    return system_;
  }  ///< of the distribution or an interpreter: not the user's code
  const SymbolTable& symbols();
  const SymbolTable* known_symbols() const { return symbols_ ? &*symbols_ : nullptr; }
  const UnwindTable* unwind_table();  ///< nullptr if it has none
  /// How the frame at a link-time address is left; nullptr if that is not simple or not known.
  /// Remembered.
  const FrameRule* frame_rule(std::uint64_t address);

 private:
  std::optional<FrameRule> read_frame_rule(std::uint64_t address);
  Result<std::vector<std::byte>> read_entry(std::uint64_t address) const;

  ElfFile elf_;
  std::string path_, name_;
  bool system_ = false;
  std::optional<SymbolTable> symbols_;
  std::optional<UnwindTable> table_;
  std::unordered_map<std::uint64_t, std::optional<FrameRule>> rules_;
};

/// An address of a process inside an image. Link-time address = address - bias.
struct Place {
  Image* image = nullptr;
  std::uint64_t bias = 0;
  std::uint64_t begin = 0, end = 0;  ///< of the mapping
};

/// All images seen, by (dev, ino) of the mapping, so that forked and unrelated processes share
/// them.
class ImageCache {
 public:
  /// The image that is mapped at the address. @return Unsupported: none (heap, JIT code); Denied,
  /// Malformed ...
  Result<Place> find(const linux::AddressSpace& space, std::uint64_t address);
  /// The image of one mapping.
  Result<Place> find(const linux::AddressSpace& space, const linux::Mapping& mapping);
  /// What SymbolTable::unpacked() says of the images whose symbols were asked for.
  std::vector<Error> unread() const;

 private:
  struct Key {
    std::uint64_t dev, ino, start;
    int pid;
    auto operator<=>(const Key&) const = default;
  };
  Result<Image*> load(const linux::AddressSpace& space, const linux::Mapping& mapping);
  std::map<Key, Result<std::unique_ptr<Image>>> images_;
};

/// Opens the file behind a mapping: a regular file and the very one that is mapped, or an error.
/// Never blocks, never opens FIFOs or devices. By /proc/PID/map_files (root; works for deleted
/// files), else /proc/PID/exe, else the path below /proc/PID/root without leaving it: there dev and
/// inode must agree, or the build id with that in memory.
Result<linux::UniqueFd> open_mapped_file(const linux::AddressSpace& space,
                                         const linux::Mapping& mapping);

/// A regular file by a path in the target's own root; never blocks, never leaves that root.
Result<linux::UniqueFd> open_in_root(const linux::AddressSpace& space, const std::string& path);

}  // namespace ipcdoctor::unwind
