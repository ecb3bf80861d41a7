#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "linux/unique_fd.h"

namespace ipcdoctor::unwind {

/// A block of bytes that is only moved.
class OwnedBytes {
 public:
  OwnedBytes() = default;
  explicit OwnedBytes(std::size_t size)
      : data_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  std::span<std::byte> span() { return {data_.get(), size_}; }
  std::span<const std::byte> span() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
};

/// The headers of one 64-bit x86 ELF image and the way to its bytes. Every number in the file is
/// treated as a lie until it was checked: tables are bounded, ranges must lie in the file, nothing
/// is mapped (a file that is truncated while we look gives an error, not SIGBUS). See elf(5).
class ElfFile {
 public:
  /// @param file  an open regular file. @return Malformed if it is no ELF image of this machine.
  static Result<ElfFile> parse(linux::UniqueFd file);
  /// An image that is only in memory, such as the vDSO.
  static Result<ElfFile> parse(std::vector<std::byte> bytes);

  struct Section {
    std::string name;
    std::uint32_t type = 0, link = 0;
    std::uint64_t flags = 0, address = 0, offset = 0, size = 0, entry_size = 0;
  };

  const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  const std::vector<Section>& sections() const {
    return sections_;
  }  ///< empty if absent or unreadable
  const Section* find_section(std::string_view name) const;
  const Section* find_section(std::uint32_t type) const;

  /// Exactly `size` bytes at `offset` of the file. @return Limit past 192 MiB, Malformed beyond the
  /// end.
  Result<std::vector<std::byte>> read(std::uint64_t offset, std::uint64_t size) const;
  Result<std::vector<std::byte>> read(const Section& section) const;
  /// For the large ones: not zeroed before they are read.
  Result<OwnedBytes> read_bytes(const Section& section) const;

  /// The address at link time of a file offset inside a loaded segment; an executable one first if
  /// asked.
  Result<std::uint64_t> address_of_offset(std::uint64_t offset, bool executable) const;

  /// Lower-case hex of the GNU build id; "" if it has none.
  std::string build_id() const;
  int fd() const { return file_.get(); }  ///< -1 for an image in memory

 private:
  Status check_range(std::uint64_t offset, std::uint64_t size) const;
  Status read_into(std::uint64_t offset, std::span<std::byte> into) const;
  Status parse_headers();
  void parse_sections(const Elf64_Ehdr& header);

  linux::UniqueFd file_;
  std::vector<std::byte> bytes_;
  std::uint64_t size_ = 0;
  std::vector<Elf64_Phdr> segments_;
  std::vector<Section> sections_;
};

}  // namespace ipcdoctor::unwind
